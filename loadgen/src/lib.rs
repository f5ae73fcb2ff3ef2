//! Open and closed loop load over very many connections, judging its own measurement.
//!
//! prepare → plan → schedule → engine → record → verdict: a plan that cannot work is refused before the first connect;
//! arrivals are timed by a seeded schedule and never dropped; every request ends in exactly one counter; and
//! the record says whether the numbers in it deserve belief. Only the engine drives sockets; the `protocol`
//! crate defines the bytes on them.
#![deny(unsafe_code)]

mod calibrate;
mod distribution;
mod engine;
mod error;
pub mod fan_out;
mod load;
mod memory;
pub mod null_server;
mod pause;
mod phase;
pub mod plan;
mod prepare;
mod ratio;
pub mod reconnect;
pub mod record;
mod recording;
mod run;
pub mod schedule;
pub mod self_test;
pub mod slo;
pub mod slow;
mod statistics;
pub mod turns;
pub mod validity;

pub use distribution::Distribution;
pub use engine::{CONNECTION_LEN_MAX, RING_BYTES, probe_tun};
pub use error::LoadError;
pub use load::load;
pub use memory::RESERVE_SHARE as MEMORY_RESERVE_SHARE;
pub use plan::engine::Engine;
pub use plan::mode::Mode;
pub use plan::options::{Options, THREADS_MAX, WHATEVER_IT_TAKES, WarmUp, parse_cpus};
pub use plan::ports::PortRange;
pub use plan::target::TargetFacts;
pub use protocol::client::StatusSet;
pub use record::Record;
pub use recording::meaning::error_meaning;
pub use run::{Outcome, Phase, Snapshot};
pub use schedule::{Process, Stage};
pub use tcp::client::PEER_LEN as TUN_PEER_LEN;
