//! Wording for reports: figures, and the sentence about a step that held.

use results::report::{count, measure};

use crate::kinds::scenario::watched::record::StepRecord;

/// Shown where a figure is missing.
pub(crate) const ABSENT: &str = "n/a";

/// A time in ms.
pub(crate) fn ms(time_us: Option<f64>) -> String {
    time_us.map_or(ABSENT.to_owned(), |us| measure(us / 1000.0))
}

/// Bytes without a fraction.
pub(crate) fn whole(bytes: Option<f64>) -> String {
    bytes.map_or(ABSENT.to_owned(), |bytes| count(bytes.round()))
}

/// Bytes with one decimal.
pub(crate) fn tenths(bytes: Option<f64>) -> String {
    bytes.map_or(ABSENT.to_owned(), |bytes| format!("{bytes:.1}"))
}

/// The sentence about a step that fulfilled all expectations.
pub(crate) fn held(step: &StepRecord) -> String {
    format!(
        "{}: held. Opened at {} connects/s, {} bytes of this host's memory each ({} of the server's own); heartbeats: p99 \
         {} ms, the slowest {} ms, none failed.",
        step.name,
        step.connects_per_s().map_or(ABSENT.to_owned(), |rate| count(rate.round())),
        whole(step.memory.host_bytes_each.or(step.memory.slab_bytes_each)),
        whole(step.memory.server_bytes_each),
        ms(step.heartbeat.p99_us),
        ms(step.heartbeat.max_us),
    )
}
