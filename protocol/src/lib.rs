//! The workloads as pure functions from bytes to bytes: no sockets, no clock, no I/O errors.
//!
//! Everything above "bytes arrived, bytes may leave" lives here, shared by every backend and engine. Below it
//! is one native loop per kernel interface, which imitates no other. [`server`] answers requests, [`client`]
//! writes requests and recognises and verifies their replies.
#![forbid(unsafe_code)]

mod bytes;
mod chunked;
pub mod client;
mod fields;
mod lines;
mod output;
pub mod server;
#[cfg(test)]
mod work;
mod workload;

pub use output::Output;
pub use workload::Workload;
