//! This project's own server: this program again, with `serve`.

use anyhow::{Context, bail};
use serde_json::Value;
use server::{Balance, Variant, Workload};

use super::kind::{Kind, REACTORS_BALANCED};
use super::started::Started;
use crate::session::host::Host;
use crate::session::process::Process;
use crate::workload::word;

/// io_uring may be denied; everything else is always there.
pub(super) fn availability(variant: Variant) -> Result<String, String> {
    if variant.backend() == "io_uring" {
        server::probe_io_uring().map_err(|error| error.to_string())?;
    }
    Ok(format!("c10m {}", env!("CARGO_PKG_VERSION")))
}

pub(super) fn configuration(variant: Variant) -> String {
    format!(
        "{variant}: c10m {}, one pinned reactor per CPU, head and idle timeouts on; HTTP without routes and without a \
         map of headers, a Date header that changes once a second",
        env!("CARGO_PKG_VERSION")
    )
}

pub(super) fn configuration_balanced(balance: Balance) -> String {
    format!(
        "{}: c10m {}, epoll level with {REACTORS_BALANCED} reactors pinned to one CPU, so that the choice among them is \
         all that differs",
        Kind::Balanced(balance).name(),
        env!("CARGO_PKG_VERSION")
    )
}

pub(super) fn start(
    host: &dyn Host,
    variant: Variant,
    balance: Balance,
    workload: Workload,
    cpus: &[usize],
) -> anyhow::Result<Started> {
    let cpu_list: Vec<String> = cpus.iter().map(usize::to_string).collect();
    let arguments = [
        "serve",
        word(workload),
        "--listen",
        "127.0.0.1:0",
        "--backend",
        variant.backend(),
        "--variant",
        variant.variant(),
        "--reactors",
        &cpus.len().to_string(),
        "--cpus",
        &cpu_list.join(","),
        "--balance",
        &balance.to_string(),
        "--json",
    ]
    .map(str::to_owned);
    Started::announced(Process::start_self(host, &arguments)?)
}

/// The account in the last line of its output.
///
/// # Errors
/// When it did not end well.
pub(super) fn account(kind: Kind, output: &str) -> anyhow::Result<Value> {
    let line = output.lines().last().with_context(|| format!("{} printed no account", kind.name()))?;
    let exit: Value = serde_json::from_str(line)?;
    if exit["code"] != 0 {
        bail!("{} ended with {}: {}", kind.name(), exit["code"], exit["totals"]["closes"]);
    }
    Ok(exit)
}
