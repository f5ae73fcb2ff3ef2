//! One run of a server under a load, as a value: what is asked for, and what came of it.

use results::record::{Point, RunOfCell};

use crate::session::limits::Shape;
use crate::subjects::load::{Generator, Load};
use crate::subjects::opening::Opening;
use crate::subjects::servers::kind::Kind;

/// One run to be measured.
pub(crate) struct Job {
    pub(crate) server: Kind,
    pub(crate) generator: Generator,
    pub(crate) load: Load,
    pub(crate) shape: Shape,
    pub(crate) seconds: f64,
    pub(crate) seed: u64,
    /// Taken off what the server counts.
    pub(crate) opening: Opening,
}

/// What one run gave.
pub(crate) struct Measured {
    pub(crate) run: RunOfCell,
    /// Base64 of the response times, when the generator has a histogram.
    pub(crate) responses: Option<String>,
    /// Intervals, when the generator has them.
    pub(crate) points: Vec<Point>,
    /// When the window began, when the generator tells.
    pub(crate) window_start_unix_ms: Option<u64>,
}
