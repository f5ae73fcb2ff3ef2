//! Jobs of a shard's connections: how they begin, in the reactor or in the pool, and how their ends come back.

use std::time::Duration;

use protocol::server::{Message, Place, Protocol};

use super::Shard;
use super::connection::Want;
use super::slab::ConnectionId;
use crate::blocking;

impl<P: Protocol, K> Shard<P, K> {
    /// Starts the job that a connection wants to await. Returns what the connection wants now if the job is over
    /// already, or `None` if it is under way.
    #[cold]
    pub(crate) fn start_job(&mut self, id: ConnectionId) -> Option<Want> {
        let (connection, shared) = (self.slab.get_mut(id)?, &mut self.shared);
        let job = shared.protocol.job(&connection.state)?;
        shared.counters.jobs += 1;
        let message = match (job.place, &self.desk) {
            (Place::Reactor, _) => {
                let (message, took) = blocking::do_here(job.work);
                shared.counters.blocked(whole_us(took));
                message
            }
            (Place::Pool, Some(desk)) => match desk.submit(id, job.work) {
                Some(queued) => {
                    shared.counters.jobs_queued_peak = shared.counters.jobs_queued_peak.max(queued as u64);
                    connection.await_job(shared);
                    return None;
                }
                None => Message::Refused,
            },
            (Place::Pool, None) => Message::Failed,
        };
        shared.counters.job_ended(&message);
        Some(connection.answered(&message, shared))
    }

    /// How many jobs have ended. Those that end later ring the doorbell again.
    #[cold]
    pub(crate) fn jobs_ended(&self) -> usize {
        self.desk.as_ref().map_or(0, blocking::Desk::answered)
    }

    /// The next connection whose job has ended, and what it wants now; `None` if that connection has ended, too.
    #[cold]
    pub(crate) fn next_answered(&mut self) -> Option<(ConnectionId, Want)> {
        let answer = self.desk.as_ref()?.next()?;
        let counters = &mut self.shared.counters;
        counters.job_wait_us += whole_us(answer.waited);
        if answer.message != Message::Expired {
            counters.jobs_done += 1;
            counters.job_run_us += whole_us(answer.took);
        }
        counters.job_ended(&answer.message);
        let Some(connection) = self.slab.get_mut(answer.id).filter(|connection| connection.is_awaiting()) else {
            counters.stale_messages += 1;
            return None;
        };
        Some((answer.id, connection.answered(&answer.message, &mut self.shared)))
    }
}

fn whole_us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
