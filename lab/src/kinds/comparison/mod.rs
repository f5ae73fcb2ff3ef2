//! A comparison: arms and loads, repeated and interleaved, decided by intervals.

mod assemble;
mod available;
mod blocks;
mod conduct;
mod course;
pub(crate) mod experiment;
mod finished;
mod order;
mod pilot;
pub(crate) mod plan;
mod price;
mod runner;
mod tables;
#[cfg(test)]
mod tests;
