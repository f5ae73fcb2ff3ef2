//! What the kernel says about a host, its processes and its connections: every reader of /proc and /sys, typed. Judges
//! nothing, and writes only settings that a caller asks for.
#![forbid(unsafe_code)]

mod accept_queues;
mod conditions;
mod cpu_time;
mod facts;
pub mod kernel;
mod meminfo;
mod namespace;
pub mod process;
mod room;
mod slabs;
pub mod sysctl;
mod text;

pub use accept_queues::AcceptQueues;
pub use conditions::HostFacts;
pub use cpu_time::CpuTime;
pub use facts::{
    Bound, Build, Cache, Capabilities, Cgroup, ChangedSysctl, Conntrack, Container, Cpu, FactError, Facts, Files,
    Frequency, Idle, IdleState, Interface, Interrupt, Kernel, Limit, Limits, Listening, Load, Memory, Network,
    NumaNode, OpenFilesLimit, Pressure, Process, SocketBounds, SocketTable, Sockets, Sysctls, Tcp, Versions,
    clocksource, fingerprint, listening, listening_ports,
};
pub use meminfo::Meminfo;
pub use namespace::{Namespace, namespace, open_namespace};
pub use room::{CgroupMemory, Room};
pub use slabs::SlabCache;
