//! Judges what a host says about itself, for very many TCP connections.
//!
//! Judging only: the crate `host` reads what a host says, and nothing is written. Nothing is rendered either; the
//! terminal table belongs to the program.

#![forbid(unsafe_code)]

mod audit;
pub mod budget;
pub mod change;
mod checks;
mod explain;
pub mod hits;
mod host;
pub mod knowledge;
pub mod lint;
mod number;
pub mod plan;
mod predict;
pub mod profiles;
mod request;
mod slabs;

pub use audit::{Audit, Row, Tally};
pub use checks::check::State;
pub use checks::subject::IoUring;
pub use explain::{Explained, Explanation, Here, Recommended};
pub use number::{bytes, thousands};
