//! The arguments of `c10m serve` about more connections than it can serve.

use std::num::NonZeroU32;

use clap::Args;
use server::Admission;

use crate::count;

/// These arguments.
#[derive(Debug, Args)]
pub(super) struct AdmissionArgs {
    /// Connections that all reactors together accept per second at most, an equal share each; further ones wait in the
    /// accept queue [default: no limit].
    #[arg(long, value_name = "N", value_parser = count::nonzero)]
    accept_rate: Option<NonZeroU32>,
}

impl AdmissionArgs {
    /// The settings that they stand for.
    pub(super) fn settings(&self) -> Admission {
        Admission { accept_rate: self.accept_rate }
    }
}
