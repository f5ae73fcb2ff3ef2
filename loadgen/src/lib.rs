//! Open and closed loop load over very many connections, judging its own measurement.
//!
//! plan → schedule → engine → record → verdict: a plan that cannot work is refused before the first
//! connect; arrivals are timed by a seeded schedule and never dropped; every request ends in exactly
//! one counter; and the record says whether the numbers in it deserve belief. Sockets are driven by
//! the engine alone; the bytes on them are the business of the `protocol` crate.
#![deny(unsafe_code)]

mod affinity;
mod arrival_log;
mod calibrate;
mod causes;
mod clock;
pub mod clock_check;
mod control;
mod engine;
mod error;
pub mod hiccup;
pub mod host;
pub mod kernel;
mod meaning;
mod memory;
pub mod null_server;
mod options;
mod pause;
pub mod plan;
mod ratio;
pub mod record;
mod run;
mod sample;
pub mod schedule;
pub mod self_test;
pub mod slo;
mod statistics;
#[allow(unsafe_code)]
mod sys;
mod tally;
mod target;
pub mod validity;

pub use engine::{CONNECTION_LEN_MAX, enter_new_namespace, probe_tun};
pub use error::LoadError;
pub use meaning::error_meaning;
pub use options::{Engine, Options, THREADS_MAX, WHATEVER_IT_TAKES, WarmUp, parse_cpus};
pub use protocol::client::StatusSet;
pub use record::Record;
pub use run::{Outcome, Phase, Snapshot, run};
pub use schedule::{Process, Stage};
pub use sys::tie_to_this_thread;
pub use target::{Speech, TargetFacts};
