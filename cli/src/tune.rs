//! `c10m tune`: shows what this host's limits and settings mean for very many connections. It reads and explains; it
//! changes no setting and runs none of the commands it prints.

mod audit;
mod budget;
mod count;
mod layout;
mod plan;

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
}

/// Runs the sub-command. `io_uring` tells whether a ring can be set up here. The exit code is 0 whatever the result,
/// because a finding is an answer and not a failure.
pub(crate) fn run(args: TuneArgs, io_uring: IoUring) -> anyhow::Result<u8> {
    let text = match args.command {
        TuneCommand::Audit(args) => audit::text(&args, &io_uring)?,
        TuneCommand::Plan(args) => plan::text(&args, &io_uring)?,
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader stopped early, as in `c10m tune audit | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        other => other.map(|()| 0).context("cannot write to stdout"),
    }
}
