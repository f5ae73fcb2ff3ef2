//! Plans, plays and publishes a watched scenario.

use results::report::{Document, Table};

use crate::kinds::scenario::plan::{About, Beside, Made, Played, Run, Scenario, Seconds};
use crate::kinds::scenario::seen::Seen;
use crate::kinds::scenario::timeline::{Ground, Timeline};
use crate::kinds::scenario::watched::account::account;
use crate::kinds::scenario::watched::record::{Record, StepRecord};
use crate::kinds::scenario::watched::step::{Planned, Step};
use crate::kinds::scenario::watched::table::Watched;
use crate::kinds::scenario::watched::{fit, report};
use crate::session::host::Host;
use crate::session::request::Profile;

/// What a step takes besides ramp and heartbeats, and the connects per second of a slow host. Only used for the
/// estimate.
const OVERHEAD_S: f64 = 5.0;
const CONNECTS_PER_S: f64 = 20_000.0;

impl Scenario for Watched {
    type Case = Step;
    type Planned = Planned;
    type Found = StepRecord;
    type Record = Record;

    const LIST: &'static str = "steps";

    fn about(&self) -> &About {
        &self.about
    }

    fn cases(&self, profile: Profile) -> Vec<Step> {
        (self.steps)(profile)
    }

    fn name(&self, step: &Step) -> String {
        step.name()
    }

    fn load(&self) -> String {
        self.load.to_owned()
    }

    fn seconds(&self, step: &Step, _asked: u32) -> Seconds {
        let measured = f64::from(step.heartbeat_s);
        Seconds { measured, whole: f64::from(step.connections) / CONNECTS_PER_S + measured + OVERHEAD_S }
    }

    fn plan(&self, _host: &dyn Host, step: Step) -> Result<Planned, String> {
        fit::fit(step)
    }

    fn timeline(&self, planned: &Planned, run: &Run<'_>) -> Timeline {
        let sockets = u64::from(planned.step.connections) * planned.step.place.ends();
        Timeline { ground: Ground::Namespace { sockets }, lent: vec![], actions: (self.timeline)(planned, run.seed) }
    }

    fn found(&self, planned: &Planned, _run: &Run<'_>, seen: &Seen) -> anyhow::Result<StepRecord> {
        account(planned, seen)
    }

    fn line(&self, step: &StepRecord) -> Option<String> {
        let rate = step.connects_per_s().map_or("not all".to_owned(), |rate| format!("{rate:.0} connects/s"));
        Some(format!(
            "{} established, {rate}, {} heartbeats answered, {} not, {}",
            step.established, step.heartbeat.count, step.heartbeats_failed, step.verdict
        ))
    }

    fn record(&self, played: Played<'_, Planned, StepRecord>) -> anyhow::Result<Made<Record>> {
        let record = Record {
            head: played.head,
            notes: self.notes.iter().map(|note| (*note).to_owned()).collect(),
            skipped: played.skipped,
            incidents: played.incidents,
            steps: played.found,
        };
        Ok(Made { record, beside: vec![] })
    }

    fn answer(&self, record: &Record) -> String {
        report::answer(self, record)
    }

    fn report(&self, record: &Record, _beside: Beside<'_>) -> anyhow::Result<(Document, Vec<Table>)> {
        Ok((report::document(self, record), report::tables(self, record)))
    }

    /// Whether every step held, including those that came to nothing.
    fn is_fulfilled(&self, record: &Record, cases: usize) -> bool {
        record.steps.iter().filter(|step| self.broke(step).is_empty()).count() >= cases
    }
}
