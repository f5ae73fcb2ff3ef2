//! A comparison: arms and loads, repeated and interleaved, decided by intervals.

pub(crate) mod assemble;
pub(crate) mod conduct;
pub(crate) mod memory;
pub(crate) mod opening;
pub(crate) mod order;
pub(crate) mod plan;
pub(crate) mod points;
pub(crate) mod runner;
pub(crate) mod tables;
