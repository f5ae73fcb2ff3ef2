//! This project's own server: this program again, with `serve`.

use anyhow::{Context, bail};
use protocol::Workload;
use serde_json::Value;
use server::{Balance, Event, Exit, Variant};

use super::ended::Ended;
use super::kind::{Kind, REACTORS_BALANCED};
use super::started::Started;
use crate::session::host::Host;
use crate::session::process::Process;

/// A host may deny io_uring. Everything else is always available.
pub(super) fn availability(variant: Variant) -> Result<String, String> {
    if variant.is_uring() {
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
    handicap_ns: Option<u32>,
) -> anyhow::Result<Started> {
    let cpu_list: Vec<String> = cpus.iter().map(usize::to_string).collect();
    let arguments = [
        "serve",
        workload.name(),
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
    let handicap = handicap_ns.map(|ns| ["--handicap".to_owned(), ns.to_string()]);
    let arguments: Vec<String> = arguments.into_iter().chain(handicap.into_iter().flatten()).collect();
    Started::announced(Process::start_self(host, &arguments)?)
}

/// The account in the last line of the server's output.
pub(crate) fn account(output: &str) -> anyhow::Result<Exit> {
    let line = output.lines().last().context("the server printed no account")?;
    match serde_json::from_str(line).context("cannot read the server's account")? {
        Event::Exit(exit) => Ok(*exit),
        other => bail!("the server gave no account at its end, but said {other:?}"),
    }
}

/// The exit code of a drain that was cut short (README, exit codes).
const DRAIN_FORCED: u8 = 3;

/// What the server leaves, from the last line of its output. An error when it did not end well.
pub(super) fn ended(kind: Kind, output: &str) -> anyhow::Result<Ended> {
    let exit = account(output)?;
    // Of connections that the generator has reset, some may be left, which the second signal cuts.
    if !matches!(exit.code, 0 | DRAIN_FORCED) {
        let totals = serde_json::to_string(&exit.report.totals)?;
        bail!("{} ended with {}: {totals}", kind.name(), exit.code);
    }
    let printed: Value = serde_json::from_str(output.lines().last().unwrap_or_default())?;
    Ok(Ended { printed, account: Some(exit) })
}
