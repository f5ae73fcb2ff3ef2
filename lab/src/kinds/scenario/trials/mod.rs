//! A scenario in which settings are tried one at a time: each workload has a setting's usual value twice, its other values
//! once, and a change that is known to matter.

mod picture;
pub(crate) mod record;
pub(crate) mod report;
mod scenario;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod verdict;
