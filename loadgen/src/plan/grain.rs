//! Deadlines below the grain of the clock: connections are looked at in rounds, and a deadline shorter than a
//! round would be met late by many times its length.

use super::options::Options;
use crate::LoadError;
use crate::engine::deadline_grain;
use std::time::Duration;

/// With millions of connections a round takes longer; the default timeouts stay allowed, and are met late.
const GRAIN_MAX: Duration = Duration::from_secs(5);

pub(super) fn check(options: &Options) -> Result<(), LoadError> {
    let grain = deadline_grain(options.connections).min(GRAIN_MAX);
    let deadlines = [("--timeout", options.timeout), ("--connect-timeout", options.connect_timeout)];
    match deadlines.into_iter().find(|(_, deadline)| *deadline < grain) {
        Some((name, deadline)) => Err(LoadError::Usage(format!(
            "{name} {deadline:?} is below the grain of the clock: deadlines of {} connections are looked at every \
             {grain:?}; write {grain:?} or more",
            options.connections
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let found = check(&options).err().map(|error| error.to_string());
            match expected {
                None => assert_eq!(found, None),
                Some(part) => assert!(found.as_ref().is_some_and(|found| found.contains(part)), "{found:?}"),
            }
        }
    }
}
