//! What a host says about itself, and what that means for very many TCP connections.
//!
//! Reading and judging only: this crate opens files below a root directory and writes nothing. It
//! renders nothing either; the terminal table belongs to the program.

#![forbid(unsafe_code)]

mod audit;
mod facts;
mod number;
mod rules;

pub use audit::{Audit, IoUring, Row, State, Tally};
pub use facts::{
    Capabilities, Conntrack, Cpu, FactError, Facts, Files, Kernel, Memory, Network, OpenFilesLimit, Pressure,
    SocketTable, Tcp,
};
pub use number::thousands;
