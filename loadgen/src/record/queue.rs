//! The queue of an open loop: arrivals that wait for a free connection.

use serde::{Deserialize, Serialize};

/// Arrivals without a connection, and requests without a reply, at both ends of the window. Arrivals of the
/// warm-up are among them: what waits, waits, whenever it came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// Waiting for a free connection when the window began.
    pub start: u64,
    /// The same at its end: those at its start and the window's arrivals, less what was sent in it. Where requests
    /// are counted (`--requests`) the end is the last arrival, here and below: what follows works the queue off.
    pub end: u64,
    /// The difference a second; absent for a window that is too short.
    pub growth_per_second: Option<f64>,
    /// Whether it grew by more than chance explains: the target, over these connections, cannot keep up.
    pub is_growing: bool,
    /// Requests of the warm-up that still waited when the window began and were dropped, because working them
    /// off would have taken more than a twentieth of it.
    pub dropped: u64,
    /// Sent and without a reply when the window began.
    pub in_flight_start: u64,
    /// The same at its end.
    pub in_flight_end: u64,
}
