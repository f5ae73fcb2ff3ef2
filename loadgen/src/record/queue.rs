//! The queue of an open loop: arrivals that wait for a free connection.

use serde::{Deserialize, Serialize};

/// Arrivals without a connection, and requests without a reply, at both ends of the window. Arrivals of the
/// warm-up are included.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// Waiting for a free connection when the window began.
    pub start: u64,
    /// The same at its end: those at its start plus the window's arrivals, less those sent in it. If requests are
    /// counted (`--requests`), the end here and below is the last arrival: what follows only works the queue off.
    pub end: u64,
    /// The difference a second; absent for a window that is too short.
    pub growth_per_second: Option<f64>,
    /// Whether it grew by more than chance explains: over these connections the target cannot keep up.
    pub is_growing: bool,
    /// Requests of the warm-up that were dropped when the window began, because working them off would have
    /// taken more than a twentieth of it.
    pub dropped: u64,
    /// Sent and without a reply when the window began.
    pub in_flight_start: u64,
    /// The same at its end.
    pub in_flight_end: u64,
}
