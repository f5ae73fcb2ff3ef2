//! Charts of reports as SVG. They stand on a white panel of their own, so they can be read on a light
//! and on a dark page, and the same data always gives the same file.

mod percentiles;

pub use percentiles::{Line, PercentileChart};

/// A chart that could not be drawn, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the chart: {0}")]
pub struct ChartError(String);
