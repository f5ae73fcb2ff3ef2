//! Whether the clock behind every number is fit for it: its source, its price, and that it never steps
//! back. Judges nothing.

use crate::record::ClockCheck;
use sys::clock;

/// Readings in a batch: long enough to measure the price of one, short enough that most batches pass
/// without an interrupt.
const BATCH_LEN: u64 = 1000;
/// Batches; the median leaves out those that were interrupted. All of them take about 1 ms with a clock
/// read in user space (40 ns), and some 30 to 60 ms with one behind a device (hpet, acpi_pm; 1 to 2 µs).
const BATCHES: usize = 31;

/// Reads the clock 31,000 times.
pub(super) fn measure() -> ClockCheck {
    ClockCheck { clocksource: host::clocksource(), ..read(clock::now_ns) }
}

fn read(mut clock: impl FnMut() -> u64) -> ClockCheck {
    let mut steps_back = 0;
    let mut last = clock();
    let mut batches_ns = [0; BATCHES];
    for batch_ns in &mut batches_ns {
        let first = last;
        for _ in 0..BATCH_LEN {
            let now = clock();
            steps_back += u64::from(now < last);
            last = now;
        }
        *batch_ns = last.saturating_sub(first);
    }
    batches_ns.sort_unstable();
    let read_ns = batches_ns[BATCHES / 2] as f64 / BATCH_LEN as f64;
    ClockCheck { clocksource: None, read_ns, reads: BATCH_LEN * BATCHES as u64 + 1, steps_back }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn price_and_steps_of_a_made_up_clock() {
        let mut reading = 0;
        let steady = read(|| {
            reading += 25;
            reading
        });
        assert_eq!((steady.read_ns, steady.steps_back), (25.0, 0));

        // Back by 10 at each 1,000th reading, and a pause of 1 s in a few batches.
        let (mut reading, mut count) = (1_000_000u64, 0u64);
        let unsteady = read(|| {
            count += 1;
            reading = match count {
                _ if count.is_multiple_of(1000) => reading - 10,
                _ if count.is_multiple_of(5500) => reading + 1_000_000_000,
                _ => reading + 40,
            };
            reading
        });
        assert_eq!(unsteady.steps_back, 31);
        assert!((39.0..=40.0).contains(&unsteady.read_ns), "{unsteady:?}");

        assert_eq!(read(|| 7), ClockCheck { reads: 31_001, ..ClockCheck::default() }, "a clock that stands still");
    }

    #[test]
    fn the_real_clock() {
        let check = measure();
        assert!(check.read_ns > 0.0 && check.reads > 1000, "{check:?}");
        assert_eq!(check.steps_back, 0, "CLOCK_MONOTONIC does not step back (clock_gettime(2))");
        assert_ne!(check.clocksource.as_deref(), Some(""));
    }
}
