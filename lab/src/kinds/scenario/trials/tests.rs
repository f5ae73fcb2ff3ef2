//! Trials whose figures nobody measured.
