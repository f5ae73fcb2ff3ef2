//! `c10m bench`: its command line. The experiments belong to `lab`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use lab::{Profile, Request};

/// The experiments by name, and notes that apply to all of them.
fn notes() -> String {
    let names = textwrap::fill(&lab::names().join(", "), 78);
    format!("Experiments (`c10m bench list` explains each):\n{names}\n\n{NOTES}")
}

const NOTES: &str = "\
An interrupted experiment keeps its finished runs, and the same command
continues it. Before each block of a comparison, and each run of a scenario, the
machine must be quiet: during a tenth of a second, tasks wait for a CPU at most
20 % of the time, others use at most 30 % and a hypervisor takes at most 20 % of
each CPU of the experiment, and there are at most 500 orphaned sockets, 4,000 in
TIME-WAIT and 2,000 closed but not freed. A comparison with a budget waits for
at most a twentieth of it, and then goes on and marks what is disturbed.

No experiment begins while processes of a killed one still run.

Exit codes: 0 done, 1 failed, interrupted or the machine not quiet, 2 usage,
4 no run was valid, or a comparison does not see its own controls as they are.";

/// What a walk has no use for.
const NOT_EXPLAINED: [&str; 13] = [
    "profile", "out", "arms", "loads", "apart", "budget", "repeats", "seconds", "seed", "wait_max", "noisy",
    "no_fault", "fresh",
];

/// Arguments of `c10m bench`.
#[derive(Debug, Args)]
#[command(after_help = notes())]
pub(crate) struct BenchArgs {
    /// Name of the experiment; `list` explains each
    #[arg(default_value = "quick")]
    experiment: String,
    /// How much of it to run [default: quick if the experiment has it]
    #[arg(long, value_enum)]
    profile: Option<ProfileWord>,
    /// Directory in which the run's directory is created
    #[arg(long, value_name = "DIR", default_value = "results/runs")]
    out: PathBuf,
    /// Of a comparison, measure this arm beside the reference and the controls; may be repeated [default: all arms]
    #[arg(long = "arm", value_name = "NAME")]
    arms: Vec<String>,
    /// Of a comparison, measure under this load, for example http-c64-closed-p1; may be repeated [default: all loads]
    #[arg(long = "load", value_name = "NAME")]
    loads: Vec<String>,
    /// Of a comparison, measure servers one after another, each with a load generator of its own, instead of side by side in
    /// turns: a check of the turns, which needs many times as long for the same resolution
    #[arg(long)]
    apart: bool,
    /// How long a comparison may take, everything included; it decides how many blocks are measured [default: the
    /// experiment's]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with = "repeats")]
    budget: Option<Duration>,
    /// Blocks of a comparison, or repeats of a scenario [default: the experiment's]
    #[arg(long, value_name = "N", value_parser = crate::count::between(1_u32, 1000))]
    repeats: Option<u32>,
    /// Seconds of each measured window; not for servers that stand side by side [default: the experiment's]
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<f64>,
    /// Seed of the schedules and of the order; random if absent, and recorded either way
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Longest wait for a quiet machine before a block or a run [default: 60s; with --noisy 0s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    wait_max: Option<Duration>,
    /// Measure even when the machine is not quiet, and record that
    #[arg(long)]
    noisy: bool,
    /// Of an experiment about a failure, leave the failure out: a control, in which it must find nothing
    #[arg(long)]
    no_fault: bool,
    /// Of fd-limit, instead of the experiment: a walk along all limits on descriptors. Each is hit for real where that
    /// harms nobody, with its error, what shows it and the command that mends it; takes about a minute
    #[arg(long, conflicts_with_all = NOT_EXPLAINED)]
    explain: bool,
    /// Discard what an interruption left, and start again
    #[arg(long)]
    fresh: bool,
    /// Print the record (or the list) as one JSON document on stdout instead of tables
    #[arg(long)]
    json: bool,
}

/// How much of an experiment to run.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProfileWord {
    /// A first answer within minutes
    Quick,
    /// Everything; an interrupted run can be continued
    Full,
    /// A million connections over loopback, and 2.5 million (c10m only)
    C1m,
    /// Five million connections behind a TUN device (c10m only)
    C5m,
}

impl From<ProfileWord> for Profile {
    fn from(word: ProfileWord) -> Profile {
        match word {
            ProfileWord::Quick => Profile::Quick,
            ProfileWord::Full => Profile::Full,
            ProfileWord::C1m => Profile::C1m,
            ProfileWord::C5m => Profile::C5m,
        }
    }
}

/// Runs an experiment, or lists them. Returns the exit code.
pub(crate) fn run(args: BenchArgs) -> anyhow::Result<u8> {
    if args.experiment == "list" {
        lab::terminal::print(&lab::list(args.json)?)?;
        return Ok(0);
    }
    if args.explain {
        return lab::explain(&args.experiment, args.json);
    }
    lab::run(&Request {
        experiment: args.experiment,
        profile: args.profile.map(Profile::from),
        out: args.out,
        arms: args.arms,
        loads: args.loads,
        apart: args.apart,
        repeats: args.repeats,
        budget: args.budget,
        seconds: args.seconds,
        seed: args.seed,
        wait_max: args.wait_max,
        noisy: args.noisy,
        without_fault: args.no_fault,
        fresh: args.fresh,
        json: args.json,
    })
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("write a number of seconds between 0.1 and 3600".to_owned()),
    }
}
