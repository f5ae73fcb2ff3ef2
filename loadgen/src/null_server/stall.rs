//! When the server does nothing: a periodic schedule on CLOCK_MONOTONIC.

use std::io;
use std::time::Duration;

use sys::clock::duration_ns;

/// Shortest period: below it the server would mainly be busy with the schedule.
const EVERY_MIN: Duration = Duration::from_millis(1);

/// A periodic stall. Number k begins `offset + k × every` after zero of CLOCK_MONOTONIC and lasts for
/// `length`; what arrives meanwhile is read when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// From one beginning to the next.
    pub every: Duration,
    /// How long nothing is done.
    pub length: Duration,
    /// Where in the period it begins.
    pub offset: Duration,
}

impl Stall {
    /// Refuses a schedule that would never let the server serve.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.every < EVERY_MIN || self.length.is_zero() || self.length >= self.every {
            let text = format!(
                "a stall of {:?} every {:?}: it must be longer than zero and shorter than the period, which must be \
                 at least {EVERY_MIN:?}",
                self.length, self.every
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(())
    }

    /// The first stall that begins after `last_ns` and is not over at `now_ns`: its beginning and end.
    pub(super) fn next(&self, last_ns: Option<u64>, now_ns: u64) -> (u64, u64) {
        let (every, length) = (duration_ns(self.every), duration_ns(self.length));
        let offset = duration_ns(self.offset) % every;
        let period = now_ns.saturating_sub(offset) / every;
        let mut start = offset + period * every;
        if now_ns >= start + length || last_ns.is_some_and(|last| start <= last) {
            start += every;
        }
        (start, start + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_follow_one_another() {
        let stall = Stall {
            every: Duration::from_secs(1),
            length: Duration::from_millis(100),
            offset: Duration::from_millis(300),
        };
        let ms = |ms: u64| ms * 1_000_000;
        for (last, now, expected) in [
            (None, 0, 300),
            (None, 299, 300),
            (None, 399, 300),
            (None, 400, 1300),
            (Some(300), 399, 1300),
            (Some(300), 400, 1300),
            (Some(300), 1350, 1300),
            (Some(300), 5350, 5300),
            (Some(300), 5400, 6300),
        ] {
            let found = stall.next(last.map(ms), ms(now));
            assert_eq!(found, (ms(expected), ms(expected + 100)), "{last:?} {now}");
        }
        // An offset beyond the period is one within it.
        let later = Stall { offset: Duration::from_millis(7300), ..stall };
        assert_eq!(later.next(None, ms(1000)), stall.next(None, ms(1000)));
    }

    #[test]
    fn a_stall_leaves_time_to_serve() {
        let check = |length, every| {
            Stall { every: Duration::from_millis(every), length: Duration::from_millis(length), offset: Duration::ZERO }
                .check()
        };
        assert!(check(100, 1000).is_ok());
        for (length, every) in [(0, 1000), (1000, 1000), (2000, 1000), (0, 0)] {
            assert_eq!(check(length, every).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{length} {every}");
        }
    }
}
