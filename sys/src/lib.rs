//! Kernel interfaces that safe libraries lack, behind safe functions: every unsafe line of the project except those
//! that fill ring entries (the `uring/` folders of server and load generator). Knows no workload and keeps no state.

pub mod affinity;
pub mod bpf;
pub mod busy_poll;
pub mod child;
pub mod clock;
pub mod doorbell;
pub mod limits;
pub mod namespace;
pub mod pages;
pub mod socket;
pub mod thread;
pub mod tun;
pub mod uring;
pub mod usage;
pub mod veth;
