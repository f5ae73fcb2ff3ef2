//! Load generators as subjects: which there are, whether they are installed, what they print.

pub(crate) mod find;
pub(crate) mod parse;
pub(crate) mod tool;
