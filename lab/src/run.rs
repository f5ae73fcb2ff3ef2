//! Runs one experiment by name.

use crate::experiments;
use crate::kinds::experiment::Experiment as _;
use crate::published;
use crate::refusal::Refusal;
use crate::session::local::Local;
use crate::session::request::Request;
use crate::walk;

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
    refused(ended)
}

/// Tries settings under the workloads in which they should matter: those of `names`, or all if there is none. Returns the exit
/// code. `may_change_host`: also those of the whole host, which are restored.
///
/// # Errors
/// When nothing could be measured, or the result cannot be written.
pub fn prove(request: &Request, names: Vec<String>, may_change_host: bool) -> anyhow::Result<u8> {
    let trials = experiments::trials(names, may_change_host);
    let ended = match trials.unknown().as_slice() {
        [] => {
            let ended = trials.run(request, &Local);
            published::keep_list(&request.out);
            ended
        }
        unknown => {
            let known = trials.known().join(", ");
            Err(Refusal::usage(format!("nothing tries {}; there are {known}", unknown.join(", "))).into())
        }
    };
    refused(ended)
}

/// A refusal says so itself.
fn refused(ended: anyhow::Result<u8>) -> anyhow::Result<u8> {
    ended.or_else(|error| {
        let refusal = error.downcast::<Refusal>()?;
        say!("c10m: {refusal}");
        Ok(refusal.code)
    })
}

/// Explains what an experiment is about, on this host and for real. Returns the exit code.
///
/// # Errors
/// When that failed, or cannot be printed.
pub fn explain(name: &str, json: bool) -> anyhow::Result<u8> {
    let refusal = match experiments::find(name) {
        None => unknown(name),
        Some(_) if experiments::has_walk(name) => return walk::explain(json),
        Some(_) => Refusal::usage(format!("{name} has nothing to explain: --explain is for fd-limit")),
    };
    say!("c10m: {refusal}");
    Ok(refusal.code)
}

fn unknown(name: &str) -> Refusal {
    let names: Vec<&str> = experiments::shown().map(|experiment| experiment.name()).collect();
    let names = names.join(", ");
    Refusal::usage(format!("there is no experiment {name:?}; there are {names} (see `c10m bench list`)"))
}
