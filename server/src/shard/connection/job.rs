//! A reply that waits for a job: the wait, and its end.

use protocol::Output;
use protocol::server::{Message, Protocol};

use super::{AWAITING, Connection, FRESH, REPLYING, Want};
use crate::shard::resources::Resources;
use crate::shard::timeouts::Timer;

impl<K, S: Default> Connection<K, S> {
    /// The job is under way. A reply is pending meanwhile: nothing is processed, and no timer of a request runs.
    pub(crate) fn await_job<P: Protocol<State = S>>(&mut self, shared: &Resources<P>) {
        self.set(REPLYING | AWAITING, true);
        self.start(Timer::Job, shared);
    }

    /// Whether its reply waits for a job.
    #[inline]
    pub(crate) fn is_awaiting(&self) -> bool {
        self.has(AWAITING)
    }

    /// The job has ended so.
    pub(crate) fn answered<P: Protocol<State = S>>(&mut self, message: &Message, shared: &mut Resources<P>) -> Want {
        self.set(REPLYING | AWAITING, false);
        // Requests behind it have not been looked at.
        self.set(FRESH, self.unread.is_some());
        // As after any request, what comes next gets a new clock.
        self.timer = Timer::Reply;
        let mut output = Output::new(&mut shared.output);
        let step = shared.protocol.on_message(&mut self.state, message, &mut output);
        let len = output.len();
        shared.wrote(len);
        self.stepped(step, shared)
    }
}
