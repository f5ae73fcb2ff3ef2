//! Charts of reports as SVG. A chart file has its own white background, so that it is readable on a light and on a
//! dark page. With [`for_page`], a page chooses the colours itself. The same data always gives the same file.
//!
//! The name of a line stands at its end. Colours depend on the position, so an arm has the same colour in all charts
//! of a report.

mod canvas;
mod costs;
mod forest;
mod ink;
mod lines;
mod page;
mod percentiles;

pub use costs::{CostChart, CostLine};
pub use forest::{ForestChart, ForestRow};
pub use ink::ChartError;
pub use lines::{Axes, LinesChart};
pub use page::for_page;
pub use percentiles::{Line, PercentileChart};
