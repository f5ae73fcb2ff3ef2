//! Everything that is known about a host, read once from `/proc` and `/sys` below a root directory: what the audit
//! judges, and the fingerprint that every record carries.
//!
//! What is missing is `None`: kernels, containers and virtual machines differ in what they show, and an absent file is
//! an answer. Files that exist but cannot be understood are listed in `errors`. Nothing is judged here. Nothing is
//! kept that names a machine or its place in a network: no addresses, no serial numbers, no paths.

mod container;
mod cpu;
mod files;
pub mod fingerprint;
mod interfaces;
mod kernel;
mod listening;
mod load;
mod memory;
mod network;
mod process;
mod qdisc;
mod source;
mod sysctls;
mod versions;

use std::path::Path;

use serde::Serialize;

pub use container::{Cgroup, Container};
pub use cpu::{Cache, Cpu, Frequency, Idle, IdleState};
pub use files::{Files, OpenFilesLimit};
pub use interfaces::{Interface, Interrupt};
pub use kernel::{Build, Kernel, clocksource};
pub use listening::{Listening, SocketBounds, listening, listening_ports};
pub use load::{Load, Pressure, Sockets};
pub use memory::{Memory, NumaNode};
pub use network::{Conntrack, Network, SocketTable, Tcp};
pub use process::{Bound, Capabilities, Limit, Limits, Process};
pub use source::FactError;
pub use sysctls::{ChangedSysctl, Sysctls};
pub use versions::Versions;

use interfaces::Qdiscs;
use source::Source;

/// The facts of one host at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// Kernel version, boot options and mitigations.
    pub kernel: Kernel,
    /// Processors.
    pub cpu: Cpu,
    /// Memory of the host.
    pub memory: Memory,
    /// Limits on open files and on epoll.
    pub files: Files,
    /// Queues, ports and devices below TCP.
    pub network: Network,
    /// Network interfaces with a device behind them. Empty if `/sys` shows those of another namespace.
    pub interfaces: Vec<Interface>,
    /// TCP settings.
    pub tcp: Tcp,
    /// Connection tracking of the firewall.
    pub conntrack: Conntrack,
    /// Settings that differ from the kernel's defaults.
    pub sysctls: Sysctls,
    /// How long tasks have been waiting for each resource.
    pub pressure: Pressure,
    /// What else the host is doing.
    pub load: Load,
    /// What this process may do.
    pub capabilities: Capabilities,
    /// Restrictions of this process.
    pub process: Process,
    /// What limits this process from outside.
    pub container: Container,
    /// Versions of the software that takes part in a measurement.
    pub versions: Versions,
    /// Files that exist but do not contain what was expected.
    pub errors: Vec<FactError>,
}

impl Facts {
    /// The facts of the machine that this process runs on. Opens a few hundred small files, which takes some
    /// milliseconds.
    pub fn of_this_host() -> Facts {
        let mut facts = Facts::gather(Path::new("/"), OpenFilesLimit::of_this_process(), &qdisc::roots());
        if facts.kernel.machine.is_none() {
            let machine = rustix::system::uname().machine().to_str().map(str::to_owned);
            facts.kernel.machine = machine.ok();
        }
        facts
    }

    /// The facts below `root`, which contains `proc` and `sys`. The caller passes in the limit on open files, because
    /// the only file with it describes the reading process itself. Facts that only the kernel of the reading process
    /// could tell are `None`.
    pub fn read(root: &Path, open_files: OpenFilesLimit) -> Facts {
        Facts::gather(root, open_files, &Qdiscs::new())
    }

    fn gather(root: &Path, open_files: OpenFilesLimit, qdiscs: &Qdiscs) -> Facts {
        let mut source = Source::new(root);
        let kernel = kernel::kernel(&mut source);
        let cpu = cpu::cpu(&mut source);
        let memory = memory::memory(&mut source);
        let files = files::files(&mut source, open_files);
        let network = network::network(&mut source, qdiscs);
        let tcp = network::tcp(&mut source);
        let host = sysctl_host(&mut source, &kernel, &cpu, &memory, &tcp);
        Facts {
            interfaces: interfaces::interfaces(&mut source, qdiscs),
            conntrack: network::conntrack(&mut source),
            sysctls: sysctls::sysctls(&mut source, &host),
            pressure: load::pressure(&mut source),
            load: load::load(&mut source),
            capabilities: process::capabilities(&mut source),
            process: process::process(&mut source),
            container: container::container(&mut source),
            versions: versions::versions(&mut source),
            kernel,
            cpu,
            memory,
            files,
            network,
            tcp,
            errors: source.into_errors(),
        }
    }
}

/// The facts that the defaults of sysctls depend on.
fn sysctl_host(source: &mut Source<'_>, kernel: &Kernel, cpu: &Cpu, memory: &Memory, tcp: &Tcp) -> sysctls::Host {
    // `Node 0, zone   Normal   5469 …`: one line for every zone that has memory.
    let zones = source.text("proc/buddyinfo").unwrap_or_default();
    let zone =
        |line: &str| line.split_once("zone").and_then(|(_, rest)| rest.split_whitespace().next().map(str::to_owned));
    sysctls::Host {
        release: kernel.release.as_deref().and_then(sysctls::release),
        page_bytes: rustix::param::page_size() as u64,
        memory_bytes: memory.total_bytes,
        possible_count: cpu.possible_count,
        node_count: memory.numa_node_count,
        zones: zones.lines().filter_map(zone).collect(),
        bucket_count: tcp.socket_table.map(|table| table.bucket_count),
        huge_pages: memory.transparent_huge_pages.as_ref().map(|when| when != "never"),
        timer_hz: kernel.build.timer_hz,
        congestion_control: kernel.build.congestion_control.clone(),
        qdisc: kernel.build.qdisc.clone(),
        numa_balancing: kernel.build.numa_balancing,
    }
}
