//! Rates and shares over a span of time. A span that is too short has none: a figure over almost no time
//! means nothing, however many digits it has.

/// Shortest span with a rate or a share. Workers check the time every 10 ms, and /proc counts CPU time in
/// ticks of that length (CONFIG_HZ=100), so in a shorter span the error at an edge is as long as the span.
pub(crate) const SPAN_NS_MIN: u64 = 10_000_000;

/// `count` in `span_ns`, per second.
pub(crate) fn per_second(count: u64, span_ns: u64) -> Option<f64> {
    (span_ns >= SPAN_NS_MIN).then(|| count as f64 * 1e9 / span_ns as f64)
}

/// The share that `part_ns` is of this time.
pub(crate) fn share_of(part_ns: u64, span_ns: u64) -> Option<f64> {
    (span_ns >= SPAN_NS_MIN).then(|| part_ns as f64 / span_ns as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A share over 1 ns once blamed a run for 5,141,700 % of a CPU.
    #[test]
    fn of_next_to_no_time_there_is_no_figure() {
        for (span_ns, rate, share) in [
            (0, None, None),
            (1, None, None),
            (SPAN_NS_MIN - 1, None, None),
            (SPAN_NS_MIN, Some(500.0), Some(0.5)),
            (1_000_000_000, Some(5.0), Some(0.005)),
        ] {
            assert_eq!((per_second(5, span_ns), share_of(5_000_000, span_ns)), (rate, share), "{span_ns}");
        }
    }
}
