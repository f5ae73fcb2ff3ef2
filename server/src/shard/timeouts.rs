//! How long a connection may take for each step, in ticks.

use std::time::Duration;

use super::tick::TICK_MS;

/// Looks at an unsent reply within one stall timeout. One more look without progress means that it has
/// stalled for the whole timeout.
pub(super) const LOOKS_MAX: u8 = 4;

/// Which timeout runs.
///
/// `Write` runs in quarters ([`LOOKS_MAX`]): the send buffer shows room only once a good part of it is free,
/// so each quarter asks how much the peer has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    Idle,
    Head,
    /// A body that may take as long as it makes progress.
    Body,
    /// A body that has to be whole by then: a byte now and then does not prolong it.
    WholeBody,
    /// A reply was made but not yet offered to the socket. No clock is started for this moment; if an older
    /// deadline passes, that only causes a look.
    Reply,
    Write,
    /// The reply waits for a job.
    Job,
    Linger,
}

/// Timeouts in ticks of 100 ms; `u32::MAX` is never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    pub(super) idle_ticks: u32,
    head_ticks: u32,
    /// A quarter of the stall timeout: see [`Timer`].
    look_ticks: u32,
    stall_ticks: u32,
    /// `None` lets a body take as long as it makes progress.
    body_ticks: Option<u32>,
    linger_ticks: u32,
    pub(super) drain_quiet_ticks: u32,
}

impl Timeouts {
    /// From durations; zero means never. Rounded up to whole ticks, and one more because a timeout
    /// starts in the middle of a tick.
    pub(crate) fn new(idle: Duration, head: Duration, stall: Duration) -> Self {
        let ticks = |timeout: Duration| match timeout.as_millis().div_ceil(u128::from(TICK_MS)) {
            0 => u32::MAX,
            ticks => u32::try_from(ticks + 1).unwrap_or(u32::MAX),
        };
        let stall_ticks = ticks(stall);
        Timeouts {
            idle_ticks: ticks(idle),
            head_ticks: ticks(head),
            look_ticks: if stall_ticks == u32::MAX { u32::MAX } else { stall_ticks.div_ceil(LOOKS_MAX.into()) },
            stall_ticks,
            body_ticks: None,
            // Time for the peer to read the last reply and close. Apache waits 30 s, nginx 5 s; 2 s are eight
            // round trips, without retransmission, to the far side of the planet.
            linger_ticks: ticks(Duration::from_secs(2)),
            // A request that was on its way when the drain began has arrived by then.
            drain_quiet_ticks: ticks(Duration::from_millis(500)),
        }
    }

    /// With a longest time for a whole body; zero is none.
    pub(crate) fn with_body(self, body: Duration) -> Self {
        let ticks = body.as_millis().div_ceil(u128::from(TICK_MS));
        Timeouts { body_ticks: (ticks > 0).then(|| u32::try_from(ticks + 1).unwrap_or(u32::MAX)), ..self }
    }

    /// The timer of a body.
    pub(super) fn of_body(&self) -> Timer {
        if self.body_ticks.is_some() { Timer::WholeBody } else { Timer::Body }
    }

    pub(super) fn ticks(&self, timer: Timer) -> u32 {
        match timer {
            Timer::Idle => self.idle_ticks,
            Timer::Head => self.head_ticks,
            Timer::Body | Timer::Job => self.stall_ticks,
            Timer::WholeBody => self.body_ticks.unwrap_or(u32::MAX),
            Timer::Reply | Timer::Write => self.look_ticks,
            Timer::Linger => self.linger_ticks,
        }
    }
}
