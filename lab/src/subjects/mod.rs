//! What experiments start and look at: servers, load generators, and the cost of a process.

pub(crate) mod footprint;
pub(crate) mod generators;
pub(crate) mod job;
pub(crate) mod load;
pub(crate) mod opening;
pub(crate) mod points;
pub(crate) mod servers;
pub(crate) mod together;
pub(crate) mod tools;
pub(crate) mod wrk;
