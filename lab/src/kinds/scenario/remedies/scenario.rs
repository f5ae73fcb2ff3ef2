//! Plans, plays and publishes a scenario about remedies.

use ::host::Facts;
use results::report::{Document, Table};
use results::stats::blocks::REFERENCES;

use crate::kinds::scenario::plan::{About, Beside, Made, Played, Run, Scenario, Seconds};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::{ArmRecord, CounterRecord, FigureRecord, Finished, Record, RunRecord};
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::remedies::table::Remedies;
use crate::kinds::scenario::remedies::{judge, report};
use crate::kinds::scenario::seen::Seen;
use crate::kinds::scenario::timeline::{Ground, Timeline};
use crate::session::host::Host;
use crate::session::limits;
use crate::session::request::Profile;
use crate::subjects::tools::find;
use results::shell;

/// Sockets that the tables of connections of both hosts are made for.
const SOCKETS: u64 = 1 << 18;

/// An arm of the plan: the first arm of the table takes part twice.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    arm: Arm,
    name: String,
}

impl Scenario for Remedies {
    type Case = Planned;
    type Planned = Planned;
    type Found = Finished;
    type Record = Record;

    const LIST: &'static str = "remedies";

    fn about(&self) -> &About {
        &self.about
    }

    fn cases(&self, profile: Profile) -> Vec<Planned> {
        let planned = |arm: &Arm, name: String| Planned { arm: arm.clone(), name };
        let arms = (self.arms)(profile);
        let Some(nothing) = arms.first() else { return vec![] };
        let twins = (1..REFERENCES).map(|_| planned(nothing, format!("{} (twin)", nothing.name)));
        let mut cases = vec![planned(nothing, nothing.name.to_owned())];
        cases.extend(twins);
        cases.extend(arms[1..].iter().map(|arm| planned(arm, arm.name.to_owned())));
        cases
    }

    fn name(&self, case: &Planned) -> String {
        case.name.clone()
    }

    fn load(&self) -> String {
        self.load.to_owned()
    }

    fn seconds(&self, case: &Planned, asked: u32) -> Seconds {
        let (measured, around) = (self.seconds)(&case.arm, asked);
        Seconds { measured, whole: measured + around }
    }

    fn repeats(&self, case: &Planned, asked: u32) -> u32 {
        case.arm.repeats_max.map_or(asked, |most| most.min(asked))
    }

    fn plan(&self, _host: &dyn Host, case: Planned) -> Result<Planned, String> {
        let available = Facts::of_this_host().memory.available_bytes;
        limits::check_memory(case.arm.connections_max, available).map_err(|lacks| format!("{}: {lacks}", case.name))?;
        match case.arm.program.filter(|program| find::path_of(program).is_none()) {
            None => Ok(case),
            Some(program) => Err(format!("{}: needs the program {program}, which is not installed", case.name)),
        }
    }

    fn timeline(&self, planned: &Planned, run: &Run<'_>) -> Timeline {
        let ground = Ground::Joined { sockets: SOCKETS, addresses: planned.arm.addresses, wire: None };
        Timeline { ground, lent: vec![], actions: (self.timeline)(&planned.arm, run) }
    }

    fn found(&self, planned: &Planned, run: &Run<'_>, seen: &Seen) -> anyhow::Result<Finished> {
        let scene = Scene::of(&planned.arm, seen)?;
        let run = RunRecord {
            repeat: run.repeat,
            order: run.order,
            figures: self.figures.iter().map(|figure| (figure.of)(&scene)).collect(),
            least: (self.least)(&scene),
            counters: self.counters.iter().map(|(side, counter)| seen.counted(*side, counter)).collect(),
            points: (self.picture.points)(&scene),
            verdict: scene.verdict(),
        };
        let mut commands: Vec<String> = Vec::new();
        for command in seen.outputs.iter().map(|output| shell::line(&output.command)) {
            // A server that is started again is told once.
            if !commands.contains(&command) {
                commands.push(command);
            }
        }
        Ok(Finished { arm: planned.name.clone(), commands, run })
    }

    fn line(&self, _finished: &Finished) -> Option<String> {
        None
    }

    fn record(&self, played: Played<'_, Planned, Finished>) -> anyhow::Result<Made<Record>> {
        let found = &played.found;
        let arm = |planned: &Planned| {
            let own = || found.iter().filter(|finished| finished.arm == planned.name);
            ArmRecord {
                name: planned.name.clone(),
                what: planned.arm.what.to_owned(),
                group: planned.arm.group.map(str::to_owned),
                repeats_max: planned.arm.repeats_max,
                commands: own().next().map(|finished| finished.commands.clone()).unwrap_or_default(),
                runs: own().map(|finished| finished.run.clone()).collect(),
                effect: None,
                is_bound: false,
            }
        };
        let mut remedies: Vec<ArmRecord> = played.planned.iter().map(arm).collect();
        if let Some(decides) = self.figures.first() {
            judge::judge_all(&mut remedies, decides.better, judge::EFFECT_MIN);
        }
        let figure = |figure: &crate::kinds::scenario::remedies::table::Figure| FigureRecord {
            name: figure.name.to_owned(),
            unit: figure.unit.to_owned(),
            better: figure.better,
        };
        let counter = |(side, name): &(_, &str)| CounterRecord { side: *side, name: (*name).to_owned() };
        let mut record = Record {
            head: played.head,
            repeats: played.repeats,
            seconds_per_run: played.seconds,
            notes: NOTES.iter().chain(self.notes).map(|note| (*note).to_owned()).collect(),
            skipped: played.skipped,
            incidents: played.incidents,
            figures: self.figures.iter().map(figure).collect(),
            counters: self.counters.iter().map(counter).collect(),
            remedies,
            foretold: None,
        };
        record.foretold = (self.foretell)(&record);
        Ok(Made { record, beside: vec![] })
    }

    fn answer(&self, record: &Record) -> String {
        report::answers(self, record).join(" ")
    }

    fn report(&self, record: &Record, _beside: Beside<'_>) -> anyhow::Result<(Document, Vec<Table>)> {
        Ok((report::document(self, record), report::tables(self, record)))
    }

    /// Whether every arm ran as often as it should, and the run shows what it is about; or, in a control, that it does not.
    fn is_fulfilled(&self, record: &Record, cases: usize) -> bool {
        let is_whole = |arm: &&ArmRecord| arm.runs.len() == arm.repeats_of(record.repeats) as usize;
        record.remedies.iter().filter(is_whole).count() >= cases
            && match record.head.without_fault {
                true => (self.fault_shows)(record).is_some(),
                false => report::expectations(self, record).next().is_none(),
            }
    }
}

/// What holds for every scenario of this kind.
const NOTES: [&str; 3] = [
    "Server and clients are on two hosts of the run's own: network namespaces that are joined by a virtual cable and gone \
     afterwards. Each has its own counters, ports and TIME-WAITs; both share this machine's CPUs.",
    "Congestion control is reno on both, and an orphan is given up after one retry (net.ipv4.tcp_orphan_retries), so that a \
     run leaves nothing to the next.",
    "What is less than a run can tell from nothing, one event as a rule, counts as that much. A ratio that rests on it is a \
     bound: at least, or at most.",
];
