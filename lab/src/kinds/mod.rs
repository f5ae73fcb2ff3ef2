//! The kinds of experiment. What they share is in `session`.

pub(crate) mod comparison;
pub(crate) mod experiment;
pub(crate) mod scenario;
