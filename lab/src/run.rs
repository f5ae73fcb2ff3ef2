//! One experiment by its name.

use crate::experiments::{self, c10m, omission};
use crate::kinds::comparison::conduct::conduct;
use crate::session::request::Request;
use crate::session::start::refuse;

/// Runs an experiment; the value is the exit code.
///
/// # Errors
/// When nothing could be measured, or what was measured cannot be written.
pub fn run(request: &Request) -> anyhow::Result<u8> {
    match request.experiment.as_str() {
        omission::NAME => return omission::run(request),
        c10m::NAME => return c10m::run(request),
        _ => {}
    }
    let Some(experiment) = experiments::all().into_iter().find(|made| made.name == request.experiment) else {
        let shown = experiments::all().into_iter().filter(|experiment| !experiment.is_hidden);
        let names: Vec<&str> = shown.map(|experiment| experiment.name).chain([c10m::NAME, omission::NAME]).collect();
        return refuse(&format!(
            "there is no experiment {:?}; there are {} (see `c10m bench list`)",
            request.experiment,
            names.join(", ")
        ));
    };
    match experiment.scope(request.profile) {
        Ok(scope) => conduct(request, &experiment, scope),
        Err(message) => refuse(&message),
    }
}
