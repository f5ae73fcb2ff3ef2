//! Clients that misbehave by being slow: what they do, the one thread that drives them, and the record of what the server
//! did about it. They measure no latency and judge nothing; an ordinary load beside them does.

mod crowd;
mod kind;
mod options;
mod record;
mod script;

use std::sync::atomic::AtomicBool;

use crate::LoadError;
use crate::prepare;

pub use kind::Kind;
pub use options::Options;
pub use record::{Held, Record};

/// Drives the clients until their time is over, `stop` is set, or the server has closed all of them for good.
///
/// # Errors
/// What is wrong with the options, what is not permitted, and that not one connection could be established.
pub fn run(options: &Options, stop: &AtomicBool) -> Result<Record, LoadError> {
    options.check()?;
    let plan = prepare::plan(&options.as_load(), prepare::resolve, stop)?;
    if let Some(cpu) = options.cpu {
        sys::affinity::pin_to_cpu(cpu as usize).map_err(|error| LoadError::setup("pin the clients to --cpu", error))?;
    }
    let script = script::Script::of(options, &plan.target.requests)?;
    crowd::drive(options, &plan, script, stop)
}
