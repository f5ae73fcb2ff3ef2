//! Servers on other Rust libraries: the programs of `peers/`, which `scripts/peers.sh` builds. Each prints its own
//! version and set-up.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::kind::Crate;
use super::started::Started;
use crate::session::host::{Command, Host};
use crate::session::places;
use crate::session::process::{Process, said};

/// What the program says of itself.
#[derive(Debug, Deserialize)]
struct About {
    library: String,
    version: String,
    configuration: String,
}

/// Library and version, if it starts here: some need what a host may deny, such as io_uring or locked memory.
pub(super) fn availability(host: &dyn Host, peer: Crate) -> Result<String, String> {
    if !path(peer).is_file() {
        return Err("not built (scripts/peers.sh builds it)".to_owned());
    }
    let start = || {
        let places = places::here()?;
        let about = about(host, peer)?;
        let (_, code) = start(host, peer, &[places.server])?.end()?;
        ensure!(code == 0, "it ended with {code}");
        anyhow::Ok(title(&about))
    };
    start().map_err(|error| format!("{error:#}"))
}

/// What the program says about itself.
pub(super) fn configuration(host: &dyn Host, peer: Crate) -> String {
    match about(host, peer) {
        Ok(about) => format!("{}: {}", title(&about), about.configuration),
        Err(error) => format!("{}: {error:#}", peer.name),
    }
}

fn path(peer: Crate) -> PathBuf {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers/release");
    PathBuf::from(built).join(format!("peer-{}", peer.name))
}

fn title(about: &About) -> String {
    format!("{} {}", about.library, about.version)
}

fn about(host: &dyn Host, peer: Crate) -> anyhow::Result<About> {
    let name = format!("peer-{}", peer.name);
    let text = said(host, path(peer), "about", &name)?;
    serde_json::from_str(&text).with_context(|| format!("{name} about printed no library, version and configuration"))
}

pub(super) fn start(host: &dyn Host, peer: Crate, cpus: &[usize]) -> anyhow::Result<Started> {
    let cpu_list: Vec<String> = cpus.iter().map(usize::to_string).collect();
    let arguments = [peer.workload.name(), "--listen", "127.0.0.1:0", "--cpus", &cpu_list.join(",")].map(str::to_owned);
    let command = Command::other(path(peer), &arguments, &format!("peer-{}", peer.name));
    Started::announced(Process::start(host, &command)?)
}
