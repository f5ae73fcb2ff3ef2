//! What a host says about itself, and what that means for very many TCP connections.
//!
//! Reading and judging only: this crate opens files below a root directory, asks the kernel one question
//! that no file answers (the queueing disciplines), and writes nothing. It renders nothing either; the
//! terminal table belongs to the program.

#![forbid(unsafe_code)]

mod audit;
pub mod budget;
mod facts;
mod host;
mod number;
pub mod plan;
mod predict;
mod request;
mod rules;
mod slabs;

pub use audit::{Audit, Row, Tally};
pub use facts::{
    Bound, Build, Cache, Capabilities, Cgroup, ChangedSysctl, Conntrack, Container, Cpu, FactError, Facts, Files,
    Frequency, Idle, IdleState, Interface, Interrupt, Kernel, Limit, Limits, Listening, Load, Memory, Network,
    NumaNode, OpenFilesLimit, Pressure, Process, SocketBounds, SocketTable, Sockets, Sysctls, Tcp, Versions,
    fingerprint, listening,
};
pub use number::{bytes, thousands};
pub use rules::rule::State;
pub use rules::subject::IoUring;
