//! A comparison as one of the experiments: how it is listed, run and read again.

use std::path::Path;

use results::report::{self, Document, Table, percent};
use results::run as run_directory;
use serde_json::Value;

use crate::kinds::comparison::conduct::conduct;
use crate::kinds::comparison::plan::{Arm, Comparison, Length, Scope};
use crate::kinds::comparison::tables::tables;
use crate::kinds::experiment::{Experiment, Listed, ListedProfile};
use crate::refusal::Refusal;
use crate::session::host::Host;
use crate::session::request::Request;
use crate::session::stage::Stage;
use crate::subjects::load::Load;

impl Experiment for Comparison {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_hidden(&self) -> bool {
        self.is_hidden
    }

    fn listed(&self) -> Listed {
        let (reference, effect_min) = (&self.decision.reference, percent(self.decision.effect_min));
        let agreement = match self.decision.is_agreement {
            true => format!("What each arm reports against what {reference} reports, by tests of equivalence. Then "),
            false => String::new(),
        };
        Listed {
            name: self.name,
            question: self.question,
            explanation: self.explanation,
            decision: format!(
                "{agreement}{} arm against {reference} in {}, block by block, over all loads and under each; less than \
                 {effect_min} does not count.",
                if agreement.is_empty() { "Each" } else { "each" },
                self.metric.words(),
            ),
            profiles: self.scopes.iter().map(|scope| profile(self, scope)).collect(),
        }
    }

    fn run(&self, request: &Request, host: &dyn Host) -> anyhow::Result<u8> {
        if request.without_fault {
            return Err(Refusal::usage(format!("{} has controls of its own: leave out --no-fault", self.name)).into());
        }
        conduct(self, request, Stage::on(host)?)
    }

    fn wrote(&self, record: &Value) -> bool {
        record.get("cells").is_some()
    }

    fn answer(&self, record: Value, directory: &Path) -> anyhow::Result<String> {
        answer(record, directory)
    }

    fn render(&self, record: Value, directory: &Path) -> anyhow::Result<(Document, Vec<Table>)> {
        render(record, directory)
    }
}

/// What any comparison found, also one that this program knows no more.
pub(crate) fn answer(record: Value, directory: &Path) -> anyhow::Result<String> {
    Ok(report::answer_in_a_line(&opened(record, directory)?.record))
}

/// The report of any comparison, also of one that this program knows no more.
pub(crate) fn render(record: Value, directory: &Path) -> anyhow::Result<(Document, Vec<Table>)> {
    let run = opened(record, directory)?;
    Ok((report::document(&run.record, &run.curves), tables(&run.record)))
}

fn opened(record: Value, directory: &Path) -> anyhow::Result<run_directory::Run> {
    Ok(run_directory::beside(run_directory::of_json(record)?, directory)?)
}

fn profile(comparison: &Comparison, scope: &Scope) -> ListedProfile {
    let whole = comparison.with_controls(scope.clone());
    ListedProfile {
        profile: scope.profile,
        arms: whole.arms.iter().map(Arm::name).collect(),
        loads: scope.loads.iter().map(Load::words).collect(),
        repeats: match scope.length {
            Length::Blocks(blocks) => Some(blocks),
            Length::Budget(_) => None,
        },
        seconds_per_run: scope.seconds,
        runs: whole.starts_per_block(),
        expected_minutes: whole.expected_s() / 60.0,
    }
}
