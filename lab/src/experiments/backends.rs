//! `bench backends`: the main variants against every load, to find where io_uring pays.

use protocol::Workload;
use results::record::Metric;

use crate::experiments::decision::{QUICK, WINDOW_S, against, minutes};
use crate::kinds::comparison::plan::{Comparison, Scope, main_variants};
use crate::session::request::Profile;
use crate::subjects::load::Load;

/// Numbers of connections in the matrix.
const CONNECTIONS: [u32; 4] = [1, 64, 1000, 10_000];
/// Requests per second of the open loops. Every arm can reach all of them on one CPU.
const RATES: [f64; 3] = [5_000.0, 20_000.0, 50_000.0];
/// Requests in one send of the pipelined loads.
const PIPELINE: u32 = 16;

const NOTE_ONE: &str = "One connection has a closed loop only: an open loop sends one request at a time on a connection, and at \
                        5,000 a second each would wait for a server that has to wake up.";
const NOTE_PIPELINE: &str = "Pipelined requests exist for HTTP in a closed loop only: echo knows no limits of requests, \
                             and an open loop sends each request at its own time.";
const NOTE_MEMORY: &str = "Bytes per connection are growth over opening them and the load, from 1,000 connections on; \
                           rings of buffers and what the load touched first are in them.";
const NOTE_QUICK: &str = "The profile quick has four closed loops; full has all of them, and open loops.";

pub(super) fn experiment() -> Comparison {
    Comparison {
        name: "backends",
        question: "When is io_uring cheaper than epoll, and by how much?",
        explanation: "The same protocol code behind every way of doing I/O, under every combination of workload, \
                      number of connections and rate. System calls, submissions, completions and bytes per \
                      connection stand beside the CPU, so that a difference can be traced to its cause. On loopback \
                      the kernel's share of a request is some 95 %; with a NIC in between it differs.",
        metric: Metric::ServerRun,
        decision: against("epoll level", 0.02),
        is_hidden: false,
        scopes: vec![quick(), full()],
    }
}

fn quick() -> Scope {
    let (echo, http) = (Workload::Echo, Workload::Http);
    Scope {
        profile: Profile::Quick,
        arms: main_variants(),
        loads: vec![
            Load::closed(echo, 64),
            Load::closed(echo, 1000),
            Load::closed(http, 64),
            Load::pipelined(http, 64, PIPELINE),
        ],
        length: QUICK,
        seconds: WINDOW_S,
        notes: vec![NOTE_QUICK, NOTE_ONE, NOTE_PIPELINE, NOTE_MEMORY],
    }
}

fn full() -> Scope {
    let mut loads = Vec::new();
    for workload in [Workload::Echo, Workload::Http] {
        for connections in CONNECTIONS {
            loads.push(Load::closed(workload, connections));
            let rates = RATES.into_iter().filter(|_| connections > 1);
            loads.extend(rates.map(|rate| Load::open(workload, connections, rate)));
        }
    }
    loads.extend(CONNECTIONS.map(|connections| Load::pipelined(Workload::Http, connections, PIPELINE)));
    Scope {
        profile: Profile::Full,
        arms: main_variants(),
        loads,
        length: minutes(90),
        seconds: WINDOW_S,
        notes: vec![NOTE_ONE, NOTE_PIPELINE, NOTE_MEMORY],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_whole_and_quick_is_a_part_of_it() {
        let full = full();
        assert_eq!(full.loads.len(), 2 * (1 + 3 * 4) + 4);
        for load in quick().loads {
            assert!(full.loads.contains(&load), "{}", load.words());
        }
        let alone: Vec<_> = full.loads.iter().filter(|load| load.connections == 1).collect();
        assert!(alone.iter().all(|load| load.rate.is_none()), "{alone:?}");
    }
}
