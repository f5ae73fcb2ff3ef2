//! What every experiment needs around its measurement: preconditions, processes, a journal, a directory for results.

pub(crate) mod host;
pub(crate) mod host_state;
pub(crate) mod journal;
pub(crate) mod lent;
pub(crate) mod limits;
pub(crate) mod local;
#[cfg(test)]
pub(crate) mod mock;
pub(crate) mod namespace;
pub(crate) mod orphans;
pub mod out;
pub(crate) mod places;
pub(crate) mod preconditions;
pub(crate) mod process;
pub(crate) mod progress;
pub(crate) mod request;
pub(crate) mod side;
pub mod signals;
pub(crate) mod sitting;
pub(crate) mod stage;
pub(crate) mod start;
pub mod terminal;
#[cfg(test)]
pub(crate) mod trial;
pub(crate) mod wire;
