//! Watched scenarios: each step has a number of connections to hold, samples over time, and expectations.

mod account;
pub(crate) mod commands;
pub(crate) mod expectations;
mod fit;
mod picture;
pub(crate) mod record;
mod report;
mod scenario;
pub(crate) mod step;
pub(crate) mod table;
mod tables;
#[cfg(test)]
mod tests;
mod troubles;
pub(crate) mod words;
