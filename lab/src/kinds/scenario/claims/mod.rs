//! Scenarios about claims: a server that stalls at known times, and what each load generator says about it beside the
//! truth.

pub(crate) mod form;
mod judge;
mod picture;
mod record;
mod report;
mod runs;
mod scenario;
pub(crate) mod table;
