//! `--find-knee`: makes the probes of the search, each an open-loop run in this process, then prints and writes the
//! answer.

use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use loadgen::record::{LikelyCause, State, Verdict};
use loadgen::validity::follows_failure;
use loadgen::{LoadError, Options, TargetFacts};
use serde::Serialize;

use super::args::OutputGroup;
use super::condition::{Condition, Judgement};
use super::display::Display;
use super::ending::{EXIT_INTERRUPTED, EXIT_INVALID, print, refuse, write_json};
use super::files::{self, Directory};
use super::knee::{self, End, Knee, LimitedBy, Limits, Probe, Step};
use super::{explain, layout};

/// Schema version of the document.
const SCHEMA: u32 = 1;
/// Exit code when no rate met the condition.
const EXIT_NEVER_HELD: u8 = 3;
/// First rate, unless `--rate` sets it.
const RATE_START: f64 = 1000.0;
/// The highest rate that [`Options::check`] permits.
const RATE_MAX: f64 = 1e8;
/// Probes at most. A search that tries every rate twice takes about 50; the rest is for stepping down.
const PROBES_MAX: usize = 100;
/// Five of five or three of five: fewer repeats would say nothing about how often a rate holds.
const REPEATS: usize = 5;
/// The number of Poisson arrivals has a standard deviation of its square root. Asking for this many deviations more
/// than needed is practically always enough.
const SAMPLES_DEVIATIONS: f64 = 5.0;

/// The JSON document of a search.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    /// The commit that the program was built from.
    commit: &'static str,
    target: &'a str,
    condition: String,
    connections: u32,
    threads: u32,
    /// Length of a probe.
    duration_us: u64,
    knee: &'a Knee,
    /// Why no probe completed a request, if none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    likely_cause: Option<&'a LikelyCause>,
    probes: &'a [Step],
}

/// Searches, prints and writes. Returns the exit code.
///
/// # Errors
/// When stdout or the files fail.
pub(super) fn run(
    condition: Condition,
    options: Options,
    output: &OutputGroup,
    directory: Option<&Directory>,
    stop: &AtomicBool,
) -> anyhow::Result<u8> {
    let limits = match limits(condition, &options) {
        Ok(limits) => limits,
        Err(error) => return Ok(refuse(&error)),
    };
    let seed = options.seed.unwrap_or_else(random_seed);
    let (mut likely_cause, mut has_completed) = (None, false);
    let outcome = knee::search(limits, |stage, rate, index| {
        let title = format!("{} {}, {}/s", stage.name(), index + 1, tuning::thousands(rate as u64));
        let options = Options { rate: Some(rate), seed: Some(seed.wrapping_add(index as u64)), ..options.clone() };
        let mut display = Display::new(&options, Some(title), output.quiet);
        let outcome = loadgen::load(&options, stop, |snapshot| display.show(&snapshot, stop));
        display.finish();
        let record = outcome?.record;
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        has_completed |= record.requests.completed > 0;
        likely_cause = record.likely_cause.clone().or(likely_cause.take());
        let judgement = condition.judge(&record);
        Ok(Some(Probe {
            rate,
            achieved: record.achieved_per_second.unwrap_or(0.0),
            measured_us: judgement.measured_us,
            held: judgement.held,
            valid: record.verdict.state != State::Invalid,
            // No pause of a host makes a target answer 404 to everything.
            spoiled: record.likely_cause.is_none() && is_spoiled(&record.verdict, judgement),
            seed: record.seed,
        }))
    });
    if let Some(error) = &outcome.error {
        say!("c10m: {error:#}");
    }
    if let (true, Some(error)) = (outcome.steps.is_empty(), &outcome.error) {
        return Ok(error.downcast_ref::<LoadError>().map_or(1, LoadError::exit_code));
    }
    // If the target cannot be parsed, there has been no probe.
    let target = TargetFacts::of(&options.target).map(|facts| facts.shown).unwrap_or_default();
    let document = Document {
        schema: SCHEMA,
        commit: lab::built::COMMIT,
        target: &target,
        condition: condition.to_string(),
        connections: options.connections,
        threads: options.threads,
        duration_us: options.duration.as_micros() as u64,
        knee: &outcome.knee,
        likely_cause: likely_cause.as_ref().filter(|_| !has_completed),
        probes: &outcome.steps,
    };
    conclude(&document, condition, output, directory)?;
    Ok(exit_code(&outcome.knee))
}

/// Whether the generator or its host made a probe invalid, rather than the target. A target beyond its capacity leaves
/// requests unsent, unanswered or failed, and then the condition is broken too, or there are errors (V8). Nor does a
/// valid probe say anything about the target if the quantile that broke the limit is the generator's own lateness.
fn is_spoiled(verdict: &Verdict, judgement: Judgement) -> bool {
    let held = judgement.held;
    if !held && judgement.is_generators_own {
        return true;
    }
    let mut invalid = verdict.checks.iter().filter(|check| check.state == State::Invalid).map(|check| &*check.id);
    let is_by_target = invalid.clone().all(follows_failure) && (!held || invalid.clone().any(|id| id == "V8"));
    invalid.next().is_some() && !is_by_target
}

/// Writes and prints. If writing fails, prints the answer as JSON, because it may have taken long.
fn conclude(
    document: &Document<'_>,
    condition: Condition,
    output: &OutputGroup,
    directory: Option<&Directory>,
) -> anyhow::Result<()> {
    let written = directory
        .map_or(Ok(()), |directory| directory.write(vec![("knee.json".to_owned(), files::document(document)?)]));
    let json = output.json || written.is_err();
    print(|stdout| {
        if !output.json {
            print_tables(stdout, document, condition, layout::width())?;
        }
        if json { write_json(stdout, document) } else { Ok(()) }
    })?;
    written
}

fn exit_code(knee: &Knee) -> u8 {
    match knee.end {
        End::Found | End::RateLimit => 0,
        End::Failed => 1,
        End::NeverHeld => EXIT_NEVER_HELD,
        End::Invalid => EXIT_INVALID,
        End::Interrupted => EXIT_INTERRUPTED,
        End::ProbeLimit if knee.repeats > 0 => 0,
        // The printed rate was never confirmed.
        End::ProbeLimit => EXIT_INVALID,
    }
}

/// A seed that leaves room to add a few probes within the 53 bits that every JSON reader keeps.
fn random_seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish() >> 12
}

fn limits(condition: Condition, options: &Options) -> Result<Limits, LoadError> {
    let samples_min = condition.samples_min();
    let rate_min = (samples_min + SAMPLES_DEVIATIONS * samples_min.sqrt()) / options.duration.as_secs_f64();
    let rate_start = options.rate.unwrap_or(RATE_START.max(rate_min));
    if options.pipeline > 1 {
        return Err(LoadError::Usage("--find-knee needs an open loop, which has no --pipeline".into()));
    }
    if !(rate_min..=RATE_MAX).contains(&rate_start) {
        return Err(LoadError::Usage(format!(
            "--find-knee {condition} needs {} replies from a probe: --rate must be at least {:.0} with --duration {}",
            tuning::thousands(samples_min as u64),
            rate_min.ceil(),
            humantime::format_duration(options.duration)
        )));
    }
    Ok(Limits { rate_start, rate_min, rate_max: RATE_MAX, probes_max: PROBES_MAX, repeats: REPEATS })
}

fn print_tables(
    output: &mut impl Write,
    document: &Document<'_>,
    condition: Condition,
    width: usize,
) -> io::Result<()> {
    let quantile = format!("{} us", condition.quantile_name());
    let rows = document.probes.iter().map(|Step { stage, probe }| {
        vec![
            stage.name().to_owned(),
            tuning::thousands(probe.rate as u64),
            tuning::thousands(probe.achieved as u64),
            probe.measured_us.map_or("-".into(), layout::micros),
            word(probe).to_owned(),
        ]
    });
    if let Some(cause) = document.likely_cause {
        explain::likely(output, cause, width)?;
    }
    writeln!(output, "{}", document.target)?;
    if document.probes.is_empty() {
        return writeln!(output, "{}", textwrap::fill(&sentence(document.knee, condition), width));
    }
    writeln!(output, "{}", layout::table(&["probe", "rate/s", "replies/s", &quantile, ""], rows, width))?;
    writeln!(output, "{}", textwrap::fill(&sentence(document.knee, condition), width))
}

/// The result of a probe in one word.
fn word(probe: &Probe) -> &'static str {
    match (probe.spoiled, probe.passes()) {
        (true, _) => "invalid",
        (false, true) => "held",
        (false, false) => "broken",
    }
}

/// The answer in a sentence.
fn sentence(knee: &Knee, condition: Condition) -> String {
    let rate = knee.rate.map_or("-".to_owned(), |rate| tuning::thousands(rate as u64));
    let failed = knee.rate_failed.map(|rate| tuning::thousands(rate as u64));
    let confirmed = if knee.repeats > 0 { "" } else { ", unconfirmed" };
    let known = match (&knee.rate, &failed) {
        (Some(_), Some(failed)) => format!("held at {rate}/s, failed at {failed}/s{confirmed}"),
        (Some(_), None) => format!("held at {rate}/s{confirmed}"),
        (None, Some(failed)) => format!("failed at {failed}/s"),
        (None, None) => "nothing is known".to_owned(),
    };
    let mut text = match knee.end {
        End::Found => format!("knee {rate}/s"),
        End::RateLimit => format!("{condition} holds at the highest rate there is, {rate}/s"),
        End::NeverHeld => {
            format!("{condition} held at no rate down to {}/s", failed.as_deref().unwrap_or("-"))
        }
        End::Invalid => match &failed {
            Some(failed) if knee.rate.is_some() => format!(
                "no knee: every measurement at {failed}/s was INVALID, so what this target does there is unknown; \
                 {rate}/s{confirmed}"
            ),
            failed => format!(
                "no knee: every measurement down to {}/s was INVALID, so nothing is known of this target",
                failed.as_deref().unwrap_or("-")
            ),
        },
        End::ProbeLimit => format!("no answer within {PROBES_MAX} probes: {known}"),
        End::Interrupted => format!("interrupted: {known}"),
        End::Failed => format!("ended by an error: {known}"),
    };
    if let Some(range) = &knee.measured_us {
        text += &format!(
            ": {condition} held {} times of {}, median {} us ({} to {})",
            knee.held,
            knee.repeats,
            layout::micros(range.median),
            layout::micros(range.min),
            layout::micros(range.max)
        );
    }
    if knee.limited_by == Some(LimitedBy::Measurement) {
        text += "; that is the limit of this load generator and its host, not of the server: --out keeps the probes, \
                 and a single run at that rate says which check objects";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use results::stats::Range;
    use std::time::Duration;

    fn condition() -> Condition {
        "p99<5ms".parse().expect("a condition")
    }

    fn found() -> Knee {
        Knee {
            end: End::Found,
            rate: Some(9079.4),
            rate_failed: Some(9150.0),
            limited_by: Some(LimitedBy::Condition),
            repeats: 5,
            held: 4,
            measured_us: Range::of(&[4800.0, 4700.0, 5100.0, 4750.0, 4900.0]),
        }
    }

    #[test]
    fn every_end_has_its_sentence() {
        let early = Knee { repeats: 0, held: 0, measured_us: None, ..found() };
        for (knee, expected) in [
            (found(), "knee 9,079/s: p99<5ms held 4 times of 5, median 4800 us (4700 to 5100)"),
            (Knee { end: End::NeverHeld, rate: None, ..early.clone() }, "p99<5ms held at no rate down to 9,150/s"),
            (
                Knee { end: End::Interrupted, ..early.clone() },
                "interrupted: held at 9,079/s, failed at 9,150/s, unconfirmed",
            ),
            (Knee { end: End::Failed, rate: None, rate_failed: None, ..early }, "ended by an error: nothing is known"),
        ] {
            assert_eq!(sentence(&knee, condition()), expected);
        }
        let knee = Knee { end: End::Invalid, limited_by: Some(LimitedBy::Measurement), ..found() };
        let text = sentence(&knee, condition());
        let expected = "no knee: every measurement at 9,150/s was INVALID, so what this target does there is unknown; \
                        9,079/s: p99<5ms held 4 times of 5, median 4800 us (4700 to 5100); that is the limit of this";
        assert!(text.starts_with(expected) && text.contains("not of the server"), "{text}");
        let text = sentence(&Knee { rate: None, repeats: 0, held: 0, measured_us: None, ..knee.clone() }, condition());
        assert!(text.starts_with("no knee: every measurement down to 9,150/s was INVALID, so nothing"), "{text}");
        assert_eq!((exit_code(&knee), exit_code(&found())), (EXIT_INVALID, 0));
    }

    #[test]
    fn a_target_beyond_its_capacity_is_not_the_generators_fault() {
        use loadgen::record::Check;
        for (invalid, held, expected) in [
            (&[][..], true, false),
            (&[], false, false),
            // The target did not keep up, or failed some.
            (&["V1", "V8", "V12"], false, false),
            (&["V8"], true, false),
            // The generator was late, starved, or its figures drifted by themselves.
            (&["V2"], true, true),
            (&["V2"], false, true),
            (&["V5", "V8"], false, true),
            (&["V12"], true, true),
        ] {
            let check = |id: &&str| Check { id: (*id).to_owned(), state: State::Invalid, ..Check::default() };
            let warns = Check { id: "V6".to_owned(), state: State::Warn, ..Check::default() };
            let checks = invalid.iter().map(check).chain([warns]).collect();
            let verdict = Verdict { checks, ..Verdict::default() };
            let judgement = Judgement { measured_us: Some(1.0), held, is_generators_own: false };
            assert_eq!(is_spoiled(&verdict, judgement), expected, "{invalid:?} {held}");
        }
    }

    #[test]
    fn a_limit_broken_by_the_generators_own_lateness_is_no_failure_of_the_target() {
        for (held, is_generators_own, expected) in
            [(false, true, true), (true, true, false), (false, false, false), (true, false, false)]
        {
            let judgement = Judgement { measured_us: Some(1.0), held, is_generators_own };
            assert_eq!(is_spoiled(&Verdict::default(), judgement), expected, "{judgement:?}");
        }
    }

    #[test]
    fn the_table_fits_a_narrow_terminal_and_the_document_its_schema() {
        let probe = Probe {
            rate: 1e8,
            achieved: 1e8,
            measured_us: Some(123.4),
            held: true,
            valid: false,
            spoiled: true,
            seed: 7,
        };
        let probes = [Step { stage: knee::Stage::Bisect, probe }];
        let knee = found();
        let document = Document {
            schema: SCHEMA,
            commit: "unknown",
            target: "tcp://127.0.0.1:1",
            condition: condition().to_string(),
            connections: 10,
            threads: 1,
            duration_us: 3_000_000,
            knee: &knee,
            likely_cause: None,
            probes: &probes,
        };
        let mut bytes = Vec::new();
        print_tables(&mut bytes, &document, condition(), 60).expect("a Vec");
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        assert!(text.contains("100,000,000") && text.contains("invalid"), "{text}");
        let json = serde_json::to_value(&document).expect("JSON");
        assert_eq!(json["schema"], 1);
        assert_eq!(json["knee"]["end"], "found");
        assert_eq!(json["knee"]["measured_us"]["median"], 4800.0);
        assert_eq!(json["probes"][0]["stage"], "bisect");
        assert_eq!(json["probes"][0]["measured_us"], 123.4);
    }

    #[test]
    fn a_rate_with_too_few_samples_is_refused() {
        let options = |rate, seconds| Options { rate, duration: Duration::from_secs(seconds), ..Options::default() };
        for (rate, seconds, expected) in [
            (None, 3, Some(1000.0)),
            (None, 1, Some(1158.0)),
            (Some(500.0), 3, Some(500.0)),
            (Some(300.0), 3, None),
            (Some(0.0), 3, None),
        ] {
            let found = limits(condition(), &options(rate, seconds));
            assert_eq!(found.as_ref().ok().map(|limits| limits.rate_start.floor()), expected, "{found:?}");
            if let Err(error) = found {
                assert!(error.to_string().contains("--rate must be at least 387"), "{error}");
            }
        }
    }
}
