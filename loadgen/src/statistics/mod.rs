//! The mathematics behind verdicts and intervals: no I/O, no clock, no knowledge of what was measured.

mod goodness;
mod quantile;
mod rank;

pub(crate) use goodness::{CRITICAL_1_PERCENT, anderson_darling, gamma_tails};
pub(crate) use quantile::ranks;
pub(crate) use rank::{Trend, median, trend};
