//! A limit on acknowledgements that answer unacceptable segments.

use super::time::Tick;

/// Challenge acknowledgements per tick of 8 ms. Without a limit, two ends that disagree would answer each
/// other for ever (RFC 5961 §7).
const CHALLENGES_PER_TICK: u32 = 1000;

/// Counts the challenge acknowledgements of the current tick.
#[derive(Debug, Default)]
pub(super) struct Challenges {
    tick: Tick,
    sent: u32,
}

impl Challenges {
    pub(super) fn take(&mut self, now: Tick) -> bool {
        if self.tick != now {
            (self.tick, self.sent) = (now, 0);
        }
        self.sent += 1;
        self.sent <= CHALLENGES_PER_TICK
    }
}
