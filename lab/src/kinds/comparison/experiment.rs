//! Makes a comparison an [`Experiment`]: lists it, runs it, and reads its record again.

use std::path::Path;

use results::report::{self, Document, Table, percent};
use results::run as run_directory;
use serde_json::Value;

use crate::kinds::comparison::conduct::conduct;
use crate::kinds::comparison::plan::{Arm, Comparison, Scope};
use crate::kinds::comparison::tables::tables;
use crate::kinds::experiment::{Experiment, Listed, ListedProfile};
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
        let reference = self.decision.reference.as_deref().unwrap_or("the first arm of each load");
        let (words, effect_min) = (&self.decision.words, percent(self.decision.effect_min));
        Listed {
            name: self.name,
            question: self.question,
            explanation: self.explanation,
            decision: format!("{words} Reference: {reference}; smallest effect that counts: {effect_min}."),
            profiles: self.scopes.iter().map(profile).collect(),
        }
    }

    fn run(&self, request: &Request, host: &dyn Host) -> anyhow::Result<u8> {
        conduct(self, request, Stage::on(host)?)
    }

    fn wrote(&self, record: &Value) -> bool {
        record.get("cells").is_some()
    }

    fn answer(&self, record: Value) -> anyhow::Result<String> {
        answer(record)
    }

    fn render(&self, record: Value, directory: &Path) -> anyhow::Result<(Document, Vec<Table>)> {
        render(record, directory)
    }
}

/// The answer of any comparison, even if this program no longer knows the experiment.
pub(crate) fn answer(record: Value) -> anyhow::Result<String> {
    Ok(report::answer_in_a_line(&run_directory::of_json(record)?))
}

/// The report of any comparison, even if this program no longer knows the experiment.
pub(crate) fn render(record: Value, directory: &Path) -> anyhow::Result<(Document, Vec<Table>)> {
    let run = run_directory::beside(run_directory::of_json(record)?, directory)?;
    Ok((report::document(&run.record, &run.curves, &run.points), tables(&run.record)))
}

fn profile(scope: &Scope) -> ListedProfile {
    ListedProfile {
        profile: scope.profile,
        arms: scope.arms.iter().map(Arm::name).collect(),
        loads: scope.loads.iter().map(Load::words).collect(),
        repeats: scope.repeats,
        seconds_per_run: scope.seconds,
        runs: scope.run_count(),
        expected_minutes: scope.expected_s() / 60.0,
    }
}
