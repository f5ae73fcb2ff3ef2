//! One interval of one start: a row of `series.csv.zst`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One interval of one start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Point {
    /// [`super::Cell::key`].
    pub cell: String,
    /// [`super::RunOfCell::order`].
    pub order: u32,
    /// Start of the interval, in seconds since the window began.
    pub start_s: f64,
    /// Length of the interval.
    pub duration_s: f64,
    /// Requests completed in the interval.
    pub completed: u64,
    /// Median response time of these requests.
    pub p50_us: Option<f64>,
    /// Their 99th percentile.
    pub p99_us: Option<f64>,
    /// Their maximum.
    pub max_us: Option<f64>,
    /// Counters of the kernel and of both programs over the interval, by name. Only those that moved.
    pub counters: BTreeMap<String, f64>,
}
