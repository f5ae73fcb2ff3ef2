//! What connections cost a server by themselves: system calls and entries of rings for accepting, registering
//! and closing one, without a single request. Measures nothing.
//!
//! A server counts from its start to its end. With 10,000 connections and 20,000 requests, most of what it
//! counts is not about requests; so the price of the connections is measured once for each server and number
//! of connections, and taken off the counts of every run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use server::Counters;

use crate::subjects::load::Load;
use crate::subjects::servers::kind::Kind;

/// With fewer connections, what they cost disappears among the requests.
const CONNECTIONS_MIN: u32 = 10;
/// How many accepts and waits share a system call differs from run to run by some percent: less than this share
/// of a count says nothing.
const REST_SHARE_MIN: f64 = 0.1;

/// A counter that is affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Counter {
    Syscalls,
    Enters,
    Sqes,
    Cqes,
}

impl Counter {
    const ALL: [Counter; 4] = [Counter::Syscalls, Counter::Enters, Counter::Sqes, Counter::Cqes];

    fn of(self, totals: &Counters) -> f64 {
        let count = match self {
            Counter::Syscalls => totals.syscalls,
            Counter::Enters => totals.enters,
            Counter::Sqes => totals.sqes,
            Counter::Cqes => totals.cqes,
        };
        count as f64
    }
}

/// By counter, how much of it one connection takes. Empty when it was not measured: then nothing is taken off.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opening(BTreeMap<Counter, f64>);

/// Whether the price of connections is to be measured for this server: only this project's count anything.
pub(crate) fn applies(load: &Load, server: Kind) -> bool {
    // Where connections come and go, they are what is measured.
    matches!(server, Kind::C10m(_)) && load.connections >= CONNECTIONS_MIN && !load.is_churn()
}

/// Loads that differ in nothing but rate and pipeline share a price.
pub(crate) fn key(load: &Load, server: Kind) -> String {
    let workload = load.workload.name();
    results::run::word(&format!("opening-{workload}-c{}-{}", load.connections, server.name()))
}

impl Opening {
    /// Out of what a server counted that served nothing; `None` when it had no connections.
    pub(crate) fn of(totals: &Counters) -> Option<Opening> {
        let each = |counter: Counter| (counter, counter.of(totals) / totals.accepts as f64);
        (totals.accepts > 0).then(|| Opening(Counter::ALL.into_iter().map(each).collect()))
    }

    /// What `totals` has counted beside the connections; absent when that is lost in their price.
    pub(crate) fn rest(&self, totals: &Counters, counter: Counter) -> Option<f64> {
        let counted = counter.of(totals);
        let taken = self.0.get(&counter).map_or(0.0, |each| each * totals.accepts as f64);
        let rest = (counted - taken).max(0.0);
        (rest >= counted * REST_SHARE_MIN).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_of_connections_is_taken_off() {
        let none = Counters::default();
        let opening = Opening::of(&Counters { accepts: 100, syscalls: 450, ..none.clone() }).expect("connections");
        let totals = Counters { accepts: 200, syscalls: 2900, enters: 7, requests: 1000, ..none.clone() };
        for (counter, expected) in
            [(Counter::Syscalls, Some(2000.0)), (Counter::Enters, Some(7.0)), (Counter::Sqes, Some(0.0))]
        {
            assert_eq!(opening.rest(&totals, counter), expected, "{counter:?}");
        }
        assert_eq!(Opening::default().rest(&totals, Counter::Syscalls), Some(2900.0));
        for (counted, expected) in [(449, None), (499, None), (500, Some(50.0)), (0, Some(0.0))] {
            let totals = Counters { accepts: if counted == 0 { 0 } else { 100 }, syscalls: counted, ..none.clone() };
            assert_eq!(opening.rest(&totals, Counter::Syscalls), expected, "{counted}");
        }
        assert_eq!(Opening::of(&Counters { syscalls: 3, ..none }), None);
    }

    /// Journals of runs that were interrupted go on.
    #[test]
    fn a_price_is_written_by_the_names_of_its_counters() {
        let opening = Opening::of(&Counters { accepts: 2, syscalls: 3, ..Counters::default() }).expect("connections");
        let written = serde_json::json!({"syscalls": 1.5, "enters": 0.0, "sqes": 0.0, "cqes": 0.0});
        assert_eq!(serde_json::to_value(&opening).unwrap(), written);
        assert_eq!(serde_json::from_value::<Opening>(written).unwrap(), opening);
    }
}
