//! Everything the audit knows of a host, read once from `/proc` and `/sys` below a root directory.
//!
//! What is missing is `None`: kernels, containers and virtual machines differ in what they show, and
//! an absent file is an answer. What is there but cannot be understood is listed in `errors`. Nothing
//! is judged here.

mod cpu;
mod files;
mod network;
mod process;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

pub use files::{Files, OpenFilesLimit};
pub use network::{Conntrack, Network, SocketTable, Tcp};
pub use process::{Capabilities, Memory, Pressure};
pub use source::FactError;

use source::Source;

/// The facts of one host at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// Kernel version, boot options and what the kernel protects against.
    pub kernel: Kernel,
    /// Processors.
    pub cpu: Cpu,
    /// Memory of the host.
    pub memory: Memory,
    /// Limits on open files and on epoll.
    pub files: Files,
    /// Queues, ports and devices below TCP.
    pub network: Network,
    /// TCP settings.
    pub tcp: Tcp,
    /// Connection tracking of the firewall.
    pub conntrack: Conntrack,
    /// How long tasks have been waiting for each resource.
    pub pressure: Pressure,
    /// What this process may do.
    pub capabilities: Capabilities,
    /// Files that exist but hold something else than expected.
    pub errors: Vec<FactError>,
}

/// Kernel version, boot options and mitigations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kernel {
    /// `uname -r`.
    pub release: Option<String>,
    /// Boot options.
    pub command_line: Option<String>,
    /// CPU vulnerability → what the kernel does about it, shortened.
    pub mitigations: BTreeMap<String, String>,
    /// 0 = everyone, 1 = CAP_SYS_ADMIN or io_uring_group, 2 = nobody. The file exists since 6.6.
    pub io_uring_disabled: Option<u64>,
    /// The clock behind `CLOCK_MONOTONIC`.
    pub clocksource: Option<String>,
    /// The clocks that could be chosen instead.
    pub clocksources_available: Option<Vec<String>>,
}

/// Processors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cpu {
    /// The marketing name.
    pub model: Option<String>,
    /// Processors the scheduler may use.
    pub online_count: Option<u64>,
    /// Frequency governor of the first processor; virtual machines have none.
    pub governor: Option<String>,
}

impl Facts {
    /// The facts of the machine this process runs on.
    pub fn of_this_host() -> Facts {
        Facts::read(Path::new("/"), OpenFilesLimit::of_this_process())
    }

    /// The facts below `root`, which holds `proc` and `sys`. The limit on open files has no file that
    /// is not about the reading process itself, so the caller hands it in.
    pub fn read(root: &Path, open_files: OpenFilesLimit) -> Facts {
        let mut source = Source::new(root);
        let kernel = cpu::kernel(&mut source);
        let cpu = cpu::cpu(&mut source);
        let memory = process::memory(&mut source);
        let files = files::files(&mut source, open_files);
        let network = network::network(&mut source);
        let tcp = network::tcp(&mut source);
        let conntrack = network::conntrack(&mut source);
        let pressure = process::pressure(&mut source);
        let capabilities = process::capabilities(&mut source);
        Facts {
            kernel,
            cpu,
            memory,
            files,
            network,
            tcp,
            conntrack,
            pressure,
            capabilities,
            errors: source.into_errors(),
        }
    }
}
