//! One run of a server under a load, as data: the request and the result.

use results::record::{Point, RunOfCell};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::session::limits::Shape;
use crate::subjects::load::{Generator, Load};
use crate::subjects::opening::Opening;
use crate::subjects::servers::kind::Kind;

/// One run to be measured.
pub(crate) struct Job {
    pub(crate) server: Kind,
    /// What the server burns for each request, so that it is dearer by a known amount.
    pub(crate) handicap_ns: Option<u32>,
    pub(crate) generator: Generator,
    pub(crate) load: Load,
    pub(crate) shape: Shape,
    pub(crate) seconds: f64,
    pub(crate) seed: u64,
    /// Subtracted from what the server counts.
    pub(crate) opening: Opening,
}

/// The result of one run.
pub(crate) struct Measured {
    pub(crate) run: RunOfCell,
    pub(crate) raw: Raw,
    /// The response times in Base64, if the generator has a histogram.
    pub(crate) responses: Option<String>,
    /// The intervals, if the generator has them.
    pub(crate) points: Vec<Point>,
    /// When the window began, if the generator tells.
    pub(crate) window_start_unix_ms: Option<u64>,
}

/// What both programs printed, without histograms and intervals, which are files of their own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Raw {
    pub(crate) load: Value,
    pub(crate) server: Value,
}
