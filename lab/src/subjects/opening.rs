//! What connections cost a server by themselves: system calls and entries of rings for accepting, registering
//! and closing one, without a single request. Measures nothing.
//!
//! A server counts from its start to its end. With 10,000 connections and 20,000 requests, most of what it
//! counts is not about requests; so the price of the connections is measured once for each server and number
//! of connections, and taken off the counts of every run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::subjects::load::Load;
use crate::subjects::servers::kind::Kind;

/// With fewer connections, what they cost disappears among the requests.
const CONNECTIONS_MIN: u32 = 10;
/// How many accepts and waits share a system call differs from run to run by some percent: less than this share
/// of a count says nothing.
const REST_SHARE_MIN: f64 = 0.1;
/// The counters that are affected.
const NAMES: [&str; 4] = ["syscalls", "enters", "sqes", "cqes"];

/// By counter, how much of it one connection takes. Empty when it was not measured: then nothing is taken off.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opening(BTreeMap<String, f64>);

/// Whether the price of connections is to be measured for this server: only this project's count anything.
pub(crate) fn applies(load: &Load, server: Kind) -> bool {
    // Where connections come and go, they are what is measured.
    matches!(server, Kind::C10m(_)) && load.connections >= CONNECTIONS_MIN && !load.is_churn()
}

/// Loads that differ in nothing but rate and pipeline share a price.
pub(crate) fn key(load: &Load, server: Kind) -> String {
    let workload = crate::workload::word(load.workload);
    results::run::word(&format!("opening-{workload}-c{}-{}", load.connections, server.name()))
}

impl Opening {
    /// Out of what a server counted that served nothing; `None` when it had no connections.
    pub(crate) fn of(totals: &Value) -> Option<Opening> {
        let accepts = totals["accepts"].as_f64().filter(|accepts| *accepts > 0.0)?;
        let each = |name: &str| Some((name.to_owned(), totals[name].as_f64()? / accepts));
        Some(Opening(NAMES.into_iter().filter_map(each).collect()))
    }

    /// What `totals` has counted beside the connections; absent when that is lost in their price.
    pub(crate) fn rest(&self, totals: &Value, name: &str) -> Option<f64> {
        let counted = totals[name].as_f64()?;
        let taken = self.0.get(name).unwrap_or(&0.0) * totals["accepts"].as_f64().unwrap_or(0.0);
        let rest = (counted - taken).max(0.0);
        (rest >= counted * REST_SHARE_MIN).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_price_of_connections_is_taken_off() {
        let opening = Opening::of(&json!({"accepts": 100, "syscalls": 450, "enters": 0})).expect("connections");
        let totals = json!({"accepts": 200, "syscalls": 2900, "enters": 7, "requests": 1000});
        for (name, expected) in [("syscalls", Some(2000.0)), ("enters", Some(7.0)), ("sqes", None)] {
            assert_eq!(opening.rest(&totals, name), expected, "{name}");
        }
        assert_eq!(Opening::default().rest(&totals, "syscalls"), Some(2900.0));
        for (counted, expected) in [(449, None), (499, None), (500, Some(50.0)), (0, Some(0.0))] {
            let totals = json!({"accepts": if counted == 0 { 0 } else { 100 }, "syscalls": counted});
            assert_eq!(opening.rest(&totals, "syscalls"), expected, "{counted}");
        }
        assert_eq!(Opening::of(&json!({"accepts": 0, "syscalls": 3})), None);
    }
}
