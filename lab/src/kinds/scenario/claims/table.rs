//! What a scenario about claims consists of: a table that an experiment fills in.

use crate::kinds::scenario::claims::form::Stalling;
use crate::kinds::scenario::plan::{About, Run};
use crate::kinds::scenario::timeline::Action;
use crate::session::places::Places;
use crate::subjects::tools::find::Found;
use crate::subjects::tools::tool::{Demand, Tool};

/// A scenario about claims.
pub(crate) struct Claims {
    pub(crate) about: About,
    /// Whose claims are looked at.
    pub(crate) tools: &'static [Tool],
    /// Its service times tell how long the server takes outside of stalls: their median lies there.
    pub(crate) reference: Tool,
    pub(crate) connections: u32,
    /// Requests per second.
    pub(crate) rate: u32,
    pub(crate) stalling: Stalling,
    /// What is done in a run of a tool.
    pub(crate) timeline: fn(&Claims, &Installed, &Run<'_>) -> Vec<Action>,
    pub(crate) notes: fn(&Claims, &Places) -> Vec<String>,
}

/// A tool that can run here.
#[derive(Debug, Clone)]
pub(crate) struct Installed {
    pub(crate) tool: Tool,
    pub(crate) found: Found,
}

impl Claims {
    /// What is asked of a tool in a run.
    pub(crate) fn demand(&self, run: &Run<'_>) -> Demand {
        let (connections, rate) = (self.connections, self.rate);
        Demand { connections, rate, seconds: run.seconds, seed: run.seed, cpu: run.places.client }
    }
}
