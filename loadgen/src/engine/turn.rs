//! What the stages of a worker ask of an engine: to move bytes, one pass at a time.

use super::fleet::Fleet;
use super::job::Job;
use super::sockets::Sockets;
use crate::LoadError;
use protocol::client::Client;

/// How an engine is to wait for something to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Not at all.
    Poll,
    /// Until something happens or this moment has come, to the µs.
    Until(u64),
    /// Until something happens, or for about [`CHECK_NS`](crate::plan::grain::CHECK_NS): nothing needs exact
    /// timing.
    Loosely,
}

/// Moves bytes for a fleet. Each engine is a straight loop over what the kernel offers; the fleet knows what
/// the bytes mean. The fleet passes itself in, and the engine calls it back.
pub(super) trait Engine: Sockets + Sized {
    /// Makes the engine of a worker.
    fn new(job: &Job<'_>, worker: usize) -> Result<Self, LoadError>;

    /// From now on closing a socket of the kernel resets its connection ([`crate::Options::reset`]).
    fn close_by_reset(&mut self) {}

    /// One pass: waits, and reports events to the fleet. Returns the number of events.
    fn turn<C: Client, const OPEN: bool>(&mut self, fleet: &mut Fleet<'_, C, Self::Socket, OPEN>, wait: Wait) -> usize;
}
