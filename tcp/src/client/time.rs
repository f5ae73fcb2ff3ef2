//! Time in the stack: coarse ticks, when to retransmit, and which peer is due next.

/// Length of a tick in ms. A retransmission waits at least 25 ticks, so finer ticks would gain nothing.
const TICK_MS: u64 = 8;
/// Slots of the wheel.
const SLOTS: u64 = 64;
/// How far ahead an entry may be placed. A peer has one entry, and its deadline may move to an earlier tick
/// when a late answer shortens the timeout. No timeout is shorter than this, so no entry is ever late.
const REACH: u64 = TIMEOUT_MIN as u64;

const _: () = assert!(REACH < SLOTS, "what is inserted comes round once");

/// Shortest retransmission timeout: 200 ms, as in Linux. RFC 6298 §2.4 asks for a second, for networks
/// whose round trips vary by more than this.
const TIMEOUT_MIN: u32 = (200 / TICK_MS) as u32;
/// Longest timeout, including backoff: 60 s (RFC 6298 §2.5).
pub(super) const TIMEOUT_MAX: u32 = (60_000 / TICK_MS) as u32;
/// Timeout before the first measurement: 1 s (RFC 6298 §2.1).
pub(super) const TIMEOUT_FIRST: u32 = (1000 / TICK_MS) as u32;

/// A moment, counted in steps of 8 ms from any origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub(super) u64);

impl Tick {
    /// The tick of a time in nanoseconds.
    #[inline]
    pub const fn of_ns(ns: u64) -> Tick {
        Tick(ns / (TICK_MS * 1_000_000))
    }

    /// The bits that a peer stores. They wrap after 524 s, but a peer with a deadline is checked several
    /// times a second.
    #[inline]
    pub(super) const fn low(self) -> u16 {
        self.0 as u16
    }

    /// Ticks since `since`.
    #[inline]
    pub(super) const fn age(self, since: u16) -> u16 {
        self.low().wrapping_sub(since)
    }
}

/// The round trip to the server (RFC 6298 §2), estimated once for all peers: their packets take the same
/// path.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    /// In eighths of a tick.
    smoothed: u32,
    /// In quarters of a tick.
    variation: u32,
    has_sample: bool,
}

impl RoundTrip {
    /// Takes a measurement; never of a retransmitted segment (Karn, RFC 6298 §3).
    #[inline]
    pub(super) fn record(&mut self, ticks: u16) {
        let sample = u32::from(ticks).min(TIMEOUT_MAX);
        if self.has_sample {
            self.variation = self.variation * 3 / 4 + (self.smoothed / 8).abs_diff(sample);
            self.smoothed = self.smoothed * 7 / 8 + sample;
        } else {
            (self.smoothed, self.variation, self.has_sample) = (sample * 8, sample * 2, true);
        }
    }

    /// The timeout after `retries` retransmissions, each of which doubles it, in ticks.
    #[inline]
    pub(super) fn timeout(&self, retries: u8) -> u32 {
        let base = match self.has_sample {
            // One tick is the clock's granularity G.
            true => (self.smoothed / 8 + self.variation.max(1)).clamp(TIMEOUT_MIN, TIMEOUT_MAX),
            false => TIMEOUT_FIRST,
        };
        (base << retries.min(15)).min(TIMEOUT_MAX)
    }
}

/// A timer wheel of indices. A peer is in it at most once, and only while it has a deadline: idle peers cost
/// nothing.
#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<Vec<u32>>,
    /// The tick being handled.
    position: u64,
}

impl Wheel {
    pub(super) fn new(now: Tick) -> Wheel {
        Wheel { slots: vec![Vec::new(); SLOTS as usize], position: now.0 }
    }

    /// Schedules `index` for tick `deadline`, or earlier if that is far away.
    pub(super) fn insert(&mut self, index: u32, deadline: u64) {
        let slot = deadline.clamp(self.position + 1, self.position + REACH);
        self.slots[(slot % SLOTS) as usize].push(index);
    }

    /// Takes an index whose tick has come.
    #[inline]
    pub(super) fn pop(&mut self, now: Tick) -> Option<u32> {
        loop {
            if let Some(index) = self.slots[(self.position % SLOTS) as usize].pop() {
                return Some(index);
            }
            if self.position >= now.0 {
                return None;
            }
            self.position += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_follows_the_round_trip() {
        let mut trip = RoundTrip::default();
        assert_eq!(trip.timeout(0), TIMEOUT_FIRST);
        trip.record(0);
        assert_eq!(trip.timeout(0), TIMEOUT_MIN);
        assert_eq!((trip.timeout(1), trip.timeout(2)), (TIMEOUT_MIN * 2, TIMEOUT_MIN * 4));
        assert_eq!((trip.timeout(15), trip.timeout(200)), (TIMEOUT_MAX, TIMEOUT_MAX));
        (0..100).for_each(|_| trip.record(100));
        assert!((100..140).contains(&trip.timeout(0)), "{trip:?}");
        trip.record(200);
        assert!(trip.timeout(0) > 180, "it has become unsteady: {trip:?}");
        trip.record(u16::MAX);
        assert!(trip.timeout(0) <= TIMEOUT_MAX);
    }

    #[test]
    fn the_wheel_gives_back_what_is_due() {
        let mut wheel = Wheel::new(Tick(5000));
        for (index, deadline) in [(1, 5003), (2, 5001), (3, 4000), (4, 5000 + SLOTS * 3)] {
            wheel.insert(index, deadline);
        }
        let mut due = |now| std::iter::from_fn(|| wheel.pop(Tick(now))).collect::<Vec<_>>();
        assert_eq!(due(5000), []);
        let mut first = due(5001);
        first.sort_unstable();
        assert_eq!(first, [2, 3], "what is overdue is due in the next tick");
        assert_eq!((due(5002), due(5003)), (vec![], vec![1]));
        assert_eq!(due(5000 + REACH), [4], "beyond its reach the wheel is early, never late");
        assert_eq!(due(9000 + SLOTS * 10), []);
    }

    #[test]
    fn ticks_are_coarse() {
        assert_eq!((Tick::of_ns(7_999_999), Tick::of_ns(8_000_000)), (Tick(0), Tick(1)));
        assert_eq!(Tick(65_540).age(Tick(65_530).low()), 10);
    }
}
