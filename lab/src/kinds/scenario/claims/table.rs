//! What makes up a scenario about claims: a table that an experiment fills in.

use crate::kinds::scenario::claims::form::Stalling;
use crate::kinds::scenario::plan::{About, Run};
use crate::kinds::scenario::timeline::Action;
use crate::session::places::Places;
use crate::subjects::tools::find::Found;
use crate::subjects::tools::tool::{Demand, Tool};

/// A scenario about claims.
pub(crate) struct Claims {
    pub(crate) about: About,
    /// The tools whose claims are examined.
    pub(crate) tools: &'static [Tool],
    /// The tool whose median service time tells how long the server takes outside of stalls: the median lies there.
    pub(crate) reference: Tool,
    pub(crate) connections: u32,
    /// Requests per second.
    pub(crate) rate: u32,
    pub(crate) stalling: Stalling,
    /// What a run of a tool does.
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
    /// What a run asks of a tool.
    pub(crate) fn demand(&self, run: &Run<'_>) -> Demand {
        let (connections, rate) = (self.connections, self.rate);
        Demand { connections, rate, seconds: run.seconds, seed: run.seed, cpu: run.places.client }
    }
}
