//! What experiments share: the record of an experiment, statistics over its runs, merged latency histograms, the run
//! directory, and the report.
//!
//! Nothing is measured or printed here. The clock is read only when the caller asks for the date.

#![forbid(unsafe_code)]

pub mod chart;
pub mod columns;
pub mod compare;
mod figures;
pub mod hgrm;
pub mod histogram;
pub mod hlog;
pub mod judged;
pub mod named_file;
pub mod queueing;
pub mod record;
pub mod report;
pub mod run;
pub mod series;
pub mod shell;
pub mod stats;
pub mod utc;
pub mod visible;
