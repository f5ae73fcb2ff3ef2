//! The program as a user meets it: exit codes, messages, signals, output.

mod bench;
mod load;
mod program;
mod serve;
mod tune;
