//! The program `c10m`: parses, runs the sub-command, and turns its result into an exit code.
//!
//! Exit codes: 0 done, 1 failed or interrupted, 2 usage, 3 SLO breached or drain forced, 4 measurement invalid.
#![forbid(unsafe_code)]

/// Prints a line on stderr. Unlike `eprintln!`, it does not panic when stderr is closed.
macro_rules! say {
    ($($words:tt)*) => { lab::say(format_args!($($words)*)) };
}

mod bench;
mod compare;
mod count;
mod fan_out;
mod given;
mod load;
mod null_server;
mod output_stream;
mod report;
mod run_into;
mod serve;
mod signals;
mod size;
mod slow;
mod tune;
mod turns;
mod workload;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A testbed for very many TCP connections on Linux.
///
/// Per-core servers over epoll, mio and io_uring, a load generator that measures from the intended
/// send time and judges its own validity, and experiments that compare.
#[derive(Parser)]
#[command(name = "c10m", version = lab::built::VERSION, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve echo or HTTP/1.1 with one reactor per core.
    // Boxed, because it is far larger than the others.
    Serve(Box<serve::ServeArgs>),
    /// Load a server and report latency, throughput and whether the measurement is valid.
    Load(Box<load::LoadArgs>),
    /// Hold connections with clients that are slow on purpose, and report what the server does about them.
    Slow(slow::SlowArgs),
    /// Send requests that need several replies, with second copies of what does not come, and report their tail.
    FanOut(fan_out::FanOutArgs),
    /// Run an experiment: servers against each other, interleaved, with a report.
    Bench(bench::BenchArgs),
    /// Render the reports of runs again, and print their tables.
    Report(report::ReportArgs),
    /// Compare two runs, or refuse to and say why.
    Compare(compare::CompareArgs),
    /// Show what this host's limits and settings mean for many connections.
    Tune(tune::TuneArgs),
    /// A server that does as little as possible, or stalls: the peer of experiments.
    #[command(hide = true)]
    NullServer(null_server::NullServerArgs),
    /// Run into a limit on descriptors and tell: a step of `bench fd-limit --explain`.
    #[command(hide = true)]
    RunInto(run_into::RunIntoArgs),
    /// Load several servers in turns: how comparisons measure.
    #[command(hide = true)]
    Turns(turns::TurnsArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return ExitCode::from(tell(&answer)),
    };
    let result = match cli.command {
        Command::Serve(args) => serve::run(*args),
        Command::Load(args) => load::run(*args),
        Command::Slow(args) => slow::run(args),
        Command::FanOut(args) => fan_out::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Report(args) => report::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Tune(args) => tune::run(args, io_uring),
        Command::NullServer(args) => null_server::run(args),
        Command::RunInto(args) => lab::run_into(args.wall()),
        Command::Turns(args) => turns::run(args),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say!("c10m: {error:#}");
            ExitCode::from(1)
        }
    }
}

/// Prints help, the version, or what is wrong with the command line. Returns the exit code. Help that cannot be
/// written is a failure, unless the reader stopped early.
fn tell(answer: &clap::Error) -> u8 {
    let told = answer.print().and_then(|()| io::stdout().flush());
    match told {
        Err(error) if !answer.use_stderr() && error.kind() != io::ErrorKind::BrokenPipe => {
            say!("c10m: cannot write to stdout: {error}");
            1
        }
        _ => u8::from(answer.use_stderr()) * 2,
    }
}

fn io_uring() -> tuning::IoUring {
    match server::probe_io_uring() {
        Ok(()) => tuning::IoUring::Available,
        Err(unavailable) => tuning::IoUring::Unavailable(unavailable.to_string()),
    }
}
