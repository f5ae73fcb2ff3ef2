//! The state that the connections of one worker share, and how it begins.

use super::beats::Beats;
use super::clients::Clients;
use super::queue::Queue;
use crate::engine::connection::Connection;
use crate::engine::job::Job;
use crate::engine::shelf::Shelf;
use crate::engine::token::Token;
use crate::plan::grain::sweep_round_ns;
use crate::plan::mode::Mode;
use crate::recording::slice::Slice;
use crate::recording::tally::Tally;
use protocol::client::Client;
use std::collections::VecDeque;
use sys::clock::duration_ns;

/// Connects in flight per worker, and over all workers that open at the same time. If a burst exceeds the target's
/// backlog (often 128, at most somaxconn), SYNs are dropped, and their retransmission takes a second.
const OPENING_MAX: u32 = 64;
const OPENING_MAX_TOTAL: u32 = 1024;

/// Connects in flight for each of so many workers.
pub(super) fn in_flight_max(workers: usize) -> u32 {
    OPENING_MAX.min(OPENING_MAX_TOTAL.div_ceil(u32::try_from(workers).unwrap_or(u32::MAX).max(1)))
}

/// The part of a run that is being recorded: requests intended within it.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine) struct Window {
    pub(in crate::engine) start_ns: u64,
    pub(in crate::engine) len_ns: u64,
}

impl Window {
    #[inline]
    pub(in crate::engine) fn contains(&self, time_ns: u64) -> bool {
        time_ns.wrapping_sub(self.start_ns) < self.len_ns
    }
}

/// The state when the last arrival of a worker's share came due.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct LastArrival {
    pub(in crate::engine) at_ns: u64,
    pub(in crate::engine) completed: u64,
    pub(in crate::engine) dispatched: u64,
    pub(in crate::engine) in_flight: u64,
}

/// All connections of one worker. `OPEN` tells whether arrivals come from a schedule.
pub(in crate::engine) struct Fleet<'a, C: Client, K, const OPEN: bool> {
    pub(in crate::engine) job: &'a Job<'a>,
    /// Number of the worker.
    pub(in crate::engine) index: usize,
    pub(super) client: C,
    pub(super) pipeline: u16,
    /// Requests may be sent until `end_ns`.
    pub(in crate::engine) is_loading: bool,
    pub(in crate::engine) end_ns: u64,
    pub(in crate::engine) window: Window,
    /// Whether the window is the measured one: a loss in it stays on record.
    pub(in crate::engine) is_measuring: bool,
    pub(in crate::engine) connections: Vec<Connection<C::State, K>>,
    pub(super) shelf: Shelf,
    pub(super) queue: Queue,
    pub(super) beats: Option<Beats>,
    /// Beats that came due on connections that could not send, over all of them.
    pub(super) overdue: u64,
    /// With a reconnect policy.
    pub(super) clients: Option<Box<Clients>>,
    /// Arrivals that got a connection since the load began.
    pub(in crate::engine) dispatched: u64,
    /// The state when the last arrival of a limited share came due.
    pub(in crate::engine) last_arrival: Option<LastArrival>,
    /// Connections to open as soon as there is room.
    pub(super) to_open: VecDeque<u32>,
    /// Index of the first connection that was never opened.
    pub(super) untouched: usize,
    /// When the next connect may start, and the distance between two (0: no limit).
    pub(super) next_open_ns: u64,
    pub(super) open_gap_ns: u64,
    /// Connects in flight at most.
    pub(super) opening_max: u32,
    /// How long one sweep over all connections takes, a share in each turn.
    pub(super) sweep_round_ns: u64,
    /// Connections in phases Opening, Idle or Busy, and Busy.
    pub(super) opening: u32,
    pub(in crate::engine) open: u32,
    pub(in crate::engine) busy: u32,
    /// Connections whose requests will be sent again.
    pub(super) to_repeat: u32,
    /// Requests that a closed loop may still send.
    pub(super) quota: u64,
    /// Replies and failures since the load began, for progress displays.
    pub(in crate::engine) completed: u64,
    pub(in crate::engine) failed: u64,
    pub(in crate::engine) may_open: bool,
    pub(super) timeout_ns: u64,
    pub(super) connect_timeout_ns: u64,
    /// The last reading of the clock in this turn; 0 if there was none.
    pub(in crate::engine) looked_at_ns: u64,
    pub(super) swept_at_ns: u64,
    pub(super) sweep_next: usize,
    pub(in crate::engine) slice: Box<Slice>,
    /// CPU time of this thread when the slice began.
    pub(super) slice_cpu_ns: u64,
    pub(in crate::engine) tally: Tally,
}

impl<'a, C: Client, K, const OPEN: bool> Fleet<'a, C, K, OPEN> {
    pub(in crate::engine) fn new(job: &'a Job<'a>, index: usize, client: C) -> Self {
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
            clients: None,
            dispatched: 0,
            last_arrival: None,
            to_open: VecDeque::new(),
            untouched: 0,
            next_open_ns: 0,
            open_gap_ns,
            opening_max: in_flight_max(job.control.establishing_max().min(options.threads as usize)),
            sweep_round_ns: sweep_round_ns(u64::from(options.connections)),
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
    pub(in crate::engine) fn populate(&mut self) {
        let count = self.job.plan.connections[self.index] as usize;
        self.connections.reserve_exact(count);
        self.connections.extend(std::iter::repeat_with(Connection::new).take(count));
        if OPEN && self.job.options.mode() == Mode::Open {
            self.queue.reserve(count);
        }
        self.populate_clients();
    }

    /// The connection of a token; `None` when its socket is gone.
    #[inline]
    pub(in crate::engine) fn find(&mut self, token: Token) -> Option<&mut Connection<C::State, K>> {
        self.connections.get_mut(token.index as usize).filter(|connection| connection.generation == token.generation)
    }

    /// Publishes what progress displays show.
    #[inline]
    pub(in crate::engine) fn publish(&self) {
        use std::sync::atomic::Ordering::Relaxed;
        let state = &self.job.control.workers[self.index];
        state.open.store(self.open, Relaxed);
        state.opened.store(self.tally.connects.opened, Relaxed);
        state.completed.store(self.completed, Relaxed);
        state.failed.store(self.failed, Relaxed);
    }
}
