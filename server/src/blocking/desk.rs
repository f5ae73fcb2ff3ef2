//! A reactor's side of the pool: jobs go out by one queue, which all reactors share, and come back by one of its own.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};
use protocol::server::{Message, Work};

use crate::shard::slab::ConnectionId;

/// A job on its way to the pool.
pub(super) struct Ticket {
    pub(super) id: ConnectionId,
    pub(super) work: Work,
    pub(super) asked: Instant,
    pub(super) answers: Arc<Answers>,
}

/// Where the pool leaves what came of the jobs of one reactor.
pub(super) struct Answers {
    sender: Sender<Answer>,
    doorbell: Arc<OwnedFd>,
}

/// What came of a job.
pub(crate) struct Answer {
    pub(crate) id: ConnectionId,
    pub(crate) message: Message,
    /// How long it waited for a thread, and how long it took.
    pub(crate) waited: Duration,
    pub(crate) took: Duration,
}

impl Answers {
    pub(super) fn give(&self, answer: Answer) {
        if self.sender.send(answer).is_ok() {
            // It cannot fail while its reactor lives, and a reactor that ended needs no answer.
            let _ = sys::doorbell::ring(&self.doorbell);
        }
    }
}

/// Where a reactor hands in jobs and fetches what came of them.
pub(crate) struct Desk {
    jobs: Sender<Ticket>,
    /// A channel without places of its own is full at this many.
    queued_max: usize,
    answers: Arc<Answers>,
    /// Bounded like the jobs under way: none is added while none is handed in.
    answered: Receiver<Answer>,
}

impl Desk {
    pub(super) fn new(jobs: Sender<Ticket>, queued_max: usize, doorbell: Arc<OwnedFd>) -> Desk {
        let (sender, answered) = unbounded();
        Desk { jobs, queued_max, answers: Arc::new(Answers { sender, doorbell }), answered }
    }

    /// Hands in the job of a connection. Returns how many wait now, or `None` if the queue is full.
    pub(crate) fn submit(&self, id: ConnectionId, work: Work) -> Option<usize> {
        if self.jobs.len() >= self.queued_max {
            return None;
        }
        let ticket = Ticket { id, work, asked: Instant::now(), answers: self.answers.clone() };
        self.jobs.try_send(ticket).ok()?;
        Some(self.jobs.len())
    }

    /// Answers that are there. Further ones ring the doorbell again.
    pub(crate) fn answered(&self) -> usize {
        self.answered.len()
    }

    /// The next of them.
    pub(crate) fn next(&self) -> Option<Answer> {
        self.answered.try_recv().ok()
    }
}
