//! The epoll engine: one worker thread, its connections, and the stages it goes through.
//!
//! Each socket is registered once, edge-triggered for reading and writing, and never again: an edge
//! for writing costs nothing while the socket is writable, so connects and short sends need no
//! epoll_ctl, and a request costs one recv and one send. `connects.rs` opens and closes,
//! `requests.rs` sends and receives, `arrivals.rs` times the open loop, `stages.rs` goes
//! from the first connect to the last reply.

mod arrivals;
mod connects;
mod requests;
mod stages;

use super::connection::{Connection, Phase};
use super::shelf::Shelf;
use super::{Job, setup};
use crate::LoadError;
use crate::clock::{self, duration_ns};
use crate::tally::Tally;
use arrivals::Queue;
use protocol::client::Client;
use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};
use std::sync::atomic::Ordering;

/// Bytes read at once. Replies rarely come near; more would only push other data out of the cache.
const READ_LEN: usize = 64 * 1024;
/// Events taken per turn in a closed loop.
const EVENTS_MAX_CLOSED: usize = 256;
/// In an open loop fewer, so that a burst of replies delays arrivals less.
const EVENTS_MAX_OPEN: usize = 64;
/// How often a worker looks at deadlines and at the stop flag.
const CHECK_NS: u64 = 10_000_000;
/// The event token of the ticker: an index no connection has.
const TICKER: u64 = u64::MAX;

/// The measured window. Empty until the load begins.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    start_ns: u64,
    len_ns: u64,
}

impl Window {
    #[inline]
    fn contains(&self, time_ns: u64) -> bool {
        time_ns.wrapping_sub(self.start_ns) < self.len_ns
    }
}

/// One worker. `OPEN` tells whether arrivals come from a schedule.
pub(super) struct Worker<'a, C: Client, const OPEN: bool> {
    job: &'a Job<'a>,
    index: usize,
    client: C,
    pipeline: u16,
    /// New requests may be sent until `end_ns`.
    is_loading: bool,
    end_ns: u64,
    window: Window,
    epoll: OwnedFd,
    /// Wakes a closed loop every [`CHECK_NS`], see [`Worker::turn`].
    ticker: OwnedFd,
    connections: Vec<Connection<C::State>>,
    /// Where every recv writes; a connection keeps bytes only while a reply head is incomplete.
    scratch: Vec<u8>,
    shelf: Shelf,
    events: Vec<epoll::Event>,
    queue: Queue,
    /// Connections in phases Opening, Idle or Busy, and Busy.
    opening: u32,
    open: u32,
    busy: u32,
    /// Replies and failures since the load began, for progress displays.
    completed: u64,
    failed: u64,
    may_open: bool,
    timeout_ns: u64,
    connect_timeout_ns: u64,
    check_at_ns: u64,
    /// The last look at the clock in this turn, 0 when there was none.
    looked_at_ns: u64,
    swept_at_ns: u64,
    sweep_next: usize,
    tally: Tally,
}

impl<'a, C: Client, const OPEN: bool> Worker<'a, C, OPEN> {
    pub(super) fn new(job: &'a Job<'a>, index: usize, client: C) -> Result<Self, LoadError> {
        const { Connection::<C::State>::FITS };
        let epoll =
            epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|errno| setup("create an epoll instance", errno))?;
        let ticker = start_ticker(&epoll).map_err(|errno| setup("create a timer", errno))?;
        let no_event = epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) };
        let events_max = if OPEN { EVENTS_MAX_OPEN } else { EVENTS_MAX_CLOSED };
        Ok(Worker {
            job,
            index,
            client,
            pipeline: job.options.pipeline as u16,
            is_loading: false,
            end_ns: 0,
            window: Window::default(),
            epoll,
            ticker,
            connections: Vec::new(),
            scratch: vec![0; READ_LEN + C::UNREAD_LEN_MAX],
            shelf: Shelf::default(),
            events: vec![no_event; events_max],
            queue: Queue::new(job.schedule.arrivals(index as u32, 0)),
            opening: 0,
            open: 0,
            busy: 0,
            completed: 0,
            failed: 0,
            may_open: true,
            timeout_ns: duration_ns(job.options.timeout),
            connect_timeout_ns: duration_ns(job.options.connect_timeout),
            check_at_ns: 0,
            looked_at_ns: 0,
            swept_at_ns: 0,
            sweep_next: 0,
            tally: Tally::new(),
        })
    }

    /// One pass: wait for events until `wake_at_ns`, handle them, and return the time.
    ///
    /// A closed loop needs no exact wake-up, so it waits without a timeout and lets the ticker wake
    /// it: a timeout costs two looks at the clock per call in the kernel, and arming a timer when the
    /// call sleeps. For the same reason it takes the last reply's stamp for the time.
    fn turn(&mut self, now: u64, wake_at_ns: u64) -> u64 {
        let wait = clock::until(wake_at_ns, now);
        let wait = if OPEN || wake_at_ns <= now { Some(&wait) } else { None };
        self.tally.traffic.epoll_wait += 1;
        self.looked_at_ns = 0;
        // Taken out for the length of the turn because the handlers borrow the whole worker.
        let mut events = std::mem::take(&mut self.events);
        // The one error that can happen is EINTR, and then there are no events.
        let count = epoll::wait(&self.epoll, &mut events[..], wait).unwrap_or(0);
        for event in &events[..count] {
            self.on_event(event.data.u64(), event.flags);
        }
        self.events = events;
        let state = &self.job.control.workers[self.index];
        state.open.store(self.open, Ordering::Relaxed);
        state.opened.store(self.tally.connects.opened, Ordering::Relaxed);
        state.completed.store(self.completed, Ordering::Relaxed);
        state.failed.store(self.failed, Ordering::Relaxed);
        if OPEN || self.looked_at_ns == 0 { clock::now_ns() } else { self.looked_at_ns }
    }

    #[inline]
    fn on_event(&mut self, token: u64, flags: epoll::EventFlags) {
        let (index, generation) = (token as u32 as usize, (token >> 32) as u32);
        let Some(connection) = self.connections.get(index) else { return self.on_tick() };
        if connection.generation != generation {
            return; // the event of a socket that was closed earlier in this turn
        }
        let ended = flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR);
        match connection.phase {
            Phase::Opening => self.on_connected(index, ended),
            Phase::Idle | Phase::Busy => {
                if connection.unsent > 0 && flags.contains(epoll::EventFlags::OUT) {
                    self.send_rest(index);
                }
                if ended || flags.contains(epoll::EventFlags::IN) {
                    self.on_readable(index, generation, ended);
                }
            }
            Phase::Closed => {}
        }
    }

    /// Reads the ticker: a periodic timerfd goes on only when its expirations are read. Nothing else
    /// is to be done, the loop looks at the time anyway.
    #[cold]
    fn on_tick(&mut self) {
        // EAGAIN, the one possible error, means that it has been read already.
        let _ = rustix::io::read(&self.ticker, &mut [0u8; 8]);
    }
}

/// A timer that makes epoll report an event every [`CHECK_NS`].
fn start_ticker(epoll: &OwnedFd) -> Result<OwnedFd, Errno> {
    let ticker = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    let every = clock::until(CHECK_NS, 0);
    timerfd_settime(&ticker, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: every, it_value: every })?;
    epoll::add(epoll, &ticker, epoll::EventData::new_u64(TICKER), epoll::EventFlags::IN | epoll::EventFlags::ET)?;
    Ok(ticker)
}
