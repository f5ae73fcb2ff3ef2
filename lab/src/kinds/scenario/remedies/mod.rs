//! Scenarios about remedies: something goes wrong on two hosts of the run's own, and each arm does something about it.
//! What decides, what is drawn, and which counters show the mechanism is a table that an experiment fills in.

pub(crate) mod arm;
pub(crate) mod foretold;
pub(crate) mod judge;
#[cfg(test)]
pub(crate) mod made_up;
mod picture;
pub(crate) mod record;
mod report;
mod scenario;
pub(crate) mod scene;
pub(crate) mod table;
mod tables;
#[cfg(test)]
mod tests;
pub(crate) mod words;
