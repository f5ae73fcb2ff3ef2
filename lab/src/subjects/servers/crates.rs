//! Servers on other Rust libraries: the programs of `peers/`, which `scripts/peers.sh` builds. Each says by
//! itself which version it is and how it is set up.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use protocol::Workload;
use serde_json::Value;

use super::{Kind, Running};
use crate::session::places;
use crate::session::process::Process;

/// One program of `peers/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crate {
    /// The library's; the program is `peer-NAME`.
    pub(crate) name: &'static str,
    /// What it serves.
    pub(crate) workload: Workload,
}

impl Crate {
    /// Every one of them.
    pub(crate) const ALL: [Crate; 9] = [
        Crate { name: "hyper", workload: Workload::Http },
        Crate { name: "actix-web", workload: Workload::Http },
        Crate { name: "may_minihttp", workload: Workload::Http },
        Crate { name: "ntex", workload: Workload::Http },
        Crate { name: "tokio", workload: Workload::Echo },
        Crate { name: "monoio", workload: Workload::Echo },
        Crate { name: "compio", workload: Workload::Echo },
        Crate { name: "glommio", workload: Workload::Echo },
        Crate { name: "ringline", workload: Workload::Echo },
    ];

    fn path(self) -> PathBuf {
        let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers/release");
        PathBuf::from(built).join(format!("peer-{}", self.name))
    }
}

/// Library and version when it starts here: some need what a host may deny, such as io_uring or locked memory.
pub(super) fn availability(peer: Crate) -> Result<String, String> {
    if !peer.path().is_file() {
        return Err("not built (scripts/peers.sh builds it)".to_owned());
    }
    let start = || {
        let places = places::here()?;
        let about = about(peer)?;
        start(peer, &[places.server])?.finish()?;
        anyhow::Ok(title(&about))
    };
    start().map_err(|error| format!("{error:#}"))
}

/// What the program says of itself.
pub(super) fn configuration(peer: Crate) -> String {
    match about(peer) {
        Ok(about) => format!("{}: {}", title(&about), about["configuration"].as_str().unwrap_or_default()),
        Err(error) => format!("{}: {error:#}", peer.name),
    }
}

fn title(about: &Value) -> String {
    let text = |key: &str| about[key].as_str().unwrap_or_default();
    format!("{} {}", text("library"), text("version"))
}

fn about(peer: Crate) -> anyhow::Result<Value> {
    let path = peer.path();
    let output = Command::new(&path).arg("about").output().with_context(|| format!("cannot run {}", path.display()))?;
    serde_json::from_slice(&output.stdout).with_context(|| format!("peer-{} about printed no JSON", peer.name))
}

pub(super) fn start(peer: Crate, cpus: &[usize]) -> anyhow::Result<Running> {
    let cpu_list: Vec<String> = cpus.iter().map(usize::to_string).collect();
    let mut command = Command::new(peer.path());
    command.args([peer.workload.name(), "--listen", "127.0.0.1:0", "--cpus", &cpu_list.join(",")]);
    let mut process = Process::start(&mut command, &[], &format!("peer-{}", peer.name))?;
    let ready: Value = process.read_event()?;
    let address = ready["address"].as_str().context("the server named no address")?.parse()?;
    let workers = vec![process.pid()];
    Ok(Running { kind: Kind::Crate(peer), process, address, workers, _directory: None })
}
