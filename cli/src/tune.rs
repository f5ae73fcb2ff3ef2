//! `c10m tune`: shows what this host's limits and settings mean for very many connections, and changes settings so that
//! the change can be taken back. Without `--write` it reads only, and it runs none of the commands it prints.

mod audit;
mod budget;
mod change;
mod count;
mod explain;
mod layout;
mod plan;
mod prove;
mod rules;

use std::io::{self, Write};

use anyhow::Context;
use tuning::IoUring;

/// Arguments of `c10m tune`.
#[derive(Debug, clap::Args)]
pub(crate) struct TuneArgs {
    #[command(subcommand)]
    command: TuneCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TuneCommand {
    /// Compare this host's limits and settings with what a number of connections needs.
    Audit(audit::AuditArgs),
    /// Plan a number of connections: which limit comes first, how much memory it takes, what to run.
    Plan(plan::PlanArgs),
    /// Explain a setting, a symptom or a counter: what it is, when it matters, how it fails, what is said wrongly.
    Explain(explain::ExplainArgs),
    /// Show which settings a profile or a file would change here.
    Diff(change::WantedArgs),
    /// Apply a profile or a file of settings: all of it or nothing, to be taken back by `revert`.
    Apply(change::ApplyArgs),
    /// Take back what `apply` did, or what is left of an `apply` that was interrupted.
    Revert(change::RevertArgs),
    /// Try settings on this host, each under the workload in which it should matter, and say which do.
    Prove(prove::ProveArgs),
}

/// Runs the sub-command. `io_uring` tries whether a ring can be set up here. The exit code is 0 whatever was found,
/// because a finding is an answer and not a failure; a change that is refused or fails has 1.
pub(crate) fn run(args: TuneArgs, io_uring: impl Fn() -> IoUring) -> anyhow::Result<u8> {
    let (text, code) = match args.command {
        TuneCommand::Audit(args) => audit::text(&args, &io_uring())?,
        TuneCommand::Plan(args) => (plan::text(&args, &io_uring())?, 0),
        TuneCommand::Explain(args) => (explain::text(&args)?, 0),
        TuneCommand::Diff(args) => change::diff(&args)?,
        TuneCommand::Apply(args) => change::apply_profile(&args)?,
        TuneCommand::Revert(args) => change::revert_last(&args)?,
        TuneCommand::Prove(args) => return prove::run(args),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader stopped early, as in `c10m tune audit | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(code),
        other => other.map(|()| code).context("cannot write to stdout"),
    }
}
