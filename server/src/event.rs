//! What `c10m serve --json` prints, one line each: that it is ready, live counters, and the report at the end.
//! Programs that start a server read the same types.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use protocol::Workload;

use crate::admission::Admission;
use crate::options::{Balance, Scheduling, Variant};
use crate::report::Report;
use crate::stats::Stats;

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The first.
    Ready(Ready),
    /// One per interval, if requested.
    Stats(StatsLine),
    /// One for each process that came to take over the listeners.
    Handover(HandoverLine),
    /// The last.
    Exit(Box<Exit>),
}

/// A server that is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// The first of `addresses`.
    pub address: String,
    /// Where it listens, in the requested order, written as on the command line.
    pub addresses: Vec<String>,
    /// What it speaks.
    pub workload: Workload,
    /// `backend` and `variant`: which loop.
    #[serde(flatten)]
    pub variant: Variant,
    /// Event loops.
    pub reactors: usize,
    /// Who chooses the reactor of a new connection.
    pub balance: Balance,
    /// How the scheduler treats the reactors.
    pub scheduling: Scheduling,
    /// Most connections of each reactor.
    pub connections_max_per_reactor: u32,
    /// Longest accept queue: capped by net.core.somaxconn if that is readable.
    pub backlog: u64,
    /// What the kernel gave for SO_RCVBUF.
    pub receive_buffer_bytes: usize,
    /// What the kernel gave for SO_SNDBUF.
    pub send_buffer_bytes: usize,
    /// Memory for buffers in each reactor.
    pub buffer_memory_bytes_per_reactor: usize,
    /// What it does about more connections than it can serve; only where that is not the default.
    #[serde(default, skip_serializing_if = "Admission::is_default")]
    pub admission: Admission,
    /// Who bound what it listens with; absent if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited: Option<InheritedFrom>,
    /// CPU time that each request is made to cost beyond its work: not a usual server. Only where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handicap_ns: Option<NonZeroU32>,
    /// CPU time that the first request of each connection is made to cost beyond its work. Only where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hello_cost_ns: Option<NonZeroU32>,
    /// Where the kernel does not do what was requested, and consequences of the options that are not obvious.
    pub notes: Vec<String>,
    /// The process.
    pub pid: u32,
    /// Version of the program.
    pub version: String,
    /// The commit it was built from, with `-dirty` when the sources differed, or `unknown`.
    pub commit: String,
}

/// Who bound the sockets that a server listens with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase")]
pub enum InheritedFrom {
    /// A service manager, by LISTEN_FDS.
    Environment,
    /// A server that has left them.
    Predecessor {
        /// Its process.
        pid: u32,
    },
}

/// What became of a process that came to take over the listeners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoverLine {
    /// That process.
    pub successor_pid: u32,
    /// Whether it has them: then this server drains.
    pub done: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Live counters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatsLine {
    /// Earlier lines that were lost because nobody read them.
    pub lines_lost: u64,
    /// The counters.
    #[serde(flatten)]
    pub stats: Stats,
}

/// The account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code of the program.
    pub code: u8,
    /// Earlier lines that were lost because nobody read them.
    pub lines_lost: u64,
    /// What was counted.
    #[serde(flatten)]
    pub report: Report,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ReactorReport;
    use crate::shard::counters::{CloseReason, Counters};
    use host::CpuTime;
    use serde_json::{Value, json};

    fn ready() -> Event {
        Event::Ready(Ready {
            address: "127.0.0.1:80".to_owned(),
            addresses: vec!["127.0.0.1:80".to_owned(), "unix:/x".to_owned()],
            workload: Workload::Http,
            variant: Variant::UringGather,
            reactors: 2,
            balance: Balance::RoundRobin,
            scheduling: Scheduling::Batch,
            connections_max_per_reactor: 7,
            backlog: 4096,
            receive_buffer_bytes: 131_072,
            send_buffer_bytes: 16_384,
            buffer_memory_bytes_per_reactor: 1 << 28,
            admission: Admission::default(),
            handicap_ns: None,
            hello_cost_ns: None,
            inherited: None,
            notes: vec![],
            pid: 1,
            version: "0.1.0".to_owned(),
            commit: "unknown".to_owned(),
        })
    }

    fn stats() -> Event {
        Event::Stats(StatsLine {
            lines_lost: 1,
            stats: Stats {
                elapsed_s: 1.5,
                reactors: 2,
                answered: 1,
                draining: false,
                connections: 12_000,
                waiting: 5,
                accepts_per_s: 2.5,
                requests_per_s: 0.0,
                bytes_in_per_s: 1e9,
                bytes_out_per_s: 3.0,
                // Keyed by name and only those that occurred, so no field is required.
                closes: [].into(),
                pauses: [].into(),
                failures: [].into(),
                buffers_in_use: 3,
                buffer_memory_bytes: 65_536,
            },
        })
    }

    fn exit() -> Event {
        let mut counters = Counters { accepts: 3, requests: u64::MAX / 2, ..Counters::default() };
        counters.closed(CloseReason::PeerClosed);
        let reactor = ReactorReport {
            index: 0,
            cpu: 1,
            counters,
            connections_left: 0,
            buffers_in_use: 0,
            buffers_peak: 4,
            buffer_memory_bytes: 65_536,
            buffer_memory_bytes_peak: 65_536,
            buffer_memory_bytes_max: 1 << 28,
            buffer_memory_refusals: 0,
            cpu_time: CpuTime { user_us: 10_000, system_us: 20_000 },
            error: None,
        };
        Event::Exit(Box::new(Exit { code: 0, lines_lost: 0, report: Report::new(Balance::Hash, None, vec![reactor]) }))
    }

    #[test]
    fn what_is_printed_is_what_is_read() {
        for (event, word) in [(ready(), "ready"), (stats(), "stats"), (exit(), "exit")] {
            let printed = serde_json::to_value(&event).unwrap();
            assert_eq!(printed["event"], word);
            let read: Event = serde_json::from_value(printed.clone()).expect(word);
            assert_eq!(serde_json::to_value(read).unwrap(), printed);
        }
        let printed = serde_json::to_value(ready()).unwrap();
        assert_eq!((&printed["backend"], &printed["variant"]), (&json!("io_uring"), &json!("gather")));
        let Event::Stats(mut line) = stats() else { unreachable!() };
        line.stats.closes.insert("reset".to_owned(), 1);
        let printed = serde_json::to_value(Event::Stats(line)).unwrap();
        assert_eq!((&printed["closes"], &printed["lines_lost"]), (&json!({"reset": 1}), &json!(1)));
        let printed = serde_json::to_value(exit()).unwrap();
        assert_eq!(printed["totals"]["closes"], json!({"peer_closed": 1}), "only reasons that occurred");
    }

    #[test]
    fn a_handicap_is_told_where_there_is_one() {
        let (Event::Ready(mut ready), Event::Exit(mut exit)) = (ready(), exit()) else { unreachable!() };
        for handicap_ns in [None, NonZeroU32::new(15)] {
            (ready.handicap_ns, exit.report.handicap_ns) = (handicap_ns, handicap_ns);
            for event in [Event::Ready(ready.clone()), Event::Exit(exit.clone())] {
                let printed = serde_json::to_value(event).unwrap();
                assert_eq!(printed.get("handicap_ns"), handicap_ns.map(|_| json!(15)).as_ref());
                let read = match serde_json::from_value(printed).unwrap() {
                    Event::Ready(ready) => ready.handicap_ns,
                    Event::Exit(exit) => exit.report.handicap_ns,
                    Event::Stats(_) | Event::Handover(_) => unreachable!(),
                };
                assert_eq!(read, handicap_ns);
            }
        }
    }

    /// A document whose field at `path` has another name.
    fn renamed(event: &Value, path: &[String]) -> Value {
        let mut event = event.clone();
        let (last, above) = path.split_last().expect("a field");
        let parent = above.iter().fold(&mut event, |value, key| match value {
            Value::Array(list) => &mut list[key.parse::<usize>().unwrap()],
            value => &mut value[key.as_str()],
        });
        let fields = parent.as_object_mut().expect("an object");
        let value = fields.remove(last).expect("the field");
        fields.insert(format!("{last}_renamed"), value);
        event
    }

    /// The paths of every field of a document.
    fn paths(value: &Value, path: &[String], found: &mut Vec<Vec<String>>) {
        let below = |key: String| [path, &[key]].concat();
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    found.push(below(name.clone()));
                    paths(value, &below(name.clone()), found);
                }
            }
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(index, value)| paths(value, &below(index.to_string()), found));
            }
            _ => {}
        }
    }

    #[test]
    fn a_renamed_field_is_refused_wherever_it_is() {
        for event in [ready(), stats(), exit()] {
            let event = serde_json::to_value(event).unwrap();
            let mut found = Vec::new();
            paths(&event, &[], &mut found);
            assert!(found.len() > 10, "{found:?}");
            for path in found {
                let read: Result<Event, _> = serde_json::from_value(renamed(&event, &path));
                assert!(read.is_err(), "{path:?} may be missing");
            }
        }
    }

    #[test]
    fn a_hand_over_and_an_inheritance_read_back() {
        for (line, expected) in [
            (json!({"event": "handover", "successor_pid": 7, "done": true}), Some(true)),
            (json!({"event": "handover", "successor_pid": 7, "done": false, "failure": "gone"}), Some(false)),
            (json!({"event": "handover", "successor_pid": 7}), None),
        ] {
            let read = serde_json::from_value(line.clone());
            let done = match &read {
                Ok(Event::Handover(handover)) => Some(handover.done),
                _ => None,
            };
            assert_eq!(done, expected, "{line}");
            assert!(read.is_err() || serde_json::to_value(read.unwrap()).unwrap() == line);
        }
        for (from, words) in [
            (InheritedFrom::Environment, json!({"from": "environment"})),
            (InheritedFrom::Predecessor { pid: 7 }, json!({"from": "predecessor", "pid": 7})),
        ] {
            assert_eq!(serde_json::to_value(from).unwrap(), words);
            assert_eq!(serde_json::from_value::<InheritedFrom>(words).unwrap(), from);
        }
    }
}
