//! A comparison from its command to its report.

use std::time::{Duration, Instant};

use anyhow::bail;
use results::judged::Judged;
use results::record::{Metric, Record, Role};
use results::report;

use crate::kinds::comparison::available::leave_out_unavailable;
use crate::kinds::comparison::finished::Finished;
use crate::kinds::comparison::plan::{Arm, Comparison, Length, Scope};
use crate::kinds::comparison::runner::ATTEMPTS_MAX;
use crate::kinds::comparison::tables::tables;
use crate::kinds::comparison::{assemble, course};
use crate::refusal::Refusal;
use crate::session::limits::Limits;
use crate::session::namespace::Needs;
use crate::session::request::Request;
use crate::session::sitting::{Outline, Sitting, show};
use crate::session::stage::Stage;
use crate::session::{start, terminal};
use crate::subjects::load::Load;

/// Longest wait for a quiet machine, before each block.
const WAIT_MAX: Duration = Duration::from_secs(60);

const NO_SECONDS: &str = "--seconds is the window of servers that are measured one after another, and these stand side by side: \
                          leave it out, or add --apart";

/// Runs, publishes and prints. The value is the exit code.
pub(super) fn conduct(comparison: &Comparison, request: &Request, stage: Stage<'_>) -> anyhow::Result<u8> {
    let record = publish(comparison, request, stage)?;
    show(request, &record, tables(&record))?;
    if !request.json {
        // Last, because that is what stays in sight.
        terminal::print(&format!("\n{}\n", terminal::wrapped(&report::answer_lines(&record))))?;
    }
    exit_code(&record)
}

/// Measures what the journal does not have yet, and publishes when everything is there.
pub(super) fn publish(comparison: &Comparison, request: &Request, stage: Stage<'_>) -> anyhow::Result<Record> {
    let since = Instant::now();
    let scope = comparison.scope(request.profile).map_err(Refusal::usage)?;
    let mut scope = comparison.chosen(scope, &request.arms, &request.loads).map_err(Refusal::usage)?;
    if request.seconds.is_some() && !request.apart && comparison.metric == Metric::ServerRun {
        return Err(Refusal::usage(NO_SECONDS.to_owned()).into());
    }
    scope.seconds = request.seconds.unwrap_or(scope.seconds);
    scope.length = match (request.repeats, request.budget) {
        (Some(blocks), _) => Length::Blocks(blocks),
        (None, Some(budget)) => Length::Budget(budget),
        (None, None) => scope.length,
    };
    let limits = Limits::read();
    let skipped = leave_out_unavailable(stage.host, &mut scope, &limits);
    let scope = comparison.with_controls(scope);
    if !scope.arms.iter().any(|arm| arm.role == Role::Reference) || scope.loads.is_empty() {
        bail!("nothing can be compared here: {}", skipped.join("; "));
    }
    let mut sitting = Sitting::<Finished>::open(request, stage, outline(comparison, request, &scope, skipped))?;
    let may_stand_together = !request.apart;
    if let Err(error) = course::run(&mut sitting, comparison, &scope, &limits, may_stand_together, since) {
        if error.is::<Refusal>() {
            return Err(error);
        }
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
        repeats: match scope.length {
            Length::Blocks(blocks) => blocks,
            // The pilot will tell.
            Length::Budget(_) => 0,
        },
        budget: match scope.length {
            Length::Blocks(_) => None,
            Length::Budget(budget) => Some(budget),
        },
        seconds: scope.seconds,
        runs: match scope.length {
            Length::Blocks(blocks) => Some(u64::from(blocks) * scope.starts_per_block()),
            Length::Budget(_) => None,
        },
        noun: "starts",
        expected_s: scope.expected_s(),
        skipped,
        needs: if scope.loads.iter().any(Load::is_churn) { Needs::Namespace } else { Needs::Nothing },
        wait_max: Some(WAIT_MAX),
        attempts_max: ATTEMPTS_MAX,
    }
}

/// 4 if nothing stands, or the run does not see its controls as they are.
pub(super) fn exit_code(record: &Record) -> anyhow::Result<u8> {
    let mut runs = record.cells.iter().flat_map(|cell| &cell.runs).peekable();
    if runs.peek().is_none() {
        bail!("no start succeeded; the report says why");
    }
    if !runs.any(|run| run.stands()) {
        say!("c10m: no start was valid; the report says why");
        return Ok(4);
    }
    if !Judged::of(record).controls.hold() {
        say!("c10m: the run does not see its own controls as they are: do not believe it");
        return Ok(4);
    }
    Ok(0)
}
