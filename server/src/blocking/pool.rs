//! The threads that do what would block a reactor. They are made at the start, and their number is fixed.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded, select, unbounded};
use protocol::server::Message;

use super::database::{self, Pace, Queries, Temporary};
use super::desk::{Answer, Desk, Ticket};
use super::options::{Blocking, QueueLimit};
use super::stop::Stop;
use super::work;
use crate::unavailable::Unavailable;

/// The pool. Dropping it ends its threads: those that sleep wake up, and what waits in the queue is not begun.
pub(crate) struct Pool {
    jobs: Option<Sender<Ticket>>,
    queued_max: usize,
    /// Its end is the signal.
    stop: Option<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// What a thread works with.
struct Hand {
    jobs: Receiver<Ticket>,
    stop: Stop,
    deadline: Option<Duration>,
    queries: Option<Queries>,
    cpu: Option<usize>,
}

impl Pool {
    /// Starts the threads. `connections_max` is that of all reactors together.
    ///
    /// # Errors
    /// When a thread cannot start, or the database cannot be read.
    pub(crate) fn start(blocking: &Blocking, connections_max: u64) -> Result<Pool, Unavailable> {
        let (jobs, queue, queued_max) = match blocking.queue {
            QueueLimit::Places(places) => {
                let (jobs, queue) = bounded(places.get() as usize);
                (jobs, queue, places.get() as usize)
            }
            QueueLimit::Connections => {
                let (jobs, queue) = unbounded();
                (jobs, queue, usize::try_from(connections_max).unwrap_or(usize::MAX))
            }
        };
        let (stopper, stop) = bounded(0);
        let mut pool = Pool { jobs: Some(jobs), queued_max, stop: Some(stopper), threads: vec![] };
        let pace = blocking.database.as_ref().map(Pace::of);
        let temporary = blocking.database.as_ref().map_or(Ok(None), database::prepare)?;
        for index in 0..usize::from(blocking.threads.get()) {
            let queries = match (&blocking.database, &pace) {
                (Some(database), Some(pace)) => Some(Queries::open(&database.file, pace.clone(), stop.clone())?),
                _ => None,
            };
            let cpu = blocking.cpus.iter().copied().cycle().nth(index);
            let (jobs, stop) = (queue.clone(), stop.clone());
            pool.start_thread(index, Hand { jobs, stop, deadline: blocking.deadline, queries, cpu })?;
        }
        temporary.map_or(Ok(()), Temporary::remove)?;
        Ok(pool)
    }

    fn start_thread(&mut self, index: usize, hand: Hand) -> Result<(), Unavailable> {
        let (sender, ready) = bounded(1);
        let thread = Builder::new()
            .name(format!("pool-{index}"))
            .spawn(move || {
                let prepared = hand.prepare();
                let is_ready = prepared.is_ok();
                // Whoever starts it waits for this.
                let _ = sender.send(prepared);
                if is_ready {
                    hand.work();
                }
            })
            .map_err(Unavailable::kernel("starting a thread of the pool"))?;
        self.threads.push(thread);
        ready.recv().unwrap_or_else(|_| unreachable!("a thread says whether it is ready"))
    }

    /// The desk of a reactor, whose doorbell this is.
    pub(crate) fn desk(&self, doorbell: Arc<OwnedFd>) -> Option<Desk> {
        Some(Desk::new(self.jobs.clone()?, self.queued_max, doorbell))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop = None;
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A panic is a bug and was printed; in release builds it ended the process.
            let _ = thread.join();
        }
    }
}

impl Hand {
    fn prepare(&self) -> Result<(), Unavailable> {
        sys::thread::leave_signals_to_others().map_err(Unavailable::kernel("pthread_sigmask(3)"))?;
        if let Some(cpu) = self.cpu {
            sys::affinity::pin_to_cpu(cpu).map_err(Unavailable::cpu("a thread of the pool", "--pool-cpus", cpu))?;
        }
        Ok(())
    }

    /// Works until the pool stops.
    fn work(self) {
        loop {
            let ticket = select! {
                recv(self.jobs) -> ticket => ticket.ok(),
                recv(self.stop) -> _ => None,
            };
            let Some(Ticket { id, work, asked, answers }) = ticket.filter(|_| !self.is_stopped()) else { return };
            let began = Instant::now();
            let waited = began - asked;
            let message = match self.deadline {
                Some(deadline) if waited > deadline => Message::Expired,
                _ => work::do_in_pool(work, &self.stop, self.queries.as_ref()),
            };
            answers.give(Answer { id, message, waited, took: began.elapsed() });
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.try_recv().is_err_and(|error| error.is_disconnected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocking::options::Database;
    use std::num::NonZeroU32;

    /// The database is made first, and then a thread cannot be pinned.
    #[test]
    fn a_pool_that_cannot_start_leaves_no_temporary_database() {
        let file = std::env::temp_dir().join(format!("c10m-{}-pool.sqlite", std::process::id()));
        let keys = NonZeroU32::new(10).expect("not zero");
        let database = Database { file: file.clone(), keys, is_temporary: true, time: Duration::ZERO, slow: None };
        let blocking = Blocking { database: Some(database), cpus: vec![100_000], ..Blocking::default() };
        let refused = Pool::start(&blocking, 1).err().expect("there is no such CPU").to_string();
        assert!(refused.contains("--pool-cpus"), "{refused}");
        for ending in ["", "-wal", "-shm"] {
            assert!(!std::fs::exists(format!("{}{ending}", file.display())).expect("readable"), "{ending}");
        }
    }
}
