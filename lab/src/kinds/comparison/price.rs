//! Measures what connections cost by themselves.

use anyhow::{Context, bail};

use crate::session::process::Process;
use crate::session::stage::Stage;
use crate::subjects::generators;
use crate::subjects::job::Job;
use crate::subjects::opening::Opening;
use crate::subjects::servers::running::Running;

/// Opens the connections of `job` and closes them again, without a request.
pub(crate) fn measure(job: &Job, stage: &Stage<'_>) -> anyhow::Result<Opening> {
    let (load, places) = (&job.load, &stage.places);
    let server = Running::start(stage.host, job.server, load.workload, &vec![places.server; job.shape.reactors], None)?;
    let mut arguments = generators::holding(&server.url(load.workload), load.connections, "50ms");
    let (threads, cpu) = (job.shape.threads.to_string(), places.client.to_string());
    arguments.extend(["--threads", &threads, "--cpus", &cpu].map(str::to_owned));
    let mut process = Process::start_self(stage.host, &arguments)?;
    process.wait_for_output(&stage.stop)?;
    process.read_record()?;
    let (_, code) = process.finish()?;
    if code != 0 && code != 4 {
        bail!("the load generator ended with {code}");
    }
    let account = server.finish()?.account;
    account.and_then(|account| Opening::of(&account.report.totals)).context("the server counted no connections")
}
