//! `c10m fan-out`: requests that need several replies, as a page does, and second copies of what does not come.

use std::fmt::Write;
use std::time::Duration;

use clap::Args;
use loadgen::fan_out::{Extra, Hedge, Options, Record};
use loadgen::record::{State, Summary};
use results::report::{count, measure};

use crate::load::{self, EXIT_INTERRUPTED, EXIT_INVALID};

const EXAMPLES: &str = "\
Examples:
  a page of ten replies, 500 pages a second:
    c10m fan-out http://127.0.0.1:8080/ --parts 10 -r 500
  a second copy of what has no reply when 95 of 100 have, for 5 of 100
  replies at most, on two servers in turn:
    c10m fan-out http://127.0.0.1:8080/ http://127.0.0.1:8081/ -r 1000 \\
      --hedge after=p95,budget=5%
  two copies of everything:
    c10m fan-out http://127.0.0.1:8080/ http://127.0.0.1:8081/ -r 1000 --tied

Exit codes: 0 done, 1 failed or interrupted, 2 usage, 4 the times are
the client's own.";

/// Arguments of `c10m fan-out`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FanOutArgs {
    /// Where parts are sent to, in turn: http://HOST:PORT/PATH
    #[arg(required = true)]
    targets: Vec<String>,
    /// Connections to each target
    #[arg(short = 'c', long, default_value_t = 100, value_name = "N", value_parser = crate::count::between(1, u32::MAX))]
    connections: u32,
    /// Requests per second, at random times (Poisson)
    #[arg(short = 'r', long, default_value = "100", value_name = "R", value_parser = crate::count::rate)]
    rate: f64,
    /// Replies that each request needs, all asked for at the same time, each on a connection of its own
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = crate::count::between(1, Options::PARTS_MAX))]
    parts: u32,
    /// Send a second copy of what has no reply yet, on another connection, to the next target if there are several:
    /// after=TIME, or after=pN for a quantile learned in the warm-up; budget=P% is the most second copies, in percent of the
    /// parts. The first reply counts
    #[arg(long, value_name = "after=WHEN,budget=P%", value_parser = str::parse::<Hedge>, conflicts_with = "tied")]
    hedge: Option<Hedge>,
    /// Send two copies of everything at once. HTTP/1.1 cannot call the second back, so the server works for both
    #[arg(long)]
    tied: bool,
    /// Load before the window, in no number
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = humantime::parse_duration)]
    warmup: Duration,
    /// Length of the window
    #[arg(short = 'd', long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// How long a reply may take
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// What takes longer counts as slow
    #[arg(long, default_value = "10ms", value_name = "TIME", value_parser = humantime::parse_duration)]
    slow_above: Duration,
    /// Seed of the schedule
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// CPU of the one thread
    #[arg(long, value_name = "N")]
    cpu: Option<u32>,
    /// Print the record as one JSON document on stdout
    #[arg(long)]
    json: bool,
    /// Allow targets in a private address range
    #[arg(long)]
    allow_private: bool,
    /// Allow this public host; repeat the name of the targets' host here
    #[arg(long, value_name = "HOST")]
    i_own: Option<String>,
}

impl FanOutArgs {
    fn into_options(self) -> Options {
        Options {
            targets: self.targets,
            connections: self.connections,
            rate: self.rate,
            parts: self.parts,
            extra: match (self.hedge, self.tied) {
                (Some(hedge), _) => Extra::Hedge(hedge),
                (None, true) => Extra::Tied,
                (None, false) => Extra::None,
            },
            warm_up: self.warmup,
            duration: self.duration,
            timeout: self.timeout,
            slow_above: self.slow_above,
            seed: self.seed,
            cpu: self.cpu,
            allow_private: self.allow_private,
            i_own: self.i_own,
        }
    }
}

/// Sends the requests and prints what came of them. Returns the exit code.
///
/// # Errors
/// When stdout or the signal handlers fail. Errors of the load are printed here.
pub(crate) fn run(args: FanOutArgs) -> anyhow::Result<u8> {
    let json = args.json;
    let options = args.into_options();
    let stop = load::stop_on_signals()?;
    let record = match loadgen::fan_out::run(&options, &stop) {
        Ok(record) => record,
        Err(error) => return Ok(load::refuse(&error)),
    };
    load::print(|stdout| {
        if json {
            return load::write_json(stdout, &record);
        }
        stdout.extend_from_slice(text(&record).as_bytes());
        Ok(())
    })?;
    Ok(match (record.interrupted, record.verdict) {
        (true, _) => EXIT_INTERRUPTED,
        (false, State::Invalid) => EXIT_INVALID,
        (false, _) => 0,
    })
}

/// What came of the requests, for people.
fn text(record: &Record) -> String {
    let number = |number: u64| count(number as f64);
    let times = |summary: &Summary| {
        let printed =
            summary.printed().map(|(name, _, us)| format!("{} {}", name.replace('_', "."), measure(us / 1000.0)));
        let longest = summary.max.map(|us| format!("max {}", measure(us / 1000.0)));
        printed.chain(longest).collect::<Vec<_>>().join(", ")
    };
    let (requests, parts) = (&record.requests, &record.parts);
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name:<22}{value}");
    };
    line("targets", record.targets.join(", "));
    let each = if record.parts_per_request == 1 { "part" } else { "parts" };
    line(
        "requests",
        format!("{} at {}/s, {} {each} each", number(requests.scheduled), record.rate, record.parts_per_request),
    );
    line("answered, failed", format!("{}, {}", number(requests.completed), number(requests.failed)));
    line("response (ms)", times(&record.response_us));
    line("of a part (ms)", times(&record.part_us));
    if let Some((request, part)) = record.slow_requests.zip(record.slow_parts) {
        let limit = record.slow_above_us as f64 / 1000.0;
        let foretold = 1.0 - (1.0 - part).powf(f64::from(record.parts_per_request));
        line(
            "slower than that",
            format!(
                "above {} ms: {:.2} % of the parts, {:.2} % of the requests; 1 - (1 - p)^n foretells {:.2} %",
                measure(limit),
                part * 100.0,
                request * 100.0,
                foretold * 100.0
            ),
        );
    }
    match record.extra {
        Extra::None => {}
        Extra::Hedge(hedge) => {
            line("hedge", format!("{hedge}, waits {} ms", measure(record.hedge_after_us.unwrap_or(0.0) / 1000.0)))
        }
        Extra::Tied => line("tied", "two copies of each part at once".to_owned()),
    }
    if record.extra != Extra::None {
        let share = if parts.asked > 0 { 100.0 * parts.second as f64 / parts.asked as f64 } else { 0.0 };
        line(
            "second copies",
            format!(
                "{} ({share:.1} % of the parts), {} came first, {} replies thrown away; not sent: {} for the budget, {} without a connection",
                number(parts.second),
                number(parts.won_by_second),
                number(parts.discarded),
                number(parts.over_budget),
                number(parts.no_connection)
            ),
        );
    }
    line("lateness (ms)", times(&record.lateness_us));
    line("verdict", record.verdict.name().to_owned());
    text
}
