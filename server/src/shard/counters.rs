//! What a reactor counts. Plain integers: a shard belongs to one thread, and sums are made at the end.

use protocol::server::{Message, Violation};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Why a connection ended. Every connection ends for exactly one of these reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// The peer closed between requests.
    PeerClosed,
    /// The peer closed in the middle of a request.
    PeerClosedMidRequest,
    /// The peer reset the connection (ECONNRESET, EPIPE).
    Reset,
    /// The peer asked for the close, and got its reply first.
    Requested,
    /// The peer broke the protocol.
    Violation(Violation),
    /// Nothing came for the idle timeout.
    IdleTimeout,
    /// A request head did not arrive in time.
    HeaderTimeout,
    /// A whole body did not arrive in time.
    BodyTimeout,
    /// A body or a reply made no progress for the stall timeout.
    StallTimeout,
    /// Closed by a drain, with nothing in flight.
    Drained,
    /// Still busy when the drain had to end.
    DrainForced,
    /// Closed to free memory: it held buffers without progress while the pool ran out.
    Shed,
    /// Closed to free its descriptor: it was idle longest when descriptors ran out.
    Evicted,
    /// It had waited longest in a full waiting room, and was reset when one more came.
    CrowdedOut,
    /// Accepted on the descriptor kept in reserve and reset at once, because no other was left.
    TurnedAway,
    /// It came when the rate of accepts was used up, and was told when to come again instead of being served.
    Deferred,
    /// The buffer pool was at its memory limit.
    BuffersExhausted,
    /// More bytes arrived while a reply was unsent than may be kept (multishot receive only).
    Overrun,
    /// The kernel had no memory for it (ENOMEM, ENOBUFS).
    KernelMemory,
    /// Another error of the socket.
    SocketError,
}

impl CloseReason {
    /// Number of different reasons.
    pub const COUNT: usize = 19 + Violation::ALL.len();

    /// Every reason, in the order of the counters.
    pub fn all() -> impl Iterator<Item = CloseReason> {
        use CloseReason::{
            BodyTimeout, BuffersExhausted, CrowdedOut, Deferred, DrainForced, Drained, Evicted, HeaderTimeout,
            IdleTimeout, KernelMemory, Overrun, PeerClosed, PeerClosedMidRequest, Requested, Reset, Shed, SocketError,
            StallTimeout, TurnedAway,
        };
        [PeerClosed, PeerClosedMidRequest, Reset, Requested]
            .into_iter()
            .chain(Violation::ALL.map(CloseReason::Violation))
            .chain([IdleTimeout, HeaderTimeout, BodyTimeout, StallTimeout, Drained, DrainForced])
            .chain([
                Shed,
                Evicted,
                CrowdedOut,
                TurnedAway,
                Deferred,
                BuffersExhausted,
                Overrun,
                KernelMemory,
                SocketError,
            ])
    }

    /// The name in records.
    pub fn name(self) -> &'static str {
        match self {
            CloseReason::PeerClosed => "peer_closed",
            CloseReason::PeerClosedMidRequest => "peer_closed_mid_request",
            CloseReason::Reset => "reset",
            CloseReason::Requested => "requested",
            CloseReason::Violation(violation) => violation.name(),
            CloseReason::IdleTimeout => "idle_timeout",
            CloseReason::HeaderTimeout => "header_timeout",
            CloseReason::BodyTimeout => "body_timeout",
            CloseReason::StallTimeout => "stall_timeout",
            CloseReason::Drained => "drained",
            CloseReason::DrainForced => "drain_forced",
            CloseReason::Shed => "shed",
            CloseReason::Evicted => "evicted",
            CloseReason::CrowdedOut => "crowded_out",
            CloseReason::TurnedAway => "turned_away",
            CloseReason::Deferred => "deferred",
            CloseReason::BuffersExhausted => "buffers_exhausted",
            CloseReason::Overrun => "overrun",
            CloseReason::KernelMemory => "kernel_memory",
            CloseReason::SocketError => "socket_error",
        }
    }

    /// Why a connection ends after a failed system call.
    pub(crate) fn of(error: Errno) -> CloseReason {
        match error {
            Errno::CONNRESET | Errno::PIPE => CloseReason::Reset,
            Errno::NOMEM | Errno::NOBUFS | Errno::NOSPC => CloseReason::KernelMemory,
            _ => CloseReason::SocketError,
        }
    }

    fn index(self) -> usize {
        CloseReason::all().position(|reason| reason == self).unwrap_or(0)
    }
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+; $($(#[doc = $peak_doc:literal])+ $peak:ident,)+) => {
        /// Counters of one reactor, or the sum over several (for peaks, the highest).
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)+
            $($(#[doc = $peak_doc])+ pub $peak: u64,)+
            /// Connections ended, by reason.
            #[serde(with = "by_name")]
            pub closes: [u64; CloseReason::COUNT],
        }

        impl Counters {
            /// Adds `other` to this.
            pub fn add(&mut self, other: &Counters) {
                $(self.$name += other.$name;)+
                $(self.$peak = self.$peak.max(other.$peak);)+
                for (sum, part) in self.closes.iter_mut().zip(other.closes) {
                    *sum += part;
                }
            }

            /// Every counter but the closes, with its name in records.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Passes of the loop.
    turns,
    /// Connections accepted. Those that still wait in a waiting room are not counted yet.
    accepts,
    /// Requests whose head arrived complete and valid, even if their body never did; for echo, receives that
    /// brought bytes.
    requests,
    /// Connections that had a request.
    first_requests,
    /// Bytes received.
    bytes_in,
    /// Bytes the kernel took for sending.
    bytes_out,
    /// System calls of the loop, of every kind.
    syscalls,
    /// Calls of epoll_wait(2).
    epoll_waits,
    /// Calls of epoll_ctl(2).
    epoll_ctls,
    /// Calls of io_uring_enter(2).
    enters,
    /// Submission queue entries.
    sqes,
    /// Completion queue entries.
    cqes,
    /// Receives that found nothing (EAGAIN).
    empty_receives,
    /// Sends that took less than was offered, EAGAIN included.
    short_sends,
    /// Receives that found no provided buffer, and sends that found no kernel memory.
    enobufs,
    /// Multishot receives cancelled because a reply was still unsent.
    receive_pauses,
    /// Events for connections that were gone.
    stale_events,
    /// Accepts that failed because fds ran out (EMFILE, ENFILE).
    emfile_failures,
    /// Pauses of accept because fds ran out.
    emfile_pauses,
    /// Pauses of accept because kernel memory ran out (ENOBUFS, ENOMEM), or the epoll watches of this
    /// user (ENOSPC, fs.epoll.max_user_watches).
    memory_pauses,
    /// Pauses of accept because the connection limit was reached.
    full_pauses,
    /// Pauses of accept because the buffer pool was low.
    buffer_pauses,
    /// Pauses of accept because its rate was used up.
    rate_pauses,
    /// Connections that came when the rate was used up, because accepts of several listeners were under way (io_uring
    /// only). The next ticks take in as many fewer.
    accepts_beyond_rate,
    /// Connections that lingered until the time, or the limit of discarded bytes, was used up: the peer did not
    /// close.
    lingers_cut,
    /// Pauses of accept because it failed many times in a row for another reason.
    error_pauses,
    /// Connections that were gone before accept returned them, and other errors of accept.
    accept_errors,
    /// Attempts to stop new handshakes that failed when a drain began (setsockopt(2)).
    refusal_errors,
    /// Connections left in an accept queue when its listener closed, because accept failed. The kernel reset
    /// them; they count as forced closes, not as accepts.
    queue_resets,
    /// Pauses of the whole reactor because the kernel could neither take submissions nor wait for
    /// events (ENOMEM, EAGAIN, EBUSY of io_uring_enter(2) and epoll_wait(2)).
    wait_pauses,
    /// Times that io_uring_enter(2) reported dropped completions (EBADR).
    dropped_completion_reports,
    /// Completions that the kernel dropped because the queue was full and it had no memory to keep them.
    /// Their results are lost: their connections are not closed in order.
    dropped_completions,
    /// Requests whose reply waited for a job, in the reactor or in the pool.
    jobs,
    /// Of these, those that found the queue of the pool full (503).
    jobs_refused,
    /// Those whose deadline had passed before a thread was free (503).
    jobs_expired,
    /// Those that the database could not answer (500).
    jobs_failed,
    /// Those that a thread of the pool did; `job_run_us` over this is the mean service time.
    jobs_done,
    /// What came of jobs for connections that had ended meanwhile.
    stale_messages,
    /// Microseconds that jobs waited for a thread of the pool, those included that expired.
    job_wait_us,
    /// Microseconds that jobs took on a thread of the pool.
    job_run_us,
    /// Jobs that the reactor did itself, while all its connections waited; `block_us` over this is their mean time.
    blocks,
    /// Microseconds that these took, from their beginning to their end.
    block_us,
    /// The squares of these times, added up: what a queue makes of them depends on how unequal they are.
    block_us_squared,
    ;
    /// Most bytes that one connection had received but could not process yet, because a reply was unsent or a
    /// request was incomplete.
    unread_len_peak,
    /// Most connections in the waiting room at once.
    waiting_peak,
    /// Most jobs seen waiting for a thread of the pool.
    jobs_queued_peak,
}

impl Counters {
    /// A connection was accepted and ended at once, for `reason`.
    pub(crate) fn ended_at_once(&mut self, reason: CloseReason) {
        self.accepts += 1;
        self.closed(reason);
    }

    pub(crate) fn closed(&mut self, reason: CloseReason) {
        self.closes[reason.index()] += 1;
    }

    /// The reactor did a job itself, which took so long.
    pub(crate) fn blocked(&mut self, took_us: u64) {
        self.blocks += 1;
        self.block_us += took_us;
        self.block_us_squared = self.block_us_squared.saturating_add(took_us.saturating_mul(took_us));
    }

    /// A job ended so.
    pub(crate) fn job_ended(&mut self, message: &Message) {
        match message {
            Message::Done | Message::Found(_) | Message::NotFound => {}
            Message::Refused => self.jobs_refused += 1,
            Message::Expired => self.jobs_expired += 1,
            Message::Failed => self.jobs_failed += 1,
        }
    }

    /// Connections ended for `reason`.
    pub fn closed_for(&self, reason: CloseReason) -> u64 {
        self.closes[reason.index()]
    }

    /// Connections ended.
    pub fn closed_total(&self) -> u64 {
        self.closes.iter().sum()
    }
}

/// `closes` as an object of the reasons that occurred.
mod by_name {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::CloseReason;

    pub(super) fn serialize<S: Serializer>(
        closes: &[u64; CloseReason::COUNT],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let named = CloseReason::all().zip(closes).filter(|(_, count)| **count > 0);
        serializer.collect_map(named.map(|(reason, count)| (reason.name(), count)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u64; CloseReason::COUNT], D::Error> {
        let named = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let mut closes = [0; CloseReason::COUNT];
        for (name, count) in named {
            let reason = CloseReason::all().find(|reason| reason.name() == name);
            let reason = reason.ok_or_else(|| D::Error::custom(format!("no connection closes for {name:?}")))?;
            closes[reason.index()] = count;
        }
        Ok(closes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_and_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = CloseReason::all().map(CloseReason::name).collect();
        assert_eq!((names.len(), CloseReason::all().count()), (CloseReason::COUNT, CloseReason::COUNT));
        let mut counters = Counters::default();
        CloseReason::all().for_each(|reason| counters.closed(reason));
        assert!(CloseReason::all().all(|reason| counters.closed_for(reason) == 1));
    }

    #[test]
    fn counters_survive_json_and_add_up() {
        let mut counters = Counters { requests: 7, unread_len_peak: 5, ..Counters::default() };
        counters.closed(CloseReason::Violation(Violation::BodyTooLong));
        let json = serde_json::to_string(&counters).unwrap();
        assert!(json.contains(r#""closes":{"body_too_long":1}"#), "{json}");
        let mut sum: Counters = serde_json::from_str(&json).unwrap();
        assert_eq!(sum, counters);
        sum.add(&counters);
        assert_eq!((sum.requests, sum.closed_total(), sum.unread_len_peak), (14, 2, 5));
    }
}
