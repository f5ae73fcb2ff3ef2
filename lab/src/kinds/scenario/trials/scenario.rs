//! Plans, plays and publishes trials.

use std::collections::BTreeSet;
use std::path::Path;

use results::report::{Document, Table};
use results::shell;

use crate::kinds::scenario::plan::{About, Beside, Made, Played, Run, Scenario, Seconds};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::judge;
use crate::kinds::scenario::remedies::record::{ArmRecord, CounterRecord, FigureRecord, RunRecord};
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::seen::Seen;
use crate::kinds::scenario::timeline::{Ground, Timeline};
use crate::kinds::scenario::trials::record::{Finished, Part, Record, WorkloadRecord};
use crate::kinds::scenario::trials::report;
use crate::kinds::scenario::trials::table::{Trial, Trials, Workload};
use crate::kinds::scenario::trials::verdict::EFFECT_MIN;
use crate::session::host::Host;
use crate::session::request::Profile;
use crate::session::wire::Wire;

const CONGESTION: &str = "net.ipv4.tcp_congestion_control";
const ALLOWED_CONGESTION: &str = "net.ipv4.tcp_allowed_congestion_control";
/// Seconds of a run beside the measured ones: two hosts, a server, a client.
const AROUND_S: f64 = 0.7;

/// An arm of a workload.
#[derive(Clone)]
pub(crate) struct Case {
    workload: &'static Workload,
    part: Part,
    /// Whether it is the second of two alike.
    is_twin: bool,
    trial: Trial,
    repeats: u32,
}

impl Case {
    fn usual(workload: &'static Workload, profile: Profile, is_twin: bool) -> Case {
        let trial = Trial::of("", "", workload.usual.clone());
        Case { part: Part::Usual, is_twin, ..Case::of(workload, profile, trial) }
    }

    fn of(workload: &'static Workload, profile: Profile, trial: Trial) -> Case {
        let (setting, value) = (trial.setting.to_owned(), trial.value.to_owned());
        let part = if trial.is_left_out { Part::LeftOut { setting, value } } else { Part::Value { setting, value } };
        let repeats = if profile == Profile::Full { 3 * workload.repeats } else { workload.repeats };
        Case { workload, part, is_twin: false, trial, repeats }
    }

    /// Its name among those of its workload.
    fn own_name(&self) -> String {
        match (&self.part, self.is_twin) {
            (Part::Usual, false) => "usual".to_owned(),
            (Part::Usual, true) => "usual (twin)".to_owned(),
            (Part::Planted, _) => format!("planted: {}", self.trial.arm.name),
            (Part::Value { setting, value }, _) => format!("{setting} {value}"),
            (Part::LeftOut { setting, value }, _) => format!("without {setting} ({value})"),
        }
    }
}

impl Trials {
    /// Whether a setting was asked for.
    fn wants(&self, setting: &str) -> bool {
        self.asked.is_empty() || self.asked.iter().any(|asked| is_named(setting, asked))
    }

    /// The settings that some workload tries, each once.
    pub(crate) fn known(&self) -> Vec<&'static str> {
        let all = self.workloads.iter().flat_map(|workload| (workload.trials)(Profile::Full));
        let names: BTreeSet<&'static str> = all.map(|trial| trial.setting).collect();
        names.into_iter().collect()
    }

    /// What was asked for and no workload tries.
    pub(crate) fn unknown(&self) -> Vec<String> {
        let is_known = |asked: &&String| self.known().iter().any(|setting| is_named(setting, asked));
        self.asked.iter().filter(|asked| !is_known(asked)).cloned().collect()
    }

    /// The cases of a workload; none if nobody asked for any of its settings.
    fn cases_of(&self, workload: &'static Workload, profile: Profile) -> Vec<Case> {
        let trials: Vec<Trial> =
            (workload.trials)(profile).into_iter().filter(|trial| self.wants(trial.setting)).collect();
        if trials.is_empty() {
            return vec![];
        }
        let planted = Trial::of("", "", workload.planted.clone());
        let mut cases = vec![Case::usual(workload, profile, false), Case::usual(workload, profile, true)];
        cases.push(Case { part: Part::Planted, ..Case::of(workload, profile, planted) });
        cases.extend(trials.into_iter().map(|trial| Case::of(workload, profile, trial)));
        cases
    }
}

/// Whether somebody means a setting: by its whole name, or by its last part.
fn is_named(setting: &str, asked: &str) -> bool {
    setting == asked || setting.rsplit(['.', '/']).next() == Some(asked)
}

impl Scenario for Trials {
    type Case = Case;
    type Planned = Case;
    type Found = Finished;
    type Record = Record;

    const LIST: &'static str = "trials";

    fn about(&self) -> &About {
        &self.about
    }

    fn cases(&self, profile: Profile) -> Vec<Case> {
        self.workloads.iter().flat_map(|workload| self.cases_of(workload, profile)).collect()
    }

    fn name(&self, case: &Case) -> String {
        format!("{}: {}", case.workload.name, case.own_name())
    }

    fn load(&self) -> String {
        let names: Vec<&str> = self.workloads.iter().map(|workload| workload.name).collect();
        names.join(", ")
    }

    fn seconds(&self, _case: &Case, asked: u32) -> Seconds {
        Seconds { measured: f64::from(asked), whole: f64::from(asked) + AROUND_S }
    }

    fn repeats(&self, case: &Case, asked: u32) -> u32 {
        case.repeats.min(asked)
    }

    fn plan(&self, _host: &dyn Host, case: Case) -> Result<Case, String> {
        let name = self.name(&case);
        match case.trial.host {
            Some(_) if !self.may_change_host => Err(format!(
                "{name}: it is a setting of the whole host; --host changes it while it is tried, and restores it"
            )),
            _ => match missing(&case.trial) {
                Some(what) => Err(format!("{name}: {what}")),
                None => Ok(case),
            },
        }
    }

    fn timeline(&self, case: &Case, run: &Run<'_>) -> Timeline {
        let workload = case.workload;
        let wire = workload.cable.map(|cable| Wire {
            delay: cable.delay,
            lost_per_10000: cable.lost_per_10000,
            seed: run.seed,
        });
        let sockets = case.trial.sockets.unwrap_or(workload.sockets);
        let ground = Ground::Joined { sockets, addresses: case.trial.arm.addresses, wire };
        let actions = (workload.timeline)(&case.trial.arm, run);
        Timeline { ground, lent: case.trial.host.into_iter().collect(), actions }
    }

    fn found(&self, case: &Case, run: &Run<'_>, seen: &Seen) -> anyhow::Result<Finished> {
        let (arm, workload): (&Arm, &Workload) = (&case.trial.arm, case.workload);
        let scene = Scene::of(arm, seen)?;
        let run = RunRecord {
            repeat: run.repeat,
            order: run.order,
            figures: workload.figures.iter().map(|figure| (figure.of)(&scene)).collect(),
            least: (workload.least)(&scene),
            counters: workload.counters.iter().map(|(side, counter)| seen.counted(*side, counter)).collect(),
            points: vec![],
            verdict: scene.verdict(),
        };
        let settings = arm.settings.iter().map(|(side, name, value)| format!("# {}: {name} = {value}", side.word()));
        let lent = case.trial.host.iter().map(|(name, value)| format!("# the whole host: {name} = {value}"));
        let commands = seen.outputs.iter().map(|output| shell::line(&output.command));
        Ok(Finished { case: self.name(case), commands: settings.chain(lent).chain(commands).collect(), run })
    }

    fn line(&self, _finished: &Finished) -> Option<String> {
        None
    }

    fn record(&self, played: Played<'_, Case, Finished>) -> anyhow::Result<Made<Record>> {
        let of_workload = |workload: &'static Workload| {
            let cases: Vec<&Case> =
                played.planned.iter().filter(|case| std::ptr::eq(case.workload, workload)).collect();
            let mut arms: Vec<ArmRecord> =
                cases.iter().map(|case| arm_record(case, &self.name(case), &played.found)).collect();
            if let Some(decides) = workload.figures.first() {
                judge::judge_all(&mut arms, decides.better, EFFECT_MIN);
            }
            WorkloadRecord {
                name: workload.name.to_owned(),
                what: workload.what.to_owned(),
                figures: workload
                    .figures
                    .iter()
                    .map(|figure| FigureRecord {
                        name: figure.name.to_owned(),
                        unit: figure.unit.to_owned(),
                        better: figure.better,
                    })
                    .collect(),
                counters: workload
                    .counters
                    .iter()
                    .map(|(side, name)| CounterRecord { side: *side, name: (*name).to_owned() })
                    .collect(),
                parts: cases.iter().map(|case| case.part.clone()).collect(),
                arms,
            }
        };
        let trials = self.workloads.iter().map(of_workload).filter(|workload| !workload.arms.is_empty()).collect();
        let record = Record {
            head: played.head,
            repeats: played.repeats,
            seconds_per_run: played.seconds,
            notes: NOTES.iter().chain(self.notes).map(|note| (*note).to_owned()).collect(),
            skipped: played.skipped,
            incidents: played.incidents,
            trials,
        };
        Ok(Made { record, beside: vec![] })
    }

    fn answer(&self, record: &Record) -> String {
        report::answers(record).join(" ")
    }

    fn report(&self, record: &Record, _beside: Beside<'_>) -> anyhow::Result<(Document, Vec<Table>)> {
        Ok((report::document(record), report::tables(record)))
    }

    /// Whether every arm ran as often as it should, and every workload saw the change that was planted and nothing between two
    /// arms that are alike.
    fn is_fulfilled(&self, record: &Record, cases: usize) -> bool {
        let arms = || record.trials.iter().flat_map(|workload| &workload.arms);
        arms().filter(|arm| arm.runs.len() == arm.repeats_of(record.repeats) as usize).count() >= cases
            && report::broken(record).is_empty()
    }
}

/// What a kernel lacks for a trial.
fn missing(trial: &Trial) -> Option<String> {
    let value = |name: &str| ::host::sysctl::value(Path::new("/"), name);
    let own = trial.arm.settings.iter().map(|(_, name, value)| (*name, *value));
    for (name, wanted) in own.chain(trial.host) {
        if value(name).is_none() {
            return Some(format!("this kernel has no {name}"));
        }
        // A child namespace may choose among these only (net/ipv4/tcp_cong.c, tcp_set_default_congestion_control).
        let allowed = value(ALLOWED_CONGESTION).unwrap_or_default();
        if name == CONGESTION && !allowed.split_whitespace().any(|one| one == wanted) {
            return Some(format!("a namespace may choose {wanted} only where {ALLOWED_CONGESTION} has it"));
        }
    }
    None
}

fn arm_record(case: &Case, name: &str, found: &[Finished]) -> ArmRecord {
    let own = || found.iter().filter(|finished| finished.case == name);
    ArmRecord {
        name: case.own_name(),
        what: case.trial.arm.what.to_owned(),
        group: None,
        repeats_max: Some(case.repeats),
        commands: own().next().map(|finished| finished.commands.clone()).unwrap_or_default(),
        runs: own().map(|finished| finished.run.clone()).collect(),
        effect: None,
        is_bound: false,
    }
}

/// What holds for all trials.
const NOTES: [&str; 4] = [
    "Server and clients are on two hosts of the run's own: network namespaces that are joined by a virtual cable, or by one \
     that this program delays, and gone afterwards. Both share this machine's CPUs.",
    "One setting differs from the usual arm at a time. Congestion control is reno, unless it is what is tried.",
    "Less than 10 % does not count. “No effect” means that the whole interval is closer to 1 than that; “undecided” that it is not.",
    "A setting that has no effect under the workload in which it should matter may have one under another.",
];
