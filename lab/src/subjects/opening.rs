//! What connections cost a server by themselves: system calls and ring entries for accepting, registering and closing
//! one, without any request. Measures nothing.
//!
//! A server counts from its start to its end. With 10,000 connections and 20,000 requests, most of what it counts does
//! not belong to requests. So the price of connections is measured once for each server and number of connections, and
//! subtracted from the counts of every run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use server::Counters;

use crate::subjects::load::Load;
use crate::subjects::servers::kind::Kind;

/// With fewer connections, their cost is lost among the requests.
const CONNECTIONS_MIN: u32 = 10;
/// A rest below this share of a count means nothing: how many accepts and waits share a system call differs by some
/// percent from run to run.
const REST_SHARE_MIN: f64 = 0.1;

/// A counter that connections affect.
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

/// How much one connection adds to each counter. Empty when it was not measured; then nothing is subtracted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opening(BTreeMap<Counter, f64>);

/// Counts for each request; those of a ring are absent without one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct PerRequest {
    pub(crate) syscalls: Option<f64>,
    pub(crate) enters: Option<f64>,
    pub(crate) sqes: Option<f64>,
    pub(crate) cqes: Option<f64>,
}

/// Whether to measure the price of connections for this server. Only this project's servers count anything.
pub(crate) fn applies(load: &Load, server: Kind) -> bool {
    // Where connections come and go, their cost is part of the measurement.
    matches!(server, Kind::C10m(_)) && load.connections >= CONNECTIONS_MIN && !load.is_churn()
}

/// The key of a price. Loads that differ only in rate and pipeline share it.
pub(crate) fn key(load: &Load, server: Kind) -> String {
    let workload = load.workload.name();
    results::run::word(&format!("opening-{workload}-c{}-{}", load.connections, server.name()))
}

impl Opening {
    /// From the counts of a server that served no request. `None` when it had no connections.
    pub(crate) fn of(totals: &Counters) -> Option<Opening> {
        let each = |counter: Counter| (counter, counter.of(totals) / totals.accepts as f64);
        (totals.accepts > 0).then(|| Opening(Counter::ALL.into_iter().map(each).collect()))
    }

    /// What a server counted for each request, apart from the connections. Empty without requests.
    pub(crate) fn per_request(&self, totals: &Counters) -> PerRequest {
        let each = |counter| {
            let rest = self.rest(totals, counter).filter(|_| totals.requests > 0)?;
            Some(rest / totals.requests as f64)
        };
        let of_ring = |counter| each(counter).filter(|count| *count > 0.0);
        PerRequest {
            syscalls: each(Counter::Syscalls),
            enters: of_ring(Counter::Enters),
            sqes: of_ring(Counter::Sqes),
            cqes: of_ring(Counter::Cqes),
        }
    }

    /// What `totals` counted apart from the connections. `None` when their price hides it.
    fn rest(&self, totals: &Counters, counter: Counter) -> Option<f64> {
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

    /// Journals of interrupted runs must stay readable.
    #[test]
    fn a_price_is_written_by_the_names_of_its_counters() {
        let opening = Opening::of(&Counters { accepts: 2, syscalls: 3, ..Counters::default() }).expect("connections");
        let written = serde_json::json!({"syscalls": 1.5, "enters": 0.0, "sqes": 0.0, "cqes": 0.0});
        assert_eq!(serde_json::to_value(&opening).unwrap(), written);
        assert_eq!(serde_json::from_value::<Opening>(written).unwrap(), opening);
    }
}
