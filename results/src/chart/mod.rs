//! Charts of reports as SVG. As files they stand on a white panel of their own, so they can be read on a
//! light and on a dark page; [`for_page`] lets a page with colours of its own choose. The same data always gives the
//! same file.
//!
//! Lines are named where they end. Colours are fixed by position, so an arm has the same one in all charts of a report.

mod canvas;
mod costs;
mod forest;
mod ink;
mod lines;
mod page;
mod percentiles;
mod stacks;
mod timeline;

pub use costs::{CostChart, CostLine};
pub use forest::{ForestChart, ForestRow};
pub use ink::ChartError;
pub use lines::LinesChart;
pub use page::for_page;
pub use percentiles::{Line, PercentileChart};
pub use stacks::{StackChart, StackRow};
pub use timeline::{Strip, TimelineChart};
