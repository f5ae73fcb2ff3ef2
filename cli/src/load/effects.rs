//! Refuses options of `c10m load` that have no effect on the requested run, and says what would give them one. Someone
//! who writes `--burst 50` would otherwise believe that there are bursts.

use super::args::LoadArgs;
use crate::given::Given;
use loadgen::{Engine, LoadError, Mode, Options, Process, TargetFacts, WarmUp};
use protocol::Workload;

/// What an option needs to have an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Nothing: it always has an effect, or the load generator itself refuses it.
    Nothing,
    /// Arrivals in groups.
    Bursts,
    /// Arrivals from a schedule.
    Rate,
    /// Sends at scheduled times: a rate or heartbeats.
    Arrivals,
    /// A worker that may poll.
    Polling,
    /// A load that sends requests.
    Requests,
    /// A load that sends anything.
    Sending,
    /// A target with this workload.
    Workload(Workload),
    /// Successful replies that have a body.
    Body,
    /// Connections of the kernel's TCP.
    KernelTcp,
}

const ECHO: Need = Need::Workload(Workload::Echo);
const HTTP: Need = Need::Workload(Workload::Http);

/// Every option by the name of its field, and what it needs. A test compares this list with the command line.
const NEEDS: [(&str, &[Need]); 46] = [
    ("target", &[Need::Nothing]),
    ("connections", &[Need::Nothing]),
    ("rate", &[Need::Nothing]),
    ("duration", &[Need::Nothing]),
    // The generator itself refuses it when it contradicts the mode.
    ("requests", &[Need::Nothing]),
    ("warmup", &[Need::Requests]),
    ("threads", &[Need::Nothing]),
    ("cpus", &[Need::Nothing]),
    ("engine", &[Need::Nothing]),
    ("schedule", &[Need::Rate]),
    ("stages", &[Need::Nothing]),
    ("burst", &[Need::Bursts]),
    ("heartbeat", &[Need::Nothing]),
    ("spin", &[Need::Arrivals, Need::Polling]),
    ("coalesce", &[Need::Arrivals]),
    ("realtime", &[Need::Arrivals]),
    // It is recorded and selects the pattern of echo messages. Experiments give it to every run.
    ("seed", &[Need::Nothing]),
    ("connect_rate", &[Need::Nothing]),
    ("requests_per_connection", &[Need::Requests]),
    ("reconnect", &[Need::Nothing]),
    ("connect_timeout", &[Need::Nothing]),
    ("reset", &[Need::KernelTcp]),
    ("sources", &[Need::Nothing]),
    ("source_ports", &[Need::KernelTcp]),
    ("memory_reserve", &[Need::Nothing]),
    ("pipeline", &[Need::Nothing]),
    ("timeout", &[Need::Sending]),
    ("payload", &[ECHO, Need::Sending]),
    ("method", &[HTTP, Need::Sending]),
    ("headers", &[HTTP, Need::Sending]),
    ("body", &[HTTP, Need::Sending]),
    ("expect_status", &[HTTP, Need::Sending]),
    ("expect_body", &[HTTP, Need::Sending, Need::Body]),
    ("body_len_max", &[HTTP, Need::Sending]),
    ("slo", &[Need::Requests]),
    ("calibrate", &[Need::Requests]),
    ("self_test", &[Need::Nothing]),
    ("interval", &[Need::Nothing]),
    ("find_knee", &[Need::Nothing]),
    ("watch_pid", &[Need::Nothing]),
    ("watch_cpus", &[Need::Nothing]),
    ("out", &[Need::Nothing]),
    ("json", &[Need::Nothing]),
    ("quiet", &[Need::Nothing]),
    // These give permissions, which need not be used.
    ("allow_private", &[Need::Nothing]),
    ("i_own", &[Need::Nothing]),
];

/// The options that the self-test uses.
const OF_SELF_TEST: [&str; 7] = ["self_test", "threads", "engine", "seed", "cpus", "watch_cpus", "json"];

/// The requested run.
struct Run<'a> {
    options: &'a Options,
    target: TargetFacts,
    /// What decides when the run sends.
    mode: Mode,
}

impl Need {
    fn is_met(self, run: &Run<'_>) -> bool {
        match self {
            Need::Nothing => true,
            Need::Bursts => run.mode == Mode::Open && run.options.process == Process::Bursts,
            Need::Rate => run.mode == Mode::Open,
            Need::Arrivals => run.mode.is_scheduled(),
            Need::Polling => run.options.coalesce.is_zero(),
            Need::Requests => run.mode != Mode::Idle,
            // Idle clients that come back send a hello.
            Need::Sending => run.mode != Mode::Idle || run.options.reconnect.is_some(),
            Need::Workload(workload) => run.target.workload == workload,
            Need::Body => has_body(run.options),
            Need::KernelTcp => run.options.engine != Engine::Tun && !run.target.is_unix,
        }
    }

    /// The words that follow "it needs".
    fn words(self) -> &'static str {
        match self {
            Need::Nothing => "nothing",
            Need::Bursts => "--schedule bursts, and --rate or --stages",
            Need::Rate => "--rate above 0, or --stages",
            Need::Arrivals => "an open loop: --rate above 0, --stages or --heartbeat",
            Need::Polling => "a worker that polls, and --coalesce makes it sleep: leave one of them out",
            Need::Requests => "requests, and --rate 0 holds the connections idle",
            Need::Sending => "requests, and --rate 0 holds the connections idle without any but those of --reconnect",
            Need::Workload(Workload::Echo) => "an echo target, tcp://HOST:PORT or tcp+unix:PATH",
            Need::Workload(Workload::Http) => "an http:// target",
            Need::Body => "a reply with a body: no --method HEAD, and --expect-status with more than 1xx, 204 and 304",
            Need::KernelTcp => "connections of the kernel's TCP: no unix socket, and not --engine tun",
        }
    }
}

/// Whether a successful reply can have a body (RFC 9110 §6.4.1).
fn has_body(options: &Options) -> bool {
    let may_have = |status: u16| !matches!(status, 100..=199 | 204 | 304);
    let statuses = options.expect_status.unwrap_or_default();
    !options.method.eq_ignore_ascii_case("HEAD")
        && (100..600).any(|status| may_have(status) && statuses.contains(status))
}

/// Whether an option changes nothing in any mode, because its value is the same as without it.
fn asks_for_nothing(name: &str, options: &Options) -> bool {
    match name {
        "warmup" => options.warmup == WarmUp::Fixed(std::time::Duration::ZERO),
        "spin" => options.spin.is_zero(),
        "coalesce" => options.coalesce.is_zero(),
        "requests_per_connection" => options.requests_per_connection == 0,
        _ => false,
    }
}

/// Refuses the first option that has no effect.
///
/// # Errors
/// [`LoadError::Usage`], which names the option and what would give it an effect, or says what is wrong with the
/// target.
pub(super) fn check(given: &Given, options: &Options, is_search: bool) -> Result<(), LoadError> {
    let target = TargetFacts::of(&options.target)?;
    // Every probe of a search has a rate.
    let run = Run { options, target, mode: if is_search { Mode::Open } else { options.mode() } };
    for (name, needs) in NEEDS.iter().filter(|(name, _)| given.has(name) && !asks_for_nothing(name, options)) {
        if let Some(need) = needs.iter().find(|need| !need.is_met(&run)) {
            return Err(LoadError::Usage(format!("{} has no effect here: it needs {}", flag(name), need.words())));
        }
    }
    Ok(())
}

/// Refuses options that the self-test does not use.
///
/// # Errors
/// [`LoadError::Usage`], which names the option.
pub(super) fn check_self_test(given: &Given) -> Result<(), LoadError> {
    let known = NEEDS.iter().map(|(name, _)| *name);
    let stray = known.filter(|name| given.has(name)).find(|name| !OF_SELF_TEST.contains(name));
    match stray {
        None => Ok(()),
        Some(name) => Err(LoadError::Usage(format!(
            "{} has no effect on --self-test, which chooses its own load: only --threads, --engine, --seed, --cpus, \
             --watch-cpus (for the server) and --json apply",
            flag(name)
        ))),
    }
}

/// The option as it is written on the command line.
fn flag(name: &str) -> String {
    let arguments = <LoadArgs as clap::Args>::augment_args(clap::Command::new("load"));
    let long = arguments.get_arguments().find(|argument| argument.get_id() == name).and_then(clap::Arg::get_long);
    long.map_or_else(|| name.to_owned(), |long| format!("--{long}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: LoadArgs,
    }

    fn refusal(line: &str) -> Option<String> {
        let args = Line::parse_from(["load"].into_iter().chain(line.split(' '))).args;
        let (given, is_search) = (args.given().clone(), args.condition().is_some());
        let result = match args.self_test() {
            Some(_) => check_self_test(&given),
            None => check(&given, &args.into_options(), is_search),
        };
        result.err().map(|error| {
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        })
    }

    #[test]
    fn every_option_is_in_the_list() {
        let arguments = <LoadArgs as clap::Args>::augment_args(clap::Command::new("load"));
        for argument in arguments.get_arguments() {
            let name = argument.get_id().as_str();
            assert!(NEEDS.iter().any(|(known, _)| *known == name), "what does {name} need to have an effect?");
        }
        for (name, needs) in NEEDS {
            let is_known = arguments.get_arguments().any(|argument| argument.get_id() == name);
            assert!(is_known && !needs.is_empty(), "{name} is no option any more");
        }
    }

    #[test]
    fn options_without_effect_are_refused_with_what_would_give_them_one() {
        for (line, option, need) in [
            ("http://127.0.0.1/ --burst 5", "--burst", "--schedule bursts"),
            ("http://127.0.0.1/ -r 5 --burst 10", "--burst", "--schedule bursts"),
            ("http://127.0.0.1/ --schedule bursts --burst 5", "--schedule", "--rate above 0"),
            ("http://127.0.0.1/ --schedule poisson", "--schedule", "--stages"),
            ("http://127.0.0.1/ --schedule constant -r 0", "--schedule", "--rate above 0"),
            ("http://127.0.0.1/ --heartbeat 1s --schedule constant", "--schedule", "--rate"),
            ("http://127.0.0.1/ --coalesce 1ms", "--coalesce", "an open loop"),
            ("http://127.0.0.1/ --spin 1ms", "--spin", "an open loop"),
            ("http://127.0.0.1/ -r 5 --coalesce 1ms --spin 1ms", "--spin", "leave one"),
            ("http://127.0.0.1/ --realtime", "--realtime", "an open loop"),
            ("http://127.0.0.1/ --payload 64", "--payload", "tcp://"),
            ("unix:/x --payload 64", "--payload", "tcp+unix:"),
            ("tcp://127.0.0.1:1 --method POST", "--method", "http://"),
            ("tcp://127.0.0.1:1 --header A:b", "--header", "http://"),
            ("tcp+unix:/x --body x", "--body", "http://"),
            ("tcp://127.0.0.1:1 --expect-body x", "--expect-body", "http://"),
            ("tcp://127.0.0.1:1 --body-len-max 5", "--body-len-max", "http://"),
            ("tcp://127.0.0.1:1 -r 0 --payload 5", "--payload", "idle"),
            ("tcp://127.0.0.1:1 -r 0 --timeout 5s", "--timeout", "idle"),
            ("tcp://127.0.0.1:1 -r 0 --warmup 1s", "--warmup", "idle"),
            ("tcp://127.0.0.1:1 -r 0 --calibrate", "--calibrate", "idle"),
            ("tcp://127.0.0.1:1 -r 0 --requests-per-connection 5", "--requests-per-connection", "idle"),
            ("tcp://127.0.0.1:1 -r 0 --slo p99<5ms", "--slo", "idle"),
            ("tcp://127.0.0.1:1 -r 0 --reconnect fixed --slo p99<5ms", "--slo", "idle"),
            ("http://127.0.0.1/ --method HEAD --expect-body x", "--expect-body", "no --method HEAD"),
            ("http://127.0.0.1/ --expect-status 204,304 --expect-body x", "--expect-body", "--expect-status"),
            ("tcp://198.18.0.1:1 --engine tun --reset", "--reset", "not --engine tun"),
            ("unix:/x --reset", "--reset", "no unix socket"),
            ("unix:/x --source-ports 5000-6000", "--source-ports", "no unix socket"),
            ("--self-test -c 5", "--connections", "--self-test"),
            ("--self-test --quiet", "--quiet", "--self-test"),
            ("--self-test=http --schedule poisson", "--schedule", "--self-test"),
            ("--self-test --timeout 5s", "--timeout", "--self-test"),
            ("--self-test --reconnect fixed", "--reconnect", "--self-test"),
        ] {
            let found = refusal(line).unwrap_or_else(|| panic!("{line} is not refused"));
            assert!(found.starts_with(option) && found.contains(need), "{line}: {found}");
        }
    }

    #[test]
    fn options_with_effect_are_not() {
        for line in [
            "http://127.0.0.1/ -r 5 --schedule bursts --burst 10",
            "http://127.0.0.1/ --stages 5@1s --schedule bursts --burst 10",
            "http://127.0.0.1/ --find-knee p99<5ms --schedule constant --spin 1ms",
            "http://127.0.0.1/ --method POST --body x --header A:b --expect-body y --body-len-max 5",
            "tcp://127.0.0.1:1 --payload 5 --reset --timeout 1s --calibrate",
            "tcp://127.0.0.1:1 --heartbeat 1s --spin 0s --coalesce 20ms --realtime",
            "tcp://127.0.0.1:1 --heartbeat 1s --spin 0s --coalesce 0s",
            "tcp://127.0.0.1:1 -r 0 --warmup 0ms --reset --seed 5",
            "tcp://127.0.0.1:1 -r 0 --reconnect fixed --timeout 5s --payload 5",
            "tcp://127.0.0.1:1 --coalesce 0s --requests-per-connection 0 --seed 5",
            "http://127.0.0.1/ --expect-status 200,304 --expect-body x --slo p99<5ms",
            "unix:/x --header A:b -r 5 --coalesce 1ms",
            "--self-test --cpus 0 --watch-cpus 1 --json",
            "--self-test -t 2 --engine io_uring",
            "--self-test=http,poisson --seed 5",
        ] {
            assert_eq!(refusal(line), None, "{line}");
        }
    }
}
