//! What the kernel says of a host, its processes and its connections: every reader of /proc and /sys, typed. Reads only,
//! and judges nothing.
#![forbid(unsafe_code)]

mod conditions;
mod cpu_time;
mod facts;
pub mod kernel;
mod namespace;

pub use conditions::HostFacts;
pub use cpu_time::CpuTime;
pub use facts::{
    Bound, Build, Cache, Capabilities, Cgroup, ChangedSysctl, Conntrack, Container, Cpu, FactError, Facts, Files,
    Frequency, Idle, IdleState, Interface, Interrupt, Kernel, Limit, Limits, Listening, Load, Memory, Network,
    NumaNode, OpenFilesLimit, Pressure, Process, SocketBounds, SocketTable, Sockets, Sysctls, Tcp, Versions,
    fingerprint, listening,
};
pub use namespace::{Namespace, namespace};
