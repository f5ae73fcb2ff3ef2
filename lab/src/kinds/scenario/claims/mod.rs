//! Scenarios about claims: a server stalls at known times, and what each load generator says is compared with the
//! truth.

pub(crate) mod form;
mod judge;
mod picture;
mod record;
mod report;
mod runs;
mod scenario;
pub(crate) mod table;
