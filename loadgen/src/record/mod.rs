//! The JSON document of one run: data alone. Field names are the public format. Nothing here measures; the code
//! that turns a run into a record is in `run`.

mod addresses;
mod cause;
mod clock;
mod connections;
mod cost;
mod document;
mod hiccup;
mod interruption;
mod interval;
mod queue;
mod reconnect;
mod requests;
mod slo;
mod summary;
mod verdict;

pub use crate::phase::IntervalPhase;
pub use addresses::TargetAddress;
pub use cause::{CauseKind, LikelyCause};
pub use clock::ClockCheck;
pub use connections::Connections;
pub use cost::{Cpu, Memory, Syscalls, Watched};
pub use document::{Record, SCHEMA};
pub use hiccup::HiccupReport;
pub use interruption::Interruption;
pub use interval::{Interval, IntervalReconnects, LogEntry, Quantiles};
pub use queue::Queue;
pub use reconnect::{Hellos, Reconnects};
pub use requests::RequestCounts;
pub use slo::{SloClause, SloOutcome};
pub use summary::Summary;
pub(crate) use summary::{ROUNDING, SAMPLES_ABOVE_MIN, samples_above};
pub use verdict::{Check, State, Verdict};
