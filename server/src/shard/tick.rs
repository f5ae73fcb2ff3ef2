//! The time unit of a reactor: timers, pauses and looks are counted in ticks.

use std::time::Duration;

/// Length of a tick in milliseconds. Timeouts are seconds: a tenth is precise enough, and the coarse clock
/// (one kernel tick, 4 ms at HZ=250) suffices.
pub(crate) const TICK_MS: u64 = 100;
/// The same as a duration: the longest delay before a reactor notices what only the clock tells.
pub(crate) const TICK: Duration = Duration::from_millis(TICK_MS);

/// A point in time: ticks since the reactor started. 32 bits last 13 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Tick(pub(crate) u32);

impl Tick {
    /// No deadline.
    pub(crate) const NEVER: Tick = Tick(u32::MAX);

    /// `ticks` later, or [`Tick::NEVER`].
    pub(crate) fn after(self, ticks: u32) -> Tick {
        Tick(self.0.saturating_add(ticks))
    }
}
