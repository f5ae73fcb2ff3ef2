//! What is known of each setting: the records of `tuning/rules`, built into the program or read from a directory. Data
//! and its loading; what a host has, and what follows from it, is judged elsewhere.

mod embedded;
mod find;
mod formula;
mod load;
mod rule;
mod variables;

pub use find::FoundBy;
pub use formula::{Formula, FormulaError};
pub(crate) use load::release;
pub use load::{Knowledge, LoadError};
pub use rule::{Amount, Applies, How, InNamespaces, Kind, Recommendation, Rule, Scope};
pub use variables::{Goal, Side, Variables};
