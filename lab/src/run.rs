//! Runs one experiment by name.

use crate::experiments;
use crate::published;
use crate::refusal::Refusal;
use crate::session::local::Local;
use crate::session::request::Request;

/// Runs an experiment on this host. Returns the exit code.
///
/// # Errors
/// When nothing could be measured, or the result cannot be written.
pub fn run(request: &Request) -> anyhow::Result<u8> {
    let ended = match experiments::find(&request.experiment) {
        Some(experiment) => {
            let ended = experiment.run(request, &Local);
            // Also after an error, which may come after the run was published.
            published::keep_list(&request.out);
            ended
        }
        None => Err(unknown(&request.experiment).into()),
    };
    ended.or_else(|error| {
        let refusal = error.downcast::<Refusal>()?;
        say!("c10m: {refusal}");
        Ok(refusal.code)
    })
}

fn unknown(name: &str) -> Refusal {
    let names: Vec<&str> = experiments::shown().map(|experiment| experiment.name()).collect();
    let names = names.join(", ");
    Refusal::usage(format!("there is no experiment {name:?}; there are {names} (see `c10m bench list`)"))
}
