//! A scenario: a timeline of actions on subjects, a watch, expectations, a verdict. There are two ways to evaluate a
//! run: `watched` follows connections over time, `claims` compares what load generators say with the truth.

mod actor;
pub(crate) mod claims;
mod conduct;
mod experiment;
pub(crate) mod frame;
mod observe;
pub(crate) mod plan;
mod play;
mod prepare;
pub(crate) mod remedies;
pub(crate) mod seen;
#[cfg(test)]
mod tests;
pub(crate) mod timeline;
pub(crate) mod trials;
mod watch;
pub(crate) mod watched;
