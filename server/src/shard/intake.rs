//! Whether to accept connections, and when to try again after the host ran short of something.

use rustix::io::Errno;

use super::bucket::Bucket;
use super::counters::Counters;
use super::tick::{TICK_MS, Tick};

/// How long accept pauses when the host is short of something. Otherwise a listener that stays readable would
/// make the loop spin: 98,000 failed accepts in 10 s have been seen elsewhere.
const PAUSE_MS: u64 = 100;
/// Ticks of a pause: rounded up, and one more because it starts in the middle of a tick.
const PAUSE_TICKS: u32 = (PAUSE_MS / TICK_MS) as u32 + 1;
/// Once the listeners no longer answer SYNs, a drain waits this long before it first checks whether their
/// queues are empty. Pending handshakes complete by then, instead of being reset with the listener.
const CLOSING_TICKS: u32 = 1;
/// Accepts that fail in a row before accept pauses. A single failure may be the fault of one connection; this
/// many are a fault of the listener or the host.
const FAILURES_MAX: u8 = 64;

/// State of accept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Paused {
        until: Tick,
        /// Whether what is missing may be there again as soon as a connection ends.
        ends_with_room: bool,
    },
    /// The drain began: no new handshakes; pending ones may complete; the queues are emptied as room permits.
    /// Accept may pause here too.
    Closing { look: Tick, rests_until: Option<Tick> },
    /// The listeners are closed; what was accepted before is still served.
    Closed,
    /// The reactor was stopped: connections that an accept still brings are cut off.
    Cut { look: Tick },
}

/// The accept state of all listeners of a reactor: what one of them runs short of, the others lack too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Intake {
    state: State,
    failures: u8,
    /// How many connections the rate still allows.
    bucket: Bucket,
    /// Whether those beyond the rate are taken in all the same, to be told when to come again.
    defers: bool,
}

/// What stopped an accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// EMFILE, ENFILE: descriptors ran out.
    Descriptors,
    /// ENOBUFS, ENOMEM: kernel memory ran out. ENOSPC: the user's epoll watches ran out (epoll(7),
    /// `max_user_watches`).
    Memory,
    /// The limit on connections is reached.
    Full,
    /// The buffer pool has only its reserve left.
    Buffers,
    /// The rate of accepts is used up until a later tick.
    Rate,
    /// This connection failed, but the next may not (ECONNABORTED and the errors that accept(2) lists with
    /// it); or an unknown error.
    Connection,
}

impl Trouble {
    pub(crate) fn of(error: Errno) -> Trouble {
        match error {
            Errno::MFILE | Errno::NFILE => Trouble::Descriptors,
            Errno::NOBUFS | Errno::NOMEM | Errno::NOSPC => Trouble::Memory,
            _ => Trouble::Connection,
        }
    }
}

impl Intake {
    /// An intake with a limited rate.
    pub(crate) fn at_rate(bucket: Bucket) -> Intake {
        Intake { bucket, ..Intake::default() }
    }

    /// The same, but nobody waits: those beyond the rate are told when to come again.
    pub(crate) fn that_defers(self) -> Intake {
        Intake { defers: true, ..self }
    }

    /// Notes `trouble`; true if accept must pause.
    #[cold]
    pub(crate) fn meet(&mut self, trouble: Trouble, now: Tick, counters: &mut Counters) -> bool {
        if trouble == Trouble::Connection {
            counters.accept_errors += 1;
            self.failures += 1;
            if self.failures < FAILURES_MAX {
                return false;
            }
        }
        self.failures = 0;
        let until = self.pause(trouble, now, counters);
        match &mut self.state {
            state @ State::Open => {
                *state =
                    State::Paused { until, ends_with_room: matches!(trouble, Trouble::Full | Trouble::Descriptors) };
            }
            State::Closing { rests_until, .. } => *rests_until = Some(until),
            State::Paused { .. } | State::Closed | State::Cut { .. } => {}
        }
        true
    }

    /// Counts a pause for `trouble`, and says when it ends.
    pub(crate) fn pause(&self, trouble: Trouble, now: Tick, counters: &mut Counters) -> Tick {
        let counter = match trouble {
            Trouble::Connection => &mut counters.error_pauses,
            Trouble::Descriptors => &mut counters.emfile_pauses,
            Trouble::Memory => &mut counters.memory_pauses,
            Trouble::Full => &mut counters.full_pauses,
            Trouble::Buffers => &mut counters.buffer_pauses,
            Trouble::Rate => &mut counters.rate_pauses,
        };
        *counter += 1;
        now.after(if trouble == Trouble::Rate { self.bucket.ticks_to_next() } else { PAUSE_TICKS })
    }

    /// An accept succeeded.
    #[inline]
    pub(crate) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// A tick began: the rate allows more.
    pub(crate) fn fill(&mut self, now: Tick) {
        self.bucket.fill(now);
    }

    /// Whether a connection can be taken in now, as far as the rate goes.
    #[inline]
    pub(crate) fn is_within_rate(&self) -> bool {
        self.defers || self.bucket.has_one()
    }

    /// How many connections can be taken in now, as far as the rate goes.
    pub(crate) fn allowed(&self) -> u32 {
        if self.defers { u32::MAX } else { self.bucket.whole() }
    }

    /// A connection was taken in. False if it must be told to come again.
    #[inline]
    pub(crate) fn spend(&mut self, counters: &mut Counters) -> bool {
        if self.defers && !self.bucket.has_one() {
            return false;
        }
        counters.accepts_beyond_rate += u64::from(!self.bucket.spend());
        true
    }

    /// Whether accept is neither paused nor ended.
    #[inline]
    pub(crate) fn is_taking(&self) -> bool {
        matches!(self.state, State::Open | State::Closing { rests_until: None, .. })
    }

    /// Ends a pause whose time is over; true if accept must be armed again.
    pub(crate) fn resume(&mut self, now: Tick) -> bool {
        match &mut self.state {
            State::Paused { until, .. } if *until <= now => self.state = State::Open,
            State::Closing { rests_until, .. } if rests_until.is_some_and(|until| until <= now) => *rests_until = None,
            _ => return false,
        }
        true
    }

    /// A connection has ended, and its place and its descriptor are free. Without this, a crowd that has left would be taken
    /// off the accept queue by a few connections in each pause, and who comes later would wait behind it for seconds.
    #[inline]
    pub(crate) fn make_room(&mut self, now: Tick) {
        if let State::Paused { until, ends_with_room: true } = &mut self.state {
            *until = now;
        }
    }

    /// Whether a pause is over and accept has to be armed again.
    #[inline]
    pub(crate) fn is_pause_over(&self, now: Tick) -> bool {
        matches!(self.state, State::Paused { until, .. } if until <= now)
    }

    /// The drain begins.
    pub(crate) fn start_closing(&mut self, now: Tick) {
        let rests_until = match self.state {
            State::Open => None,
            State::Paused { until, .. } => Some(until),
            State::Closing { .. } | State::Closed | State::Cut { .. } => return,
        };
        self.state = State::Closing { look: now.after(CLOSING_TICKS + 1), rests_until };
    }

    /// Whether to check now if a closing listener, or a stopped reactor, may end.
    pub(crate) fn is_look_due(&self, now: Tick) -> bool {
        matches!(self.state, State::Closing { look, .. } | State::Cut { look } if look <= now)
    }

    /// Postpones the check by a tick.
    pub(crate) fn look_again(&mut self, now: Tick) {
        if let State::Closing { look, .. } | State::Cut { look } = &mut self.state {
            *look = now.after(1);
        }
    }

    /// The listeners are closed.
    pub(crate) fn close(&mut self) {
        self.state = State::Closed;
    }

    /// The reactor is stopped.
    pub(crate) fn cut(&mut self, now: Tick) {
        self.state = State::Cut { look: now.after(1) };
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed | State::Cut { .. })
    }

    #[inline]
    pub(crate) fn is_cut(&self) -> bool {
        matches!(self.state, State::Cut { .. })
    }

    pub(crate) fn due(&self) -> Option<Tick> {
        match self.state {
            State::Paused { until: due, .. } | State::Closing { look: due, .. } | State::Cut { look: due } => Some(due),
            State::Open | State::Closed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_lasts_at_least_100_ms_and_ends() {
        let (mut intake, mut counters) = (Intake::default(), Counters::default());
        assert!(intake.meet(Trouble::of(Errno::MFILE), Tick(7), &mut counters));
        assert_eq!((counters.emfile_pauses, intake.due()), (1, Some(Tick(9))));
        assert!(!intake.is_taking() && !intake.resume(Tick(8)));
        assert!(intake.resume(Tick(9)) && intake.is_taking());
        assert_eq!(intake, Intake::default());
    }

    #[test]
    fn a_pause_for_want_of_room_ends_with_a_connection_and_no_other_does() {
        for (trouble, ends) in [
            (Trouble::Full, true),
            (Trouble::Descriptors, true),
            (Trouble::Memory, false),
            (Trouble::Buffers, false),
            (Trouble::Rate, false),
        ] {
            let mut intake = Intake::default();
            intake.make_room(Tick(7));
            assert_eq!(intake, Intake::default());
            assert!(intake.meet(trouble, Tick(7), &mut Counters::default()));
            assert!(!intake.is_pause_over(Tick(7)));
            intake.make_room(Tick(7));
            assert_eq!((intake.is_pause_over(Tick(7)), intake.resume(Tick(7))), (ends, ends), "{trouble:?}");
        }
    }

    /// epoll_ctl(2) returns ENOSPC at the limit of watches, which is not the connection's fault.
    #[test]
    fn missing_watches_and_missing_memory_are_shortages() {
        for error in [Errno::NOSPC, Errno::NOMEM, Errno::NOBUFS] {
            assert_eq!(Trouble::of(error), Trouble::Memory, "{error:?}");
        }
        assert_eq!(Trouble::of(Errno::NFILE), Trouble::Descriptors);
        assert_eq!(Trouble::of(Errno::INVAL), Trouble::Connection);
    }

    #[test]
    fn an_aborted_connection_is_no_reason_to_rest() {
        let (mut intake, mut counters) = (Intake::default(), Counters::default());
        for _ in 0..10 * u64::from(FAILURES_MAX) {
            assert!(!intake.meet(Trouble::of(Errno::CONNABORTED), Tick(0), &mut counters));
            intake.succeed();
        }
        assert_eq!(counters.accept_errors, 10 * u64::from(FAILURES_MAX));
        assert_eq!((counters.error_pauses, intake), (0, Intake::default()));
    }

    /// Without a pause, a listener that fails permanently would be tried again and again.
    #[test]
    fn failures_in_a_row_are_a_reason_to_rest() {
        let (mut intake, mut counters) = (Intake::default(), Counters::default());
        let rests: Vec<bool> =
            (0..FAILURES_MAX).map(|_| intake.meet(Trouble::of(Errno::INVAL), Tick(0), &mut counters)).collect();
        assert_eq!(rests.iter().position(|rests| *rests), Some(usize::from(FAILURES_MAX) - 1));
        assert_eq!((counters.error_pauses, intake.is_taking()), (1, false));
        assert!(intake.resume(Tick(2)));
        assert!(!intake.meet(Trouble::of(Errno::INVAL), Tick(2), &mut counters), "it counts from the start again");
    }

    /// Five connections per second: the first tick has half of one.
    #[test]
    fn a_used_up_rate_rests_until_it_allows_a_connection() {
        let rate = std::num::NonZeroU32::new(5).unwrap();
        let mut intake = Intake::at_rate(Bucket::new(rate, 0, 1));
        let mut counters = Counters::default();
        assert!(!intake.is_within_rate() && intake.meet(Trouble::Rate, Tick(0), &mut counters));
        assert_eq!((intake.due(), intake.is_taking(), counters.rate_pauses), (Some(Tick(1)), false, 1));
        intake.fill(Tick(1));
        assert!(intake.resume(Tick(1)) && intake.is_within_rate());
        intake.spend(&mut counters);
        assert!(intake.meet(Trouble::Rate, Tick(1), &mut counters));
        assert_eq!((intake.due(), counters.rate_pauses, counters.accepts_beyond_rate), (Some(Tick(3)), 2, 0));
        // What an accept under way brings meanwhile is owed.
        intake.spend(&mut counters);
        intake.fill(Tick(3));
        assert!(intake.resume(Tick(3)) && !intake.is_within_rate());
        assert!(intake.meet(Trouble::Rate, Tick(3), &mut counters));
        assert_eq!((intake.due(), counters.accepts_beyond_rate), (Some(Tick(5)), 1));
    }

    /// Who is told to come again neither makes accept rest nor owes anything.
    #[test]
    fn those_beyond_the_rate_are_told_to_come_again() {
        let rate = std::num::NonZeroU32::new(10).unwrap();
        let mut intake = Intake::at_rate(Bucket::new(rate, 0, 1)).that_defers();
        let mut counters = Counters::default();
        intake.fill(Tick(1));
        let served: Vec<bool> = (0..4).map(|_| intake.spend(&mut counters)).collect();
        let count = served.iter().filter(|served| **served).count();
        assert!((1..=2).contains(&count) && served.is_sorted_by(|one, other| one >= other), "{served:?}");
        assert!(intake.is_within_rate() && intake.allowed() == u32::MAX && counters.accepts_beyond_rate == 0);
        intake.fill(Tick(2));
        assert!(intake.spend(&mut counters) && !intake.spend(&mut counters));
    }

    #[test]
    fn a_drain_is_not_undone_by_a_pause() {
        let mut intake = Intake::default();
        intake.start_closing(Tick(1));
        assert!(intake.is_taking());
        assert!(intake.meet(Trouble::Full, Tick(1), &mut Counters::default()));
        assert!(!intake.is_taking() && !intake.resume(Tick(2)));
        assert!(intake.is_look_due(Tick(3)), "the listener is looked at during the pause, too");
        assert!(intake.resume(Tick(3)) && intake.is_taking(), "what got room is taken in the drain");
        assert!(intake.is_look_due(Tick(3)) && !intake.is_closed());
        intake.look_again(Tick(3));
        assert!(!intake.is_look_due(Tick(3)) && intake.is_look_due(Tick(4)));
    }

    #[test]
    fn a_pause_goes_on_in_a_drain() {
        let mut intake = Intake::default();
        intake.meet(Trouble::Full, Tick(5), &mut Counters::default());
        intake.start_closing(Tick(5));
        assert!(!intake.is_taking());
        assert!(intake.resume(Tick(7)) && intake.is_taking());
    }
}
