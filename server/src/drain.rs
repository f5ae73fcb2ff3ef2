//! How a reactor ends: it stops new handshakes, empties the accept queues as room permits, closes the listeners, and waits for
//! its connections; or it leaves the listeners to a successor; or it cuts everything off. `shard::connection` decides what a
//! connection does in a drain; the supervisor sets the deadline.

use std::io;

use protocol::server::Protocol;
use rustix::io::Errno;

use crate::backend::Backend;
use crate::listener::Listener;
use crate::shard::Trouble;
use crate::shard::counters::{CloseReason, Counters};

/// Attempts to stop new handshakes, one per tick. Each needs a few bytes of kernel memory: if these are
/// missing for a second, they stay missing.
const REFUSALS_MAX: u32 = 10;
/// Looks without progress, one per tick, after which a stopped reactor gives up on its remaining connections.
/// Closing waits for no peer, so this happens only if the kernel takes no submissions or completions were
/// lost. It counts looks instead of time because a process paused by SIGSTOP is not stuck.
const STUCK_LOOKS: u32 = 30;
/// Failures in a row after which the rest of an accept queue is counted instead of accepted.
const FAILURES_MAX: u32 = 64;

/// What the supervisor wants of a reactor. It only increases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Serve,
    Drain,
    /// Drain, but the sockets that listen are a successor's now: they are let go as they are.
    Leave,
    Stop,
    /// Leave, and stop.
    Abandon,
}

impl Command {
    fn leaves(self) -> bool {
        matches!(self, Command::Leave | Command::Abandon)
    }

    fn stops(self) -> bool {
        matches!(self, Command::Stop | Command::Abandon)
    }
}

/// What a reactor that follows its orders has reached in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    None,
    /// Nothing of it waits at a listener any more: whoever connects is its successor's. Told once.
    Left,
    /// It has nothing left to do.
    Done,
}

/// Most connections cut off in one accept queue. Only a queue that grows meanwhile, because handshakes could
/// not be stopped, holds more; the rest is counted.
const QUEUED_MAX: u32 = 1 << 20;

/// How far a reactor has followed its orders.
pub(crate) struct Drain {
    obeyed: Command,
    /// Remaining attempts to stop handshakes; 0 once that is done.
    refusals_left: u32,
    /// Whether the listeners were left, and that is not told yet.
    leaves: bool,
    /// For each listener, whether it refuses handshakes.
    refusing: Vec<bool>,
    /// Connections at the last look after the stop; below, looks since their number changed.
    left: u32,
    looks: u32,
}

impl Drain {
    /// `is_shared` says that others listen at the same addresses. A SYN that meets a filter is lost to them, while one
    /// that finds the listener closed is theirs.
    pub(crate) fn new(is_shared: bool) -> Drain {
        let refusals_left = if is_shared { 0 } else { REFUSALS_MAX };
        Drain { obeyed: Command::Serve, refusals_left, leaves: false, refusing: Vec::new(), left: 0, looks: 0 }
    }

    /// Carries out `command`, once per turn.
    ///
    /// # Errors
    /// Connections that cannot be ended even by force.
    #[inline]
    pub(crate) fn follow<P: Protocol, B: Backend<P>>(
        &mut self,
        backend: &mut B,
        command: Command,
    ) -> io::Result<Progress> {
        if command == Command::Serve {
            return Ok(Progress::None);
        }
        self.go_on(backend, command)
    }

    #[cold]
    fn go_on<P: Protocol, B: Backend<P>>(&mut self, backend: &mut B, command: Command) -> io::Result<Progress> {
        if self.obeyed == Command::Serve {
            if command.leaves() {
                leave(backend);
                self.leaves = true;
            } else {
                self.refuse_handshakes(backend);
                let shard = backend.shard();
                shard.drain();
                shard.intake.start_closing(shard.shared.now);
            }
            self.obeyed = Command::Drain;
        }
        if command.stops() && self.obeyed == Command::Drain {
            stop(backend);
            self.obeyed = Command::Stop;
            self.left = backend.shard().len();
        }
        let shard = backend.shard();
        if shard.intake.is_look_due(shard.shared.now) {
            match self.obeyed {
                Command::Stop => self.expect_progress(backend)?,
                _ => self.look(backend),
            }
        }
        let shard = backend.shard();
        let is_empty = shard.intake.is_closed() && shard.len() == 0 && shard.waiting() == 0;
        Ok(match backend.is_idle() {
            true if is_empty => Progress::Done,
            true if std::mem::take(&mut self.leaves) => Progress::Left,
            _ => Progress::None,
        })
    }

    /// Closes the listeners once their queues are empty. Until then connections are accepted as room permits,
    /// so that no connection is reset that the drain could have served.
    fn look<P: Protocol, B: Backend<P>>(&mut self, backend: &mut B) {
        self.refuse_handshakes(backend);
        let queued = backend.listeners().try_fold(false, |queued, listener| Ok(queued | listener.has_queued()?));
        backend.shard().shared.counters.syscalls += backend.listeners().count() as u64;
        // After an error, look again.
        let is_empty = queued == Ok::<bool, Errno>(false);
        if is_empty && self.refusals_left == 0 {
            backend.take_listeners();
            backend.shard().intake.close();
        } else {
            let shard = backend.shard();
            shard.intake.look_again(shard.shared.now);
        }
    }

    /// Stops new handshakes, unless that is done. After a shortage of memory the next look tries again. If
    /// handshakes are not stopped, closing the listener resets connections that come in between.
    fn refuse_handshakes<P: Protocol, B: Backend<P>>(&mut self, backend: &mut B) {
        if self.refusals_left == 0 {
            return;
        }
        self.refusing.resize(backend.listeners().count(), false);
        let (mut calls, mut errors, mut passes) = (0, 0, false);
        // Try each one: a failure of one says nothing about the others.
        for (listener, is_refusing) in backend.listeners().zip(&mut self.refusing).filter(|(_, done)| !**done) {
            calls += 1;
            match listener.refuse_handshakes() {
                Ok(()) => *is_refusing = true,
                Err(error) => {
                    errors += 1;
                    passes |= Errno::from_io_error(&error).is_some_and(|it| Trouble::of(it) == Trouble::Memory);
                }
            }
        }
        let counters = &mut backend.shard().shared.counters;
        counters.syscalls += calls;
        counters.refusal_errors += errors;
        self.refusals_left = if passes { self.refusals_left - 1 } else { 0 };
    }

    /// After a stop, connections only wait for the kernel. A connection that the kernel never releases must
    /// not hold the process for ever.
    fn expect_progress<P: Protocol, B: Backend<P>>(&mut self, backend: &mut B) -> io::Result<()> {
        let shard = backend.shard();
        let left = shard.len();
        self.looks = if left == self.left { self.looks + 1 } else { 0 };
        self.left = left;
        if self.looks == STUCK_LOOKS {
            let lost = shard.shared.counters.dropped_completions;
            return Err(io::Error::other(format!(
                "{left} connections could not be closed within 3 s of the stop: io_uring had no memory for submissions, or dropped completions (it said so of {lost})"
            )));
        }
        shard.intake.look_again(shard.shared.now);
        Ok(())
    }
}

/// Lets go of the listeners. A filter, a shutdown or an emptied queue would be the successor's too, so nothing is done to
/// them: connections under way and those queued are the successor's.
fn leave<P: Protocol, B: Backend<P>>(backend: &mut B) {
    drop(backend.take_listeners());
    let shard = backend.shard();
    shard.drain();
    shard.intake.close();
}

/// Cuts off every connection, and what is still queued.
fn stop<P: Protocol, B: Backend<P>>(backend: &mut B) {
    // First, because this frees descriptors.
    backend.close_all(CloseReason::DrainForced);
    backend.shard().cut_room();
    let listeners = backend.take_listeners();
    let shard = backend.shard();
    shard.intake.cut(shard.shared.now);
    listeners.iter().for_each(|listener| cut_queue(listener, &mut shard.shared.counters));
}

/// Accepts and closes queued connections, so that each one that the kernel has completed is accounted for.
/// For those that cannot be accepted, it adds the kernel's count of the queue.
fn cut_queue(listener: &Listener, counters: &mut Counters) {
    let mut failures = 0;
    // Accept on a listener of io_uring would block; a failure here counts below.
    let mut trouble = listener.set_nonblocking().is_err();
    for _ in 0..QUEUED_MAX {
        if trouble {
            break;
        }
        counters.syscalls += 2;
        match listener.accept() {
            Ok(socket) => {
                drop(socket);
                counters.ended_at_once(CloseReason::DrainForced);
                failures = 0;
            }
            Err(Errno::AGAIN) => return,
            Err(error) => {
                counters.accept_errors += 1;
                failures += 1;
                trouble = Trouble::of(error) != Trouble::Connection || failures == FAILURES_MAX;
            }
        }
    }
    counters.syscalls += 1;
    counters.queue_resets += listener.queued();
}
