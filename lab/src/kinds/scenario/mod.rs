//! A scenario: a timeline of actions on subjects, a watch, expectations, a verdict. What a run gives is evaluated in one
//! of two ways: `watched` follows connections over time, `claims` holds what load generators say against what is true.

pub(crate) mod claims;
mod conduct;
mod experiment;
mod frame;
pub(crate) mod plan;
mod play;
mod prepare;
mod seen;
#[cfg(test)]
mod tests;
pub(crate) mod timeline;
mod watch;
pub(crate) mod watched;
