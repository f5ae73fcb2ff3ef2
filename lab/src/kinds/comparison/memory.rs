//! User memory of idle connections: how much the server's own memory grows while a generator holds connections and
//! sends nothing.

use anyhow::Context;
use host::process;
use protocol::Workload;
use results::record::MemoryCell;
use server::Variant;

use crate::session::process::Process;
use crate::session::stage::Stage;
use crate::subjects::generators;
use crate::subjects::servers::kind::Kind;
use crate::subjects::servers::running::Running;

/// Two reactors, so that the measurement includes sharing connections among them.
const REACTORS: usize = 2;

/// What an idle connection may cost (see the assertions in `server::shard`).
fn budget_bytes(workload: Workload) -> u64 {
    match workload {
        Workload::Echo => 64,
        Workload::Http => 96,
    }
}

/// Measures one variant with `connections` idle connections.
pub(crate) fn measure(
    variant: Variant,
    workload: Workload,
    connections: u32,
    stage: &Stage<'_>,
) -> anyhow::Result<MemoryCell> {
    let cpus: Vec<usize> = stage.places.all.iter().copied().cycle().take(REACTORS).collect();
    let server = Running::start(stage.host, Kind::C10m(variant), workload, &cpus, None)?;
    let pid = server.workers()[0];
    let before = process::anonymous_bytes(pid).context("reading a process's memory")?;
    let mut held = before;
    let arguments = generators::holding(&server.url(workload), connections, "300ms");
    let mut generator = Process::start_self(stage.host, &arguments)?;
    while generator.is_running() {
        // Memory only grows here, so the last reading before the end covers all connections.
        if stage.is_stopped() {
            generator.kill();
            anyhow::bail!("interrupted");
        }
        held = held.max(process::anonymous_bytes(pid).context("reading a process's memory")?);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let established = generator.read_record()?.connections.established;
    let account = server.finish()?.account.context("the server counts nothing")?;
    if established < u64::from(connections) || account.report.totals.accepts < established {
        anyhow::bail!("{variant}: only {established} of {connections} idle connections were established");
    }
    Ok(MemoryCell {
        workload: workload.name().to_owned(),
        arm: variant.to_string(),
        connections: established,
        reactors: REACTORS as u32,
        user_bytes_per_connection: Some((held - before) as f64 / established as f64),
        budget_bytes: Some(budget_bytes(workload)),
    })
}
