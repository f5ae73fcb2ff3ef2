//! Models of what experiments measure: no sockets, no clock, a seed.

pub(crate) mod storm;
