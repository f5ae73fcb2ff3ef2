//! Runs a scenario from its command to its report.

use anyhow::bail;
use results::report::Table;
use serde::{Deserialize, Serialize};

use crate::kinds::scenario::frame::{self, Head};
use crate::kinds::scenario::plan::{About, Length, Made, Played, Run, Scenario};
use crate::kinds::scenario::play::play;
use crate::refusal::Refusal;
use crate::session::host::Host;
use crate::session::journal::{self, Line};
use crate::session::progress::Progress;
use crate::session::request::{Profile, Request};
use crate::session::sitting::{Outline, Sitting, show};
use crate::session::stage::Stage;
use crate::session::{orphans, start};

/// Seeds have so many bits because every JSON reader keeps such a number exactly.
const SEED_BITS: u32 = 53;

/// What the journal keeps of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept<F> {
    Step { case: String, repeat: u32, found: Box<F> },
}

impl<F: Serialize + for<'de> Deserialize<'de>> journal::Finished for Kept<F> {
    fn is_run(&self) -> bool {
        true
    }
}

/// Plays a scenario and shows the result. Returns the exit code.
pub(super) fn conduct<S: Scenario>(scenario: &S, request: &Request, stage: Stage<'_>) -> anyhow::Result<u8> {
    let Published { record, tables, code } = publish(scenario, request, stage)?;
    // Comes last: if stdout cannot be written to, everything else is already finished.
    show(request, &record, tables)?;
    Ok(code)
}

/// The result of a scenario.
pub(super) struct Published<R> {
    pub(super) record: R,
    pub(super) tables: Vec<Table>,
    pub(super) code: u8,
}

/// Plays what is missing in the journal, then publishes the complete scenario.
pub(super) fn publish<S: Scenario>(
    scenario: &S,
    request: &Request,
    stage: Stage<'_>,
) -> anyhow::Result<Published<S::Record>> {
    let about = scenario.about();
    let profile = profile(about, request).map_err(Refusal::usage)?;
    refuse_what_has_no_effect(about, request).map_err(Refusal::usage)?;
    let (planned, skipped) = planned(scenario, stage.host, profile);
    if planned.is_empty() {
        bail!("nothing can be run here: {}", skipped.join("; "));
    }
    let outline = outline(scenario, request, profile, &planned, skipped);
    let mut sitting = Sitting::<Kept<S::Found>>::open(request, stage, outline)?;
    // Comes after the checks: a refused experiment disturbs nobody.
    if about.wait_max.is_none()
        && let Some(rivals) = orphans::rivals()
    {
        say!("c10m: WARNING: {rivals}: each disturbs the other");
    }
    if let Err(error) = play_all(scenario, &mut sitting, &planned, !request.without_fault) {
        return Err(sitting.unfinished(&error));
    }
    let count = planned.len();
    let planned = planned.into_iter().map(|step| step.case).collect();
    let Made { record, beside } = scenario.record(played(scenario, request, profile, &sitting, planned)?)?;
    let (document, tables) = scenario.report(&record, &|name| Ok(frame::text(&beside, name)))?;
    let mut files = vec![("record.json".to_owned(), (serde_json::to_string(&record)? + "\n").into_bytes())];
    files.extend(results::report::files(&document));
    files.extend(beside.into_iter().map(|(name, text)| (name, text.into_bytes())));
    sitting.publish(&label(about, profile, request.without_fault), &files)?;
    let code = u8::from(!scenario.is_fulfilled(&record, count));
    Ok(Published { record, tables, code })
}

/// Labels the run's directory with the experiment and, if it has several, the profile.
fn label(about: &About, profile: Profile, is_control: bool) -> String {
    let profile = if about.profiles.len() == 1 { String::new() } else { format!("-{}", profile.word()) };
    format!("{}{profile}{}", about.name, if is_control { "-no-fault" } else { "" })
}

fn profile(about: &About, request: &Request) -> Result<Profile, String> {
    let (name, profiles) = (about.name, about.profiles);
    match (request.profile, profiles) {
        (None, _) => profiles.first().copied().ok_or_else(|| format!("{name} has no profile")),
        (Some(asked), _) if profiles.contains(&asked) => Ok(asked),
        (Some(asked), [only]) => Err(format!(
            "{name} has only the profile {}: leave out --profile {}, or shorten it with --seconds",
            only.word(),
            asked.word()
        )),
        (Some(_), _) => {
            let words: Vec<&str> = profiles.iter().map(|profile| profile.word()).collect();
            Err(format!("{name} has the profiles {}", words.join(", ")))
        }
    }
}

fn refuse_what_has_no_effect(about: &About, request: &Request) -> Result<(), String> {
    if let Length::Given(why) = about.length
        && (request.repeats.is_some() || request.seconds.is_some())
    {
        return Err(format!("{} {why}: leave out --repeats and --seconds", about.name));
    }
    if !request.arms.is_empty() || !request.loads.is_empty() || request.apart {
        return Err(format!(
            "{} is no comparison and is measured whole: leave out --arm, --load and --apart",
            about.name
        ));
    }
    if request.budget.is_some() {
        return Err(format!(
            "{} is no comparison and has no budget: leave out --budget, or give --repeats",
            about.name
        ));
    }
    if request.without_fault && !about.has_control {
        return Err(format!("{} is about no failure: leave out --no-fault", about.name));
    }
    if about.wait_max.is_none() && (request.noisy || request.wait_max.is_some()) {
        return Err(format!("{} does not wait for a quiet machine: leave out --noisy and --wait-max", about.name));
    }
    Ok(())
}

/// A case that can be played here.
struct Step<S: Scenario> {
    name: String,
    /// Most repeats of it.
    repeats_max: u32,
    case: S::Planned,
}

/// The cases that can be played here, and the reasons why the others cannot.
fn planned<S: Scenario>(scenario: &S, host: &dyn Host, profile: Profile) -> (Vec<Step<S>>, Vec<String>) {
    let (mut planned, mut skipped) = (Vec::new(), Vec::new());
    for case in scenario.cases(profile) {
        let (name, repeats_max) = (scenario.name(&case), scenario.repeats(&case, u32::MAX));
        match scenario.plan(host, case) {
            Ok(case) => planned.push(Step { name, repeats_max, case }),
            Err(reason) => skipped.push(reason),
        }
    }
    (planned, skipped)
}

fn outline<S: Scenario>(
    scenario: &S,
    request: &Request,
    profile: Profile,
    planned: &[Step<S>],
    skipped: Vec<String>,
) -> Outline {
    let (about, cases) = (scenario.about(), scenario.cases(profile));
    let (repeats, seconds) = about.length.usual();
    let repeats = request.repeats.unwrap_or(repeats);
    // Some of the generators accept whole seconds only.
    let seconds = request.seconds.map_or(seconds, |seconds| seconds.ceil() as u32);
    let whole_s = |case: &S::Case| scenario.seconds(case, seconds).whole * f64::from(scenario.repeats(case, repeats));
    Outline {
        name: about.name,
        profile,
        seed: request.seed.unwrap_or_else(|| start::seed(request) >> (u64::BITS - SEED_BITS)),
        arms: cases.iter().map(|case| scenario.name(case)).collect(),
        // A control is not continued as the experiment, or the other way round.
        loads: request.without_fault.then(|| "without the fault".to_owned()).into_iter().collect(),
        repeats,
        budget: None,
        seconds: f64::from(seconds),
        runs: Some(run_count(planned, repeats)),
        noun: noun(about),
        expected_s: cases.iter().map(whole_s).sum(),
        skipped,
        needs: about.needs,
        wait_max: about.wait_max,
        attempts_max: about.attempts_max,
    }
}

fn run_count<S: Scenario>(planned: &[Step<S>], repeats: u32) -> u64 {
    planned.iter().map(|step| u64::from(step.repeats_max.min(repeats))).sum()
}

/// The word for runs of this scenario.
fn noun(about: &About) -> &'static str {
    match about.length {
        Length::Given(_) => "steps",
        Length::Usual { .. } => "runs",
    }
}

/// Plays all cases, repeats outermost, every second repeat backwards. A case that failed in each of several attempts is
/// left out for good: its other repeats are not played, and a continued experiment does not try it again. Where a run
/// has only one attempt, a continued experiment does try it again.
fn play_all<S: Scenario>(
    scenario: &S,
    sitting: &mut Sitting<'_, Kept<S::Found>>,
    planned: &[Step<S>],
    fault: bool,
) -> anyhow::Result<()> {
    let (repeats, seconds, seed) = {
        let header = sitting.journal().header();
        (header.repeats, header.seconds as u32, header.seed)
    };
    let total = run_count(planned, repeats);
    let mut progress = Progress::new(sitting.journal().run_count() as u64, total);
    let places = sitting.stage().places.clone();
    let mut order = 0;
    for repeat in 0..repeats {
        let mut steps: Vec<&Step<S>> = planned.iter().filter(|step| repeat < step.repeats_max).collect();
        if repeat % 2 == 1 {
            steps.reverse();
        }
        for Step { name, case, .. } in steps {
            let run =
                Run { places: &places, seed: seed.wrapping_add(u64::from(repeat)), seconds, repeat, order, fault };
            order += 1;
            let is_done = |Kept::Step { case, repeat, .. }: &Kept<S::Found>| *case == *name && *repeat == run.repeat;
            if sitting.journal().finished().any(is_done) || sitting.is_left_out(name) {
                continue;
            }
            play_one(scenario, sitting, (name, case), &run, &mut progress, (order, total))?;
        }
    }
    progress.clear();
    Ok(())
}

/// Plays one run once the machine is fit, and tries again as often as the scenario says when it fails.
fn play_one<S: Scenario>(
    scenario: &S,
    sitting: &mut Sitting<'_, Kept<S::Found>>,
    (name, case): (&str, &S::Planned),
    run: &Run<'_>,
    progress: &mut Progress,
    (number, total): (u32, u64),
) -> anyhow::Result<()> {
    let about = scenario.about();
    let label = match about.length {
        Length::Given(_) => {
            progress.say(&format!("step {number} of {total}: {name}"));
            name.to_owned()
        }
        Length::Usual { .. } => {
            progress.begin(Some(run.repeat), name);
            format!("{name}, repeat {}", run.repeat + 1)
        }
    };
    let attempt = sitting.attempt_when_fit(&label, progress, |stage| {
        let seen = play(&scenario.timeline(case, run), stage)?;
        // Ctrl-C reaches the children too, and a load that was cut short still prints a record.
        if stage.is_stopped() {
            bail!("interrupted");
        }
        scenario.found(case, run, &seen)
    })?;
    match attempt {
        Ok(found) => {
            if let Some(line) = scenario.line(&found) {
                progress.say(&format!("  {line}"));
            }
            sitting.keep(Kept::Step { case: name.to_owned(), repeat: run.repeat, found: Box::new(found) })?;
        }
        Err(reason) if about.attempts_max > 1 => {
            sitting.leave_out(
                name.to_owned(),
                format!("{name}: failed {}: {reason}", times(about.attempts_max)),
                progress,
            )?;
        }
        // The journal has the failure already.
        Err(_) => {}
    }
    progress.finish_step();
    Ok(())
}

fn times(count: u32) -> String {
    if count == 2 { "twice".to_owned() } else { format!("{count} times") }
}

/// What a line of the journal says about a failure or a wait.
fn incident<T>(line: &Line<T>) -> Option<String> {
    match line {
        Line::Wait(words) | Line::Failure(words) => Some(words.clone()),
        Line::LeftOut { .. } | Line::Resumed(_) | Line::Finished(_) => None,
    }
}

fn played<'a, S: Scenario>(
    scenario: &S,
    request: &Request,
    profile: Profile,
    sitting: &'a Sitting<'_, Kept<S::Found>>,
    planned: Vec<S::Planned>,
) -> anyhow::Result<Played<'a, S::Planned, S::Found>> {
    let (about, account) = (scenario.about(), sitting.account()?);
    let found = sitting.journal().finished().map(|Kept::Step { found, .. }| (**found).clone()).collect();
    let mut incidents: Vec<String> = sitting.journal().lines().iter().filter_map(incident).collect();
    if request.noisy {
        incidents.push("Measured with --noisy: the machine was not waited for.".to_owned());
    }
    Ok(Played {
        head: Head {
            schema: frame::SCHEMA,
            experiment: about.name.to_owned(),
            profile: (about.profiles.len() > 1).then(|| profile.word().to_owned()),
            question: about.question.to_owned(),
            started_at: account.started_at,
            duration_s: account.duration_s,
            command: account.command,
            version: account.version,
            commit: account.commit,
            host: account.host,
            seed: account.seed,
            without_fault: request.without_fault,
        },
        planned,
        found,
        places: &sitting.stage().places,
        repeats: account.repeats,
        seconds: account.seconds_per_run as u32,
        skipped: account.skipped,
        failures: account.failures,
        incidents,
    })
}
