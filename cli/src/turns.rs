//! `c10m turns`: loads several servers in turns, for comparisons. Hidden from help: `bench` starts it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use loadgen::turns::{Life, Options, Target, take_turns};
use protocol::Workload;

/// Arguments of `c10m turns`.
#[derive(Debug, Args)]
pub(crate) struct TurnsArgs {
    /// What to ask of each server
    #[arg(value_parser = crate::workload::parser(|_| ""))]
    workload: Workload,
    /// A server: where it listens, and the process whose CPU clock is read; may be repeated
    #[arg(long = "target", value_name = "ADDR:PORT,PID", value_parser = target, required = true)]
    targets: Vec<Target>,
    /// Connections to each
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = crate::count::between(1_u32, 1_000_000))]
    connections: u32,
    /// Open a connection for each batch of requests, and close it when the replies are there
    #[arg(long)]
    churn: bool,
    /// Requests in one send
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = crate::count::between(1_u32, 1000))]
    pipeline: u32,
    /// Requests per second, at random times [default: a closed loop]
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Rounds without a disturbance
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = crate::count::between(1_u32, 10_000))]
    rounds: u32,
    /// Length of the window of a turn
    #[arg(long, default_value = "25ms", value_name = "TIME", value_parser = humantime::parse_duration)]
    window: Duration,
    /// Seed of the order and of the times
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// CPU of the client
    #[arg(long, value_name = "N")]
    cpu: Option<u32>,
    /// CPUs whose stolen time marks a round
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    watch_cpus: Vec<u32>,
}

/// Takes the turns and prints the record, one JSON document.
pub(crate) fn run(args: TurnsArgs) -> anyhow::Result<u8> {
    let record = take_turns(&Options {
        targets: args.targets,
        workload: args.workload,
        connections: args.connections,
        life: if args.churn { Life::Goes } else { Life::Stays },
        pipeline: args.pipeline,
        rate: args.rate.filter(|rate| rate.is_finite() && *rate > 0.0),
        rounds: args.rounds,
        window: args.window,
        seed: args.seed,
        cpu: args.cpu,
        watch_cpus: args.watch_cpus,
    })?;
    lab::terminal::print(&(serde_json::to_string(&record)? + "\n")).context("cannot write the record")?;
    Ok(0)
}

fn target(text: &str) -> Result<Target, String> {
    let parse = || {
        let (address, pid) = text.rsplit_once(',')?;
        Some(Target { address: address.parse::<SocketAddr>().ok()?, pid: pid.parse().ok()? })
    };
    parse().ok_or_else(|| "write an address, a port and a pid, for example 127.0.0.1:8080,4711".to_owned())
}
