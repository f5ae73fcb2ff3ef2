//! Makes a scenario an [`Experiment`]: lists it, runs it, and reads its record again.

use std::path::Path;

use results::report::{Document, Table};
use results::run as run_directory;
use serde_json::Value;

use crate::kinds::experiment::{Experiment, Listed, ListedProfile};
use crate::kinds::scenario::conduct::conduct;
use crate::kinds::scenario::plan::Scenario;
use crate::session::host::Host;
use crate::session::request::{Profile, Request};
use crate::session::stage::Stage;

impl<S: Scenario> Experiment for S {
    fn name(&self) -> &'static str {
        self.about().name
    }

    fn listed(&self) -> Listed {
        let about = self.about();
        Listed {
            name: about.name,
            question: about.question,
            explanation: about.explanation,
            decision: about.decision.to_owned(),
            profiles: about.profiles.iter().map(|profile| listed(self, *profile)).collect(),
        }
    }

    fn run(&self, request: &Request, host: &dyn Host) -> anyhow::Result<u8> {
        conduct(self, request, Stage::on(host)?)
    }

    fn wrote(&self, record: &Value) -> bool {
        record.get(S::LIST).is_some()
    }

    fn answer(&self, record: Value, _directory: &Path) -> anyhow::Result<String> {
        Ok(Scenario::answer(self, &serde_json::from_value(record)?))
    }

    fn render(&self, record: Value, directory: &Path) -> anyhow::Result<(Document, Vec<Table>)> {
        let record: S::Record = serde_json::from_value(record)?;
        self.report(&record, &|name| Ok(run_directory::text(&directory.join(name))?))
    }
}

fn listed<S: Scenario>(scenario: &S, profile: Profile) -> ListedProfile {
    let (cases, (repeats, seconds)) = (scenario.cases(profile), scenario.about().length.usual());
    let times: Vec<_> = cases.iter().map(|case| scenario.seconds(case, seconds)).collect();
    ListedProfile {
        profile,
        arms: cases.iter().map(|case| scenario.name(case)).collect(),
        loads: vec![scenario.load()],
        repeats: Some(repeats),
        seconds_per_run: times.iter().map(|time| time.measured).fold(0.0, f64::max),
        runs: cases.len() as u64 * u64::from(repeats),
        expected_minutes: to_ms(times.iter().map(|time| time.whole).sum::<f64>() * f64::from(repeats)) / 60.0,
    }
}

/// Seconds rounded to ms, which removes the rounding error of a sum.
fn to_ms(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
