//! Judges what a host says about itself, for very many TCP connections.
//!
//! Reading and judging only: this crate opens files below a root directory, asks the kernel one question
//! that no file answers (the queueing disciplines), and writes nothing. It renders nothing either; the
//! terminal table belongs to the program.

#![forbid(unsafe_code)]

mod audit;
pub mod budget;
mod host;
mod number;
pub mod plan;
mod predict;
mod request;
mod rules;
mod slabs;

pub use audit::{Audit, Row, Tally};
pub use number::{bytes, thousands};
pub use rules::rule::State;
pub use rules::subject::IoUring;
