//! `c10m tune audit`: what this host's limits, settings and files mean for a number of connections. A table of checks, the
//! first wall, limits that are being hit, and mistakes in configuration files.

mod page;
mod report;
mod sarif;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use host::{Facts, namespace};
use protocol::Workload;
use tuning::hits::Looks;
use tuning::knowledge::{Goal, Knowledge};
use tuning::lint::{Lint, Place};
use tuning::plan::{Backend, Host, Plan, Request, Side};
use tuning::{Audit, IoUring, State};

use super::count::count;
use super::layout::terminal_width;
use super::rules::{RulesArgs, goal};
use report::Report;

const NOTES: &str = "\
Exit codes: 0 whatever is found; with --fail-on, 1 if something is that bad.";

/// Longest time between the two looks at counters.
const WATCH_MAX: Duration = Duration::from_secs(3600);

/// Arguments of `c10m tune audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(super) struct AuditArgs {
    /// Connections to judge the host for; accepts k and M.
    #[arg(long, default_value = "10k", value_name = "N", value_parser = count, conflicts_with = "goal")]
    connections: u64,
    /// What the host is for, instead of a number: c10k, c1m, c10m, conn-rate, tail or throughput.
    #[arg(long, value_name = "GOAL", value_parser = goal)]
    goal: Option<Goal>,
    /// Time between the two looks at the counters of limits.
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = watch)]
    watch: Duration,
    /// Read the configuration files and settings of a copy of a host below this directory.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    #[command(flatten)]
    rules: RulesArgs,
    /// End with exit code 1 if a check or a file is this bad or worse, for CI.
    #[arg(long, value_enum, value_name = "STATE")]
    fail_on: Option<FailOn>,
    /// Print one JSON document instead of a table.
    #[arg(long, conflicts_with = "sarif")]
    json: bool,
    /// Print SARIF 2.1.0, which code hosts show beside the lines of files.
    #[arg(long)]
    sarif: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Will hurt.
    Warn,
    /// Cannot work.
    Bad,
}

impl FailOn {
    fn state(self) -> State {
        match self {
            FailOn::Warn => State::Warn,
            FailOn::Bad => State::Bad,
        }
    }
}

fn watch(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    (time <= WATCH_MAX).then_some(time).ok_or_else(|| "expected at most 1h".to_owned())
}

/// The text of an audit of this host, and the exit code. `io_uring` tells whether a ring can be set up here.
pub(super) fn text(args: &AuditArgs, io_uring: &IoUring) -> anyhow::Result<(String, u8)> {
    let knowledge = args.rules.knowledge()?;
    let report = report(args, &knowledge, io_uring);
    let text = if args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else if args.sarif {
        sarif::text(&report.lint.mistakes)?
    } else {
        page::render(&report, terminal_width())
    };
    Ok((text, u8::from(args.fail_on.is_some_and(|worst| report.is_as_bad_as(worst.state())))))
}

fn report(args: &AuditArgs, knowledge: &Knowledge, io_uring: &IoUring) -> Report {
    let connections = args.goal.map_or(args.connections, Goal::connections);
    let is_this_host = args.root.as_os_str() == "/";
    let facts = match is_this_host {
        true => Facts::of_this_host(),
        false => Facts::read(&args.root, host::OpenFilesLimit { soft: None, hard: None }),
    };
    let has_systemd = args.root.join("run/systemd/system").is_dir();
    let is_root = rustix::process::geteuid().is_root();
    let listening = if is_this_host { host::listening_ports() } else { vec![] };
    let place = Place::of(&facts, namespace(), has_systemd, is_root, listening);
    let plan = Plan::new(&facts, &Host::of_this_host(), request(connections), io_uring);
    // A copy of a host has no counters of its own.
    let looks = if is_this_host { Looks::take(args.watch) } else { Looks::default() };
    Report {
        lint: Lint::of(&args.root, knowledge, &place),
        first_wall: plan.first_wall,
        fits_now: plan.fits_now,
        hits: looks.hits(knowledge),
        audit: Audit::new(facts, connections, io_uring),
    }
}

/// A server of this program, as it is started without options.
fn request(connections: u64) -> Request {
    Request {
        connections,
        workload: Workload::Http,
        backend: Backend::ALL[0],
        side: Side::Server,
        ring_clients: false,
        heartbeat_ms: None,
        reactors: None,
        sources: None,
    }
}
