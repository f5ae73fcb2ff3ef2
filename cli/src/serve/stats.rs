//! Live counters in a sentence, for people.

use server::Stats;

/// The counters in one line. `lost` is the number of earlier lines that found no reader. Reasons and pauses appear
/// only if they occurred.
pub(super) fn words(stats: &Stats, lost: u64) -> String {
    let mut line = format!(
        "c10m: {} open, {} accepts/s, {} requests/s, {}/s in, {}/s out, {} buffers in use, {} mapped",
        tuning::thousands(stats.connections),
        rate(stats.accepts_per_s),
        rate(stats.requests_per_s),
        tuning::bytes(stats.bytes_in_per_s.round() as u64),
        tuning::bytes(stats.bytes_out_per_s.round() as u64),
        tuning::thousands(stats.buffers_in_use),
        tuning::bytes(stats.buffer_memory_bytes),
    );
    for (what, counts) in [("closed", &stats.closes), ("paused", &stats.pauses), ("failed", &stats.failures)] {
        let counts: Vec<String> =
            counts.iter().map(|(name, count)| format!("{} {name}", tuning::thousands(*count))).collect();
        if !counts.is_empty() {
            line += &format!("; {what} {}", counts.join(", "));
        }
    }
    if stats.waiting > 0 {
        line += &format!("; {} in the waiting room", tuning::thousands(stats.waiting));
    }
    if stats.answered < stats.reactors {
        line += &format!("; {} of {} reactors answered", stats.answered, stats.reactors);
    }
    if stats.draining {
        line += "; draining";
    }
    if lost > 0 {
        line += &format!("; {lost} lines found no reader");
    }
    line
}

/// One decimal where a whole number would be too coarse.
fn rate(per_s: f64) -> String {
    if per_s > 0.0 && per_s < 100.0 { format!("{per_s:.1}") } else { tuning::thousands(per_s.round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats() -> Stats {
        Stats {
            elapsed_s: 3.0,
            reactors: 2,
            answered: 2,
            draining: false,
            connections: 12_000,
            waiting: 0,
            accepts_per_s: 2.5,
            requests_per_s: 12_345.4,
            bytes_in_per_s: 2048.0,
            bytes_out_per_s: 0.0,
            closes: [("reset".to_owned(), 1)].into(),
            pauses: [].into(),
            failures: [].into(),
            buffers_in_use: 3,
            buffer_memory_bytes: 65_536,
        }
    }

    #[test]
    fn people_read_what_happened_and_nothing_else() {
        let quiet = "c10m: 12,000 open, 2.5 accepts/s, 12,345 requests/s, 2.0 KiB/s in, 0 B/s out, 3 buffers in use, 64.0 KiB mapped; closed 1 reset";
        assert_eq!(words(&stats(), 0), quiet);
        let (pauses, failures) = ([("full".to_owned(), 2)].into(), [("emfile".to_owned(), 98_000)].into());
        let busy = Stats { answered: 1, draining: true, waiting: 1024, pauses, failures, ..stats() };
        let rest = "; paused 2 full; failed 98,000 emfile; 1,024 in the waiting room; 1 of 2 reactors answered; draining; 7 lines found no reader";
        assert_eq!(words(&busy, 7), format!("{quiet}{rest}"));
    }
}
