//! How clients that lost their connection come back: policies as data, and the machine that follows one. No clock, no
//! I/O: whoever calls it says what time it is, so a simulator and a load use the same code.

mod backoff;
mod breaker;
mod budget;
mod policy;
mod retries;
mod text;

pub use backoff::Backoff;
pub use policy::{BreakerRule, Delay, Policy};
pub use retries::{Answer, Limit, Retries};
pub use text::key_names;
