//! `c10m tune prove`: its command line. The trials belong to `lab`.

use std::path::PathBuf;

use clap::ValueEnum;
use lab::{Profile, Request};

const EXAMPLES: &str = "\
Examples:
  one setting, or several:
    c10m tune prove somaxconn tcp_tw_reuse
  all settings of namespaces; an interrupted run goes on where it was:
    c10m tune prove all
  those of the whole host, too, which are changed meanwhile and restored:
    c10m tune prove all --host

Exit codes: 0 done, 1 failed, interrupted, or a workload does not see the
change that was planted in it, 2 usage.";

/// Arguments of `c10m tune prove`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ProveArgs {
    /// Settings by their names or the last parts of these; `all` for all.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// How much of it to run.
    #[arg(long, value_enum, default_value_t = ProfileWord::Quick)]
    profile: ProfileWord,
    /// Also try settings of the whole host: they are changed for the length of each run, and restored.
    #[arg(long)]
    host: bool,
    /// Directory in which the run's directory is created.
    #[arg(long, value_name = "DIR", default_value = "results/runs")]
    out: PathBuf,
    /// Most repeats of a value [default: 4 to 8 by workload, and three times as many with full].
    #[arg(long, value_name = "N", value_parser = crate::count::between(1_u32, 1000))]
    repeats: Option<u32>,
    /// Seed of the schedules and of what is lost; random if absent, and recorded either way.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Discard what an interruption left, and start again.
    #[arg(long)]
    fresh: bool,
    /// Print the record as one JSON document instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProfileWord {
    /// A first answer within a quarter of an hour.
    Quick,
    /// More values, and more repeats.
    Full,
}

/// Runs the trials. Returns the exit code.
pub(super) fn run(args: ProveArgs) -> anyhow::Result<u8> {
    let is_all = args.names.iter().any(|name| name == "all");
    let names = if is_all { Vec::new() } else { args.names };
    let profile = match args.profile {
        ProfileWord::Quick => Profile::Quick,
        ProfileWord::Full => Profile::Full,
    };
    let request = Request {
        experiment: "prove".to_owned(),
        profile: Some(profile),
        out: args.out,
        arms: Vec::new(),
        loads: Vec::new(),
        apart: false,
        repeats: args.repeats,
        budget: None,
        seconds: None,
        seed: args.seed,
        wait_max: None,
        noisy: false,
        without_fault: false,
        fresh: args.fresh,
        json: args.json,
    };
    lab::prove(&request, names, args.host)
}
