//! Plans, plays and publishes a scenario about claims.

use results::hgrm;
use results::histogram::Latencies;
use results::report::{Document, Table};

use crate::kinds::scenario::claims::form::{self, Truth};
use crate::kinds::scenario::claims::picture::{self, Curve};
use crate::kinds::scenario::claims::record::{
    ArmRecord, Figures, Finished, Histograms, Record, RunRecord, percentile_medians,
};
use crate::kinds::scenario::claims::table::{Claims, Installed};
use crate::kinds::scenario::claims::{report, runs};
use crate::kinds::scenario::plan::{About, Beside, Made, Played, Run, Scenario, Seconds};
use crate::kinds::scenario::seen::Seen;
use crate::kinds::scenario::timeline::{Ground, Timeline};
use crate::session::host::Host;
use crate::session::request::Profile;
use crate::subjects::tools::tool::Tool;

/// What a run takes besides its seconds: two processes start and end.
const OVERHEAD_S: f64 = 0.8;

impl Scenario for Claims {
    type Case = Tool;
    type Planned = Installed;
    type Found = Finished;
    type Record = Record;

    const LIST: &'static str = "arms";

    fn about(&self) -> &About {
        &self.about
    }

    fn cases(&self, _profile: Profile) -> Vec<Tool> {
        self.tools.to_vec()
    }

    fn name(&self, tool: &Tool) -> String {
        tool.name().to_owned()
    }

    fn load(&self) -> String {
        format!("{} connections, at {}/s where a rate can be held", self.connections, self.rate)
    }

    fn seconds(&self, _tool: &Tool, asked: u32) -> Seconds {
        Seconds { measured: f64::from(asked), whole: f64::from(asked) + OVERHEAD_S }
    }

    fn plan(&self, host: &dyn Host, tool: Tool) -> Result<Installed, String> {
        let missing = || format!("{}: {} is not installed (scripts/generators.sh)", tool.name(), tool.program());
        tool.find(host).map(|found| Installed { tool, found }).ok_or_else(missing)
    }

    fn timeline(&self, installed: &Installed, run: &Run<'_>) -> Timeline {
        Timeline { ground: Ground::Here, lent: vec![], actions: (self.timeline)(self, installed, run) }
    }

    fn found(&self, installed: &Installed, run: &Run<'_>, seen: &Seen) -> anyhow::Result<Finished> {
        runs::finished(installed.tool, run, seen)
    }

    fn line(&self, _finished: &Finished) -> Option<String> {
        None
    }

    fn record(&self, played: Played<'_, Installed, Finished>) -> anyhow::Result<Made<Record>> {
        let truth = self.truth(&played.found)?;
        let mut files = Vec::new();
        for installed in &played.planned {
            let tool = installed.tool;
            let texts: Vec<&str> =
                histograms(&played.found, tool).map(|histograms| histograms.response.as_str()).collect();
            if let Some(name) = tool.histogram_name().filter(|_| !texts.is_empty()) {
                files.push((file(name), hgrm::text(&Latencies::decode_all(texts)?)));
            }
        }
        let record = Record {
            head: played.head,
            repeats: played.repeats,
            seconds_per_run: played.seconds,
            connections: self.connections,
            rate: self.rate,
            stalls: truth.stalls.clone(),
            truth: truth.figures,
            base_ms: truth.base_ms,
            notes: (self.notes)(self, played.places),
            skipped: played.skipped,
            failures: played.failures,
            arms: played.planned.into_iter().map(|installed| arm(installed, &played.found)).collect(),
        };
        Ok(Made { record, beside: files })
    }

    fn answer(&self, record: &Record) -> String {
        report::answer(record)
    }

    fn report(&self, record: &Record, beside: Beside<'_>) -> anyhow::Result<(Document, Vec<Table>)> {
        let mut curves = Vec::new();
        for (tool, name) in self.tools.iter().filter_map(|tool| Some((tool, file(tool.histogram_name()?)))) {
            let Some(text) = beside(&name)? else { continue };
            let points = hgrm::points(&text).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
            let points = points.into_iter().map(|(quantile, us)| (quantile, us / 1000.0)).collect();
            curves.push(Curve { name: tool.name().to_owned(), points });
        }
        let chart = picture::chart(record, &form::of_record(record), &curves).svg()?;
        Ok((report::document(record, chart), report::tables(record)))
    }

    /// Always true: whatever the tools claim, the scenario found it out.
    fn is_fulfilled(&self, _record: &Record, _cases: usize) -> bool {
        true
    }
}

impl Claims {
    fn truth(&self, found: &[Finished]) -> anyhow::Result<Truth> {
        let mut medians_ms = Vec::new();
        for histograms in histograms(found, self.reference) {
            medians_ms.extend(Latencies::decode(&histograms.service)?.quantile_us(0.5).map(|us| us / 1000.0));
        }
        form::of(found.iter().map(|finished| &finished.run), self.stalling, &medians_ms)
    }
}

fn file(name: &str) -> String {
    format!("{name}.hgrm")
}

fn histograms(found: &[Finished], tool: Tool) -> impl Iterator<Item = &Histograms> {
    of(found, tool).filter_map(|finished| finished.histograms.as_ref())
}

fn of(found: &[Finished], tool: Tool) -> impl Iterator<Item = &Finished> {
    found.iter().filter(move |finished| finished.arm == tool.name())
}

/// The record of an arm, even if none of the tool's runs succeeded.
fn arm(installed: Installed, found: &[Finished]) -> ArmRecord {
    let tool = installed.tool;
    let runs: Vec<RunRecord> = of(found, tool).map(|finished| finished.run.clone()).collect();
    let requests: Vec<f64> = runs.iter().map(|run| run.reported.requests as f64).collect();
    ArmRecord {
        name: tool.name().to_owned(),
        load_loop: tool.load_loop().to_owned(),
        is_closed: tool.is_closed(),
        claim: tool.claim().to_owned(),
        tool_version: installed.found.version,
        command: of(found, tool).next().map(|finished| finished.command.clone()).unwrap_or_default(),
        reported: Figures::medians(&runs),
        requests: results::stats::median(&requests),
        percentiles: percentile_medians(&runs),
        runs,
    }
}
