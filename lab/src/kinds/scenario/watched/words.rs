//! Wording for reports: figures, and the sentence about a step that held.

use results::report::{count, measure};

use crate::kinds::scenario::watched::record::StepRecord;

/// Shown where a figure is missing.
pub(crate) const ABSENT: &str = "n/a";

/// A time in ms.
pub(crate) fn ms(time_us: Option<f64>) -> String {
    time_us.map_or(ABSENT.to_owned(), |us| measure(us / 1000.0))
}

/// A time of a step in ms; in parentheses where the generator calls the times of the step INVALID.
pub(crate) fn ms_of(step: &StepRecord, time_us: Option<f64>) -> String {
    let time = ms(time_us);
    if time_us.is_some() && step.has_invalid_times() { format!("({time})") } else { time }
}

/// Bytes without a fraction.
pub(crate) fn whole(bytes: Option<f64>) -> String {
    bytes.map_or(ABSENT.to_owned(), |bytes| count(bytes.round()))
}

/// Bytes with one decimal.
pub(crate) fn tenths(bytes: Option<f64>) -> String {
    bytes.map_or(ABSENT.to_owned(), |bytes| format!("{bytes:.1}"))
}

/// The sentence about a step that fulfilled all expectations. Times that are INVALID are not quoted.
pub(crate) fn held(step: &StepRecord) -> String {
    let times = match step.has_invalid_times() {
        true => "their times are not quoted, because the generator calls them INVALID".to_owned(),
        false => format!("p99 {} ms, the slowest {} ms", ms(step.heartbeat.p99_us), ms(step.heartbeat.max_us)),
    };
    format!(
        "{}: held. Opened at {} connects/s, {} bytes of this host's memory each ({} of the server's own); heartbeats: \
         none failed; {times}.",
        step.name,
        step.connects_per_s().map_or(ABSENT.to_owned(), |rate| count(rate.round())),
        whole(step.memory.host_bytes_each.or(step.memory.slab_bytes_each)),
        whole(step.memory.server_bytes_each),
    )
}
