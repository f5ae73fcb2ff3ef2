//! A run from its options to its record: plans it, calibrates the generator if requested, and carries it out.

use crate::plan::target::Resolve;
use crate::{LoadError, Options, Outcome, Snapshot, calibrate, prepare, run};
use std::sync::atomic::AtomicBool;

/// Plans, calibrates and carries out a run. Setting `stop` ends it within a second with a record of what was
/// measured; `observe` is called about 50 times a second.
///
/// # Errors
/// When the run could not take place at all; see [`LoadError`].
pub fn load(options: &Options, stop: &AtomicBool, observe: impl FnMut(Snapshot<'_>)) -> Result<Outcome, LoadError> {
    with_names(options, prepare::resolve, stop, observe)
}

/// The same with names looked up by `resolve`.
fn with_names(
    options: &Options,
    resolve: Resolve,
    stop: &AtomicBool,
    observe: impl FnMut(Snapshot<'_>),
) -> Result<Outcome, LoadError> {
    let plan = prepare::plan(options, resolve, stop)?;
    let calibration = match options.calibrate {
        true => calibrate::against_null_server(options, stop)?,
        false => None,
    };
    run::run(options, &plan, calibration, stop, observe)
}

#[cfg(test)]
mod tests;
