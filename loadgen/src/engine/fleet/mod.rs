//! The connections of one worker and everything about them that does not depend on how I/O is done:
//! what is sent when, what a reply means, what is counted. An engine moves the bytes.

mod again;
mod arrivals;
mod beats;
mod opening;
mod quota;
mod requests;
mod sample;
mod slices;

use super::connection::Connection;
use super::shelf::Shelf;
use super::{Engine, Job};
use crate::clock::duration_ns;
use crate::recording::slice::Slice;
use crate::recording::tally::Tally;
use beats::Beats;
use protocol::client::Client;
use std::collections::VecDeque;

use arrivals::Queue;
pub(super) use opening::sweep_round_ns;
pub(super) use quota::LastArrival;

/// The part of a run that is being recorded: requests intended within it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    pub(super) start_ns: u64,
    pub(super) len_ns: u64,
}

impl Window {
    #[inline]
    pub(super) fn contains(&self, time_ns: u64) -> bool {
        time_ns.wrapping_sub(self.start_ns) < self.len_ns
    }
}

/// Names a socket for as long as it lives: the slot and how many sockets that slot had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) index: u32,
    pub(super) generation: u16,
}

/// All connections of one worker. `OPEN` tells whether arrivals come from a schedule.
pub(super) struct Fleet<'a, C: Client, K, const OPEN: bool> {
    pub(super) job: &'a Job<'a>,
    /// Number of the worker.
    pub(super) index: usize,
    client: C,
    pipeline: u16,
    /// Requests may be sent until `end_ns`.
    pub(super) is_loading: bool,
    pub(super) end_ns: u64,
    pub(super) window: Window,
    /// Whether the window is the measured one: a loss in it stays on record.
    pub(super) is_measuring: bool,
    pub(super) connections: Vec<Connection<C::State, K>>,
    shelf: Shelf,
    queue: Queue,
    beats: Option<Beats>,
    /// Beats that came due on connections that could not send, over all of them.
    overdue: u64,
    /// Arrivals that got a connection since the load began.
    pub(super) dispatched: u64,
    /// How things stood when the last arrival of a limited share had come.
    pub(super) last_arrival: Option<LastArrival>,
    /// Connections that are to be opened as soon as there is room.
    to_open: VecDeque<u32>,
    /// Connections that were never opened so far begin here.
    untouched: usize,
    /// When the next connect may start, and the distance between two (0: no limit).
    next_open_ns: u64,
    open_gap_ns: u64,
    /// Connects in flight at most.
    opening_max: u32,
    /// How long one look at all connections takes, a share in each turn.
    sweep_round_ns: u64,
    /// Connections in phases Opening, Idle or Busy, and Busy.
    opening: u32,
    pub(super) open: u32,
    pub(super) busy: u32,
    /// Connections whose requests are to be sent again.
    to_repeat: u32,
    /// Requests that a closed loop may still send.
    quota: u64,
    /// Replies and failures since the load began, for progress displays.
    pub(super) completed: u64,
    pub(super) failed: u64,
    pub(super) may_open: bool,
    timeout_ns: u64,
    connect_timeout_ns: u64,
    /// The last look at the clock in this turn, 0 when there was none.
    pub(super) looked_at_ns: u64,
    swept_at_ns: u64,
    sweep_next: usize,
    pub(super) slice: Box<Slice>,
    /// CPU time of this thread when the slice began.
    slice_cpu_ns: u64,
    pub(super) tally: Tally,
}

impl<'a, C: Client, K, const OPEN: bool> Fleet<'a, C, K, OPEN> {
    pub(super) fn new(job: &'a Job<'a>, index: usize, client: C) -> Self {
        const { Connection::<C::State, K>::FITS };
        let options = job.options;
        let open_gap_ns =
            options.connect_rate.map_or(0, |rate| (f64::from(options.threads) * 1e9 / rate).min(1e18) as u64);
        Fleet {
            job,
            index,
            client,
            pipeline: options.pipeline as u16,
            is_loading: false,
            end_ns: u64::MAX,
            window: Window::default(),
            is_measuring: false,
            connections: Vec::new(),
            shelf: Shelf::default(),
            queue: Queue::new(job.arrivals(index, None)),
            beats: None,
            overdue: 0,
            dispatched: 0,
            last_arrival: None,
            to_open: VecDeque::new(),
            untouched: 0,
            next_open_ns: 0,
            open_gap_ns,
            opening_max: opening::in_flight_max(job.control.establishing_max().min(options.threads as usize)),
            sweep_round_ns: opening::sweep_round_ns(u64::from(options.connections)),
            opening: 0,
            open: 0,
            busy: 0,
            to_repeat: 0,
            quota: if options.requests.is_some() { 0 } else { u64::MAX },
            completed: 0,
            failed: 0,
            may_open: true,
            timeout_ns: duration_ns(options.timeout),
            connect_timeout_ns: duration_ns(options.connect_timeout),
            looked_at_ns: 0,
            swept_at_ns: 0,
            sweep_next: 0,
            slice: Slice::new(),
            slice_cpu_ns: 0,
            tally: Tally::new(),
        }
    }

    /// Makes the slots, once the memory in use before them has been read.
    pub(super) fn populate(&mut self) {
        let count = self.job.plan.connections[self.index] as usize;
        self.connections.reserve_exact(count);
        self.connections.extend(std::iter::repeat_with(Connection::new).take(count));
        if OPEN && self.job.options.mode() == "open" {
            self.queue.reserve(count);
        }
    }

    /// The connection of a token; `None` when its socket is gone.
    #[inline]
    pub(super) fn find(&mut self, token: Token) -> Option<&mut Connection<C::State, K>> {
        self.connections.get_mut(token.index as usize).filter(|connection| connection.generation == token.generation)
    }

    /// Publishes what progress displays show.
    #[inline]
    pub(super) fn publish(&self) {
        use std::sync::atomic::Ordering::Relaxed;
        let state = &self.job.control.workers[self.index];
        state.open.store(self.open, Relaxed);
        state.opened.store(self.tally.connects.opened, Relaxed);
        state.completed.store(self.completed, Relaxed);
        state.failed.store(self.failed, Relaxed);
    }
}
