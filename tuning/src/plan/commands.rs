//! The commands of a plan in the order in which they must run: fixes for limits that do not hold, then the
//! programs with the flags that the plan needs.

use super::link::Judged;
use crate::budget;
use crate::checks::check::{Mend, Turn};
use crate::checks::subject::Subject;
use crate::request::Side;

/// Every command, for people to copy. Flags are left out: the lines that start the programs carry them.
pub(super) fn in_order(subject: &Subject<'_>, judged: &[Judged]) -> Vec<String> {
    let mut mends: Vec<&Mend> =
        judged.iter().filter_map(|judged| judged.mend.as_ref()).filter(|mend| mend.turn != Turn::Flag).collect();
    mends.sort_by_key(|mend| mend.turn);
    let mut commands: Vec<String> = Vec::new();
    for mend in mends {
        if !commands.contains(&mend.command) {
            commands.push(mend.command.clone());
        }
    }
    commands.push(serve(subject));
    commands.push(load(subject));
    commands
}

fn serve(subject: &Subject<'_>) -> String {
    let request = &subject.request;
    let reactors = subject.reactors_planned().unwrap_or(budget::THREADS_MAX);
    let workload = request.workload;
    let address = match request.side {
        Side::Server => " --listen 0.0.0.0:8080",
        Side::Both => "",
        Side::Tun => " --listen 198.18.0.1:8080",
    };
    // The server closes connections that stay silent for longer.
    let is_silent = request.heartbeat_ms.is_none_or(|period| period >= budget::IDLE_TIMEOUT_MS);
    let idle = if is_silent { " --idle-timeout 0s" } else { "" };
    format!("c10m serve {workload}{address}{} --reactors {reactors}{idle}", request.backend.flags())
}

fn load(subject: &Subject<'_>) -> String {
    let request = &subject.request;
    let host = match request.side {
        Side::Server => "SERVER",
        Side::Both => "127.0.0.1",
        Side::Tun => "198.18.0.1",
    };
    let target = request.workload.target(format_args!("{host}:8080"));
    let beat = match request.heartbeat_ms {
        Some(period) if period.is_multiple_of(1000) => format!("--heartbeat {}s", period / 1000),
        Some(period) => format!("--heartbeat {period}ms"),
        None => "-r 0".to_owned(),
    };
    let connections = request.connections;
    match request.side {
        Side::Tun => format!("c10m load {target} --engine tun -c {connections} -t {} {beat}", subject.workers),
        Side::Both => {
            let workers = subject.workers_planned().unwrap_or(budget::THREADS_MAX);
            let named = if request.sources.is_some() { " --source A,B,…" } else { "" };
            format!("c10m load {target} -c {connections} -t {workers} {beat}{named}")
        }
        Side::Server => {
            let addresses = subject.addresses().unwrap_or(1);
            let named = if addresses > 1 { " --source A,B,…" } else { "" };
            format!("# elsewhere, from {addresses} addresses: c10m load {target} -c {connections} {beat}{named}")
        }
    }
}
