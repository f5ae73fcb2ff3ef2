//! What is known about a run while it goes on.

use crate::LoadError;
use crate::record::Interval;
use crate::recording::tally::Tally;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Establishing connections.
    Connecting,
    /// Load that is not recorded.
    WarmingUp,
    /// The measured window.
    Measuring,
    /// Waiting for outstanding replies.
    Finishing,
}

/// What is known while a run goes on, for progress displays.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    /// What the run is doing.
    pub phase: Phase,
    /// Time since this phase began.
    pub elapsed: Duration,
    /// Connections open now.
    pub connections_open: u64,
    /// Replies since the load began.
    pub completed: u64,
    /// Failures since the load began.
    pub failed: u64,
    /// The last interval that has ended.
    pub last: Option<&'a Interval>,
}

/// The workers of a run.
pub(super) type Handles<'scope> = [ScopedJoinHandle<'scope, Result<Tally, LoadError>>];
