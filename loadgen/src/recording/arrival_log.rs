//! How well a worker kept its schedule: when it noticed arrivals, second by second and gap by gap.
//!
//! Its memory is bounded at any rate: one stamp per millisecond for the first minute, counts per second, and
//! a count for the current millisecond only.

/// Times kept per worker for the test of the distribution: a minute's worth. More would add nothing.
const STAMPS_MAX: usize = 60_000;
/// Neighbouring stamps are at least this far apart: replies cannot show finer structure.
const STAMP_GAP_NS_MIN: f64 = 1e6;
/// Seconds counted one by one; the rest of a longer run shares the last entry (a day has 86,400).
const SECONDS_MAX: usize = 86_400;
const SECOND_NS: u64 = 1_000_000_000;
const BIN_NS: u64 = 1_000_000;

/// Arrivals due within one second of the window, and those noticed within it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Second {
    pub(crate) due: u64,
    pub(crate) reached: u64,
}

/// Log of one worker; added up over the workers at the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct ArrivalLog {
    pub(crate) seconds: Vec<Second>,
    /// When every `gaps_per_stamp`-th arrival was noticed, in order; ns from the start of the window.
    pub(crate) stamps: Vec<u64>,
    /// Gaps between two stamps.
    pub(crate) gaps_per_stamp: u32,
    /// Greatest number of arrivals noticed in one ms of the window.
    pub(crate) bin_count_max: u64,
    /// First and last noticed arrival, ns from the start of the window, and how many there were.
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    pub(crate) count: u64,
    /// The ms that is being counted.
    bin: u64,
    bin_count: u64,
    /// Arrivals until the next stamp.
    until_stamp: u32,
}

impl ArrivalLog {
    /// A log for a worker that expects `count` arrivals within `window_ns`.
    pub(crate) fn new(count: f64, window_ns: u64) -> Self {
        let gap_ns = window_ns as f64 / count.max(1.0);
        let gaps_per_stamp = (STAMP_GAP_NS_MIN / gap_ns).ceil().clamp(1.0, 1e6) as u32;
        let stamps = (count / f64::from(gaps_per_stamp)) as usize + 1;
        let seconds = (window_ns.div_ceil(SECOND_NS) as usize).clamp(1, SECONDS_MAX);
        ArrivalLog {
            seconds: vec![Second::default(); seconds],
            // Do not grow for more arrivals than expected.
            stamps: Vec::with_capacity(stamps.min(STAMPS_MAX)),
            gaps_per_stamp,
            ..ArrivalLog::default()
        }
    }

    fn second(&mut self, offset_ns: u64) -> &mut Second {
        let last = self.seconds.len() - 1;
        &mut self.seconds[((offset_ns / SECOND_NS) as usize).min(last)]
    }

    /// Notes an arrival; both times count from the start of the window.
    #[inline]
    pub(crate) fn note(&mut self, intended_ns: u64, reached_ns: u64) {
        if self.seconds.is_empty() {
            return;
        }
        self.second(intended_ns).due += 1;
        self.second(reached_ns).reached += 1;
        if self.count == 0 {
            self.first_ns = reached_ns;
        }
        self.count += 1;
        self.last_ns = reached_ns;
        let bin = reached_ns / BIN_NS;
        if bin != self.bin {
            (self.bin, self.bin_count) = (bin, 0);
        }
        self.bin_count += 1;
        self.bin_count_max = self.bin_count_max.max(self.bin_count);
        if self.until_stamp > 0 {
            self.until_stamp -= 1;
        } else if self.stamps.len() < self.stamps.capacity() {
            self.stamps.push(reached_ns);
            self.until_stamp = self.gaps_per_stamp - 1;
        }
    }

    /// Adds another worker's seconds. Stamps and bins describe one worker: those of the worker with more
    /// arrivals remain.
    pub(crate) fn add(&mut self, other: &ArrivalLog) {
        let mut seconds = std::mem::take(&mut self.seconds);
        seconds.resize(seconds.len().max(other.seconds.len()), Second::default());
        for (own, others) in seconds.iter_mut().zip(&other.seconds) {
            own.due += others.due;
            own.reached += others.reached;
        }
        if other.count > self.count {
            *self = other.clone();
        }
        self.seconds = seconds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_tell_due_from_reached() {
        let mut log = ArrivalLog::new(4.0, 2 * SECOND_NS);
        for (intended_ms, reached_ms) in [(0, 0), (900, 1100), (1500, 1500), (1900, 2500)] {
            log.note(intended_ms * 1_000_000, reached_ms * 1_000_000);
        }
        let expected = [Second { due: 2, reached: 1 }, Second { due: 2, reached: 3 }];
        assert_eq!(log.seconds, expected);
        assert_eq!((log.count, log.first_ns, log.last_ns), (4, 0, 2_500_000_000));
        let mut sum = ArrivalLog::default();
        sum.add(&log);
        sum.add(&log);
        assert_eq!(sum.seconds, expected.map(|second| Second { due: 2 * second.due, reached: 2 * second.reached }));
    }

    #[test]
    fn stamps_are_a_millisecond_apart() {
        for (rate, seconds, gaps_per_stamp, stamps) in
            [(100.0, 10, 1, 1000), (1000.0, 10, 1, 10_000), (50_000.0, 10, 50, 10_000), (50_000.0, 100, 50, 60_000)]
        {
            let count = rate * f64::from(seconds);
            let mut log = ArrivalLog::new(count, u64::from(seconds as u32) * SECOND_NS);
            for index in 0..count as u64 {
                log.note(0, (index as f64 * 1e9 / rate) as u64);
            }
            assert_eq!((log.gaps_per_stamp, log.stamps.len()), (gaps_per_stamp, stamps), "{rate}");
            for pair in log.stamps.windows(2) {
                let gaps = (pair[1] - pair[0]) as f64 * rate / 1e9;
                assert!((gaps - f64::from(gaps_per_stamp)).abs() < 0.01, "{rate}: {gaps}");
            }
        }
    }

    #[test]
    fn bursts_fill_a_bin() {
        let mut log = ArrivalLog::new(1000.0, SECOND_NS);
        (0..10).for_each(|index| log.note(0, 5_000_000 + index));
        log.note(0, 6_000_000);
        assert_eq!(log.bin_count_max, 10);
        ArrivalLog::default().note(0, 0); // a worker without a schedule keeps no log
    }
}
