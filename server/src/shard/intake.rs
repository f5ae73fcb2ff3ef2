//! Whether new connections are taken, and when to try again after the host ran short of something.

use std::io;

use rustix::io::Errno;

use super::counters::Counters;
use super::wheel::{TICK_MS, Tick};

/// How long accept rests when the host is short of something. A listener that stays readable would
/// otherwise turn the loop into a hot one: 98,000 failing accepts in 10 s have been seen elsewhere.
const PAUSE_MS: u64 = 100;
/// Ticks of a pause: rounded up, and one more because it starts in the middle of a tick.
const PAUSE_TICKS: u32 = (PAUSE_MS / TICK_MS) as u32 + 1;
/// How long a drain goes on accepting after the listener stopped answering SYNs, so that handshakes
/// that were half way arrive in the accept queue instead of being reset with the listener.
const CLOSING_TICKS: u32 = 1;

/// State of accept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Intake {
    #[default]
    Open,
    Paused {
        until: Tick,
    },
    /// The drain began: no new handshakes, those under way are awaited.
    Closing {
        until: Tick,
    },
    Closed,
}

/// What stopped an accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// EMFILE, ENFILE: descriptors ran out.
    Descriptors,
    /// ENOBUFS, ENOMEM: kernel memory ran out.
    Memory,
    /// The limit on connections is reached.
    Full,
    /// The buffer pool has only its reserve left.
    Buffers,
    /// This connection failed, the next may not (ECONNABORTED and what accept(2) lists with it).
    Connection,
}

impl Trouble {
    pub(crate) fn of(error: &io::Error) -> Trouble {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => Trouble::Descriptors,
            Some(Errno::NOBUFS | Errno::NOMEM) => Trouble::Memory,
            _ => Trouble::Connection,
        }
    }
}

impl Intake {
    /// Takes note of `trouble`; true when accept must rest.
    pub(crate) fn meet(&mut self, trouble: Trouble, now: Tick, counters: &mut Counters) -> bool {
        match trouble {
            Trouble::Connection => {
                counters.accept_errors += 1;
                return false;
            }
            Trouble::Descriptors => counters.emfile_pauses += 1,
            Trouble::Memory => counters.memory_pauses += 1,
            Trouble::Full => counters.full_pauses += 1,
            Trouble::Buffers => counters.buffer_pauses += 1,
        }
        if *self == Intake::Open {
            *self = Intake::Paused { until: now.after(PAUSE_TICKS) };
        }
        true
    }

    /// Ends a pause that is over; true when accept must be armed again.
    pub(crate) fn resume(&mut self, now: Tick) -> bool {
        match *self {
            Intake::Paused { until } if until <= now => {
                *self = Intake::Open;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn start_closing(&mut self, now: Tick) {
        if *self != Intake::Closed {
            *self = Intake::Closing { until: now.after(CLOSING_TICKS + 1) };
        }
    }

    /// Whether the time has come to close the listener.
    pub(crate) fn is_closing_due(&self, now: Tick) -> bool {
        matches!(*self, Intake::Closing { until } if until <= now)
    }

    pub(crate) fn due(&self) -> Option<Tick> {
        match *self {
            Intake::Paused { until } | Intake::Closing { until } => Some(until),
            Intake::Open | Intake::Closed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_lasts_at_least_100_ms_and_ends() {
        let (mut intake, mut counters) = (Intake::Open, Counters::default());
        let error = io::Error::from(Errno::MFILE);
        assert!(intake.meet(Trouble::of(&error), Tick(7), &mut counters));
        assert_eq!((counters.emfile_pauses, intake.due()), (1, Some(Tick(9))));
        assert!(!intake.resume(Tick(8)));
        assert!(intake.resume(Tick(9)));
        assert_eq!(intake, Intake::Open);
    }

    #[test]
    fn an_aborted_connection_is_no_reason_to_rest() {
        let (mut intake, mut counters) = (Intake::Open, Counters::default());
        let error = io::Error::from(Errno::CONNABORTED);
        assert!(!intake.meet(Trouble::of(&error), Tick(0), &mut counters));
        assert_eq!((counters.accept_errors, intake), (1, Intake::Open));
    }

    #[test]
    fn a_drain_is_not_undone_by_a_pause() {
        let mut intake = Intake::Open;
        intake.start_closing(Tick(1));
        assert!(intake.meet(Trouble::Descriptors, Tick(1), &mut Counters::default()));
        assert!(!intake.resume(Tick(50)) && intake.is_closing_due(Tick(50)));
    }
}
