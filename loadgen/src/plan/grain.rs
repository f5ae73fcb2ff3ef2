//! Refuses deadlines that are too short: connections are checked in rounds, and a deadline shorter than a
//! round would be noticed many times its length too late.

use crate::LoadError;
use std::time::Duration;

/// How often a worker checks deadlines and the stop flag.
pub(crate) const CHECK_NS: u64 = 10_000_000;
/// All connections are checked once in this time, or more slowly if all workers together have so many that it
/// would take over 1 million checks a second.
const SWEEP_NS: u64 = 2 * CHECK_NS;
const SWEEP_NS_PER_CONNECTION: u64 = 1000;
/// With millions of connections a round takes longer; the default timeouts stay allowed but are noticed late.
const GRAIN_MAX: Duration = Duration::from_secs(5);

/// How late a deadline may be noticed: the length of a round if all workers together have this many connections.
pub(crate) fn sweep_round_ns(connections: u64) -> u64 {
    SWEEP_NS.max(connections * SWEEP_NS_PER_CONNECTION)
}

pub(super) fn check(connections: u32, timeout: Duration, connect_timeout: Duration) -> Result<(), LoadError> {
    let grain = Duration::from_nanos(sweep_round_ns(u64::from(connections))).min(GRAIN_MAX);
    let deadlines = [("--timeout", timeout), ("--connect-timeout", connect_timeout)];
    match deadlines.into_iter().find(|(_, deadline)| *deadline < grain) {
        Some((name, deadline)) => Err(LoadError::Usage(format!(
            "{name} {deadline:?} is below the grain of the clock: deadlines of {} connections are looked at every \
             {grain:?}; write {grain:?} or more",
            connections
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::options::Options;

    #[test]
    fn deadlines_are_no_finer_than_the_clock() {
        let good = Options::default;
        let (fine, least) = (Duration::from_micros(19_999), Duration::from_millis(20));
        for (options, expected) in [
            (good(), None),
            (Options { timeout: least, connect_timeout: least, ..good() }, None),
            (Options { timeout: fine, ..good() }, Some("--timeout 19.999ms")),
            (Options { connect_timeout: fine, ..good() }, Some("--connect-timeout 19.999ms")),
            (Options { timeout: Duration::from_millis(500), connections: 1_000_000, ..good() }, Some("every 1s")),
            (Options { connections: 10_000_000, ..good() }, None),
        ] {
            let found = check(options.connections, options.timeout, options.connect_timeout)
                .err()
                .map(|error| error.to_string());
            match expected {
                None => assert_eq!(found, None),
                Some(part) => assert!(found.as_ref().is_some_and(|found| found.contains(part)), "{found:?}"),
            }
        }
    }
}
