//! Runs a comparison from its command to its report.

use std::time::Duration;

use anyhow::bail;
use results::record::{Record, VerdictState};

use crate::kinds::comparison::available::leave_out_unavailable;
use crate::kinds::comparison::finished::Finished;
use crate::kinds::comparison::plan::{Arm, Comparison, Scope};
use crate::kinds::comparison::tables::tables;
use crate::kinds::comparison::{assemble, runner};
use crate::refusal::Refusal;
use crate::session::limits::Limits;
use crate::session::request::Request;
use crate::session::sitting::{Outline, Sitting, show};
use crate::session::stage::Stage;
use crate::session::start;
use crate::subjects::load::Load;

/// Longest wait for a quiet machine, before each run.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Runs the comparison, publishes it and prints the result. Returns the exit code.
pub(super) fn conduct(comparison: &Comparison, request: &Request, stage: Stage<'_>) -> anyhow::Result<u8> {
    let record = publish(comparison, request, stage)?;
    show(request, &record, tables(&record))?;
    exit_code(&record)
}

/// Runs what is missing in the journal, then publishes the complete experiment.
pub(super) fn publish(comparison: &Comparison, request: &Request, stage: Stage<'_>) -> anyhow::Result<Record> {
    let mut scope = comparison.scope(request.profile).map_err(Refusal::usage)?;
    scope.repeats = request.repeats.unwrap_or(scope.repeats);
    scope.seconds = request.seconds.unwrap_or(scope.seconds);
    let limits = Limits::read();
    let skipped = leave_out_unavailable(stage.host, &mut scope, &limits);
    if scope.run_count() == 0 {
        bail!("nothing can be run here: {}", skipped.join("; "));
    }
    let mut sitting = Sitting::<Finished>::open(request, stage, outline(comparison, request, &scope, skipped))?;
    if let Err(error) = runner::run(&mut sitting, &scope, &limits) {
        return Err(sitting.unfinished(&error));
    }
    let outcome = assemble::outcome(comparison, &scope, &sitting)?;
    let files = assemble::files(&outcome, sitting.journal())?;
    sitting.publish(comparison.name, &files)?;
    Ok(outcome.record)
}

fn outline(comparison: &Comparison, request: &Request, scope: &Scope, skipped: Vec<String>) -> Outline {
    Outline {
        name: comparison.name,
        profile: scope.profile,
        seed: start::seed(request),
        arms: scope.arms.iter().map(Arm::name).collect(),
        loads: scope.loads.iter().map(Load::slug).collect(),
        repeats: scope.repeats,
        seconds: scope.seconds,
        runs: scope.run_count(),
        noun: "runs",
        expected_s: scope.expected_s(),
        skipped,
        needs_namespaces: scope.loads.iter().any(Load::is_churn),
        wait_max: Some(WAIT_MAX),
        attempts_max: runner::ATTEMPTS_MAX,
    }
}

pub(super) fn exit_code(record: &Record) -> anyhow::Result<u8> {
    let mut runs = record.cells.iter().flat_map(|cell| &cell.runs).peekable();
    if runs.peek().is_none() {
        bail!("no run succeeded; the report says why");
    }
    if runs.all(|run| run.verdict.state == VerdictState::Invalid) {
        say!("c10m: no run was valid; the report says why");
        return Ok(4);
    }
    Ok(0)
}
