//! What a host says about itself, and what that means for very many TCP connections.
//!
//! Reading and judging only: this crate opens files below a root directory, asks the kernel one question
//! that no file answers (the queueing disciplines), and writes nothing. It renders nothing either; the
//! terminal table belongs to the program.

#![forbid(unsafe_code)]

mod audit;
mod number;
pub mod plan;
mod rules;

pub use audit::{Audit, IoUring, Row, State, Tally};
pub use number::{bytes, thousands};
