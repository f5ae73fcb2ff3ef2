//! A limit on acknowledgements that answer what cannot be right.

use super::time::Tick;

/// Acknowledgements of segments that cannot be right, per tick of 8 ms. Two ends that disagree would
/// otherwise answer one another for ever (RFC 5961 §7).
const CHALLENGES_PER_TICK: u32 = 1000;

/// How many such acknowledgements are left in this tick.
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
