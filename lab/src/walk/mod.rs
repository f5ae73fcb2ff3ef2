//! `bench fd-limit --explain`: a walk along the limits on descriptors. Each is hit for real where that harms nobody.

mod descriptors;
mod generators;
mod meet;
mod record;
mod rings;
mod table;
mod user;
mod walker;
mod watches;
mod words;

pub use meet::run_into;
pub use record::Wall;
pub(crate) use walker::explain;
