//! The search for the knee: the highest rate at which a condition holds. Pure: the caller supplies the probes. Nothing
//! is measured, timed or printed here.
//!
//! 1. From the start rate, double until a probe fails. If the first one fails, halve until one passes.
//! 2. Bisect between the two until they are within 1 %.
//! 3. Repeat the rate that was found. If a majority of the repeats hold, it is confirmed. Otherwise repeat the rate 1 %
//!    below, and so on. If no repeat held at all, go down by 5 % instead, and do step 2 again once a rate is confirmed.
//! 4. Probe 5 % above. If that passes, the search was misled and continues from there.
//!
//! A probe that fails outside step 3 is repeated once before its rate counts as failed, because a hiccup of the host
//! must not halve the answer. That makes the search slightly too optimistic, which step 3 corrects. Two hiccups in a
//! row make it too pessimistic, which step 4 detects.
//!
//! A probe that the generator or its host spoiled says nothing about the target. It is made again, a bounded number of
//! times, and counts neither as passed nor as failed. A rate at which every probe is spoiled is the end of what can be
//! measured. If that, and no failure, lies above the answer, the answer is a rate that holds, but no knee.

use std::ops::Range;

use results::stats;
use serde::Serialize;

/// The bisection ends when its two ends are this close, which is a little more than one step down.
const PRECISION: f64 = 1.0101;
/// The factor by which step 3 goes down if some of the repeats held.
const STEP: f64 = 1.01;
/// The factor by which step 3 goes down if none held, and by which step 4 looks above the answer. It is large enough
/// for a true knee to show.
const STRIDE: f64 = 1.05;

/// Probes of one rate in a row that are made again because they were spoiled. With three, a host that spoils one probe
/// in four ends the search at one rate in 256.
const SPOILED_AGAIN_MAX: usize = 3;

/// The result of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Probe {
    /// Requests per second that were asked for.
    pub(super) rate: f64,
    /// Replies per second that were received.
    pub(super) achieved: f64,
    /// The quantile of the condition, if there is one.
    pub(super) measured_us: Option<f64>,
    /// Whether the condition held.
    pub(super) held: bool,
    /// Whether the measurement is valid.
    pub(super) valid: bool,
    /// Whether the generator or its host made it invalid. Then it says nothing about the target, held or not.
    pub(super) spoiled: bool,
    /// Seed of the probe's schedule.
    pub(super) seed: u64,
}

impl Probe {
    /// Whether it shows that the target can bear the rate.
    pub(super) fn passes(self) -> bool {
        self.held && self.valid
    }
}

/// The purpose of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    Double,
    Halve,
    Bisect,
    Repeat,
    Check,
}

impl Stage {
    /// The purpose's name in tables.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Stage::Double => "double",
            Stage::Halve => "halve",
            Stage::Bisect => "bisect",
            Stage::Repeat => "repeat",
            Stage::Check => "check",
        }
    }
}

/// One probe. They are kept in the order in which they were made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Step {
    pub(super) stage: Stage,
    #[serde(flatten)]
    pub(super) probe: Probe,
}

/// Where a search begins, and where it gives up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The first rate.
    pub(super) rate_start: f64,
    /// Below this rate, a probe has too few samples.
    pub(super) rate_min: f64,
    /// Nobody can ask for a higher rate.
    pub(super) rate_max: f64,
    /// Maximum number of probes in the whole search.
    pub(super) probes_max: usize,
    /// Repeats of the rate that was found.
    pub(super) repeats: usize,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// The knee was found.
    Found,
    /// The condition holds at the highest rate that can be asked for.
    RateLimit,
    /// The condition holds at no rate that has enough samples.
    NeverHeld,
    /// Above the rate, if there is one, every probe was spoiled, so nothing is known of the target there.
    Invalid,
    /// The search needed more probes than allowed.
    ProbeLimit,
    /// The user ended the search.
    Interrupted,
    /// A probe could not be carried out.
    Failed,
}

/// What prevented a higher rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LimitedBy {
    /// The condition did not hold.
    Condition,
    /// Every probe was spoiled by the load generator or its host.
    Measurement,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Knee {
    pub(super) end: End,
    /// The rate that was confirmed. If the search ended before that, the highest that passed.
    pub(super) rate: Option<f64>,
    /// The lowest higher rate that failed, or could not be measured.
    pub(super) rate_failed: Option<f64>,
    /// Which of the two.
    pub(super) limited_by: Option<LimitedBy>,
    /// Repeats at `rate` that were not spoiled, and how many of them held. No repeats when it was not confirmed.
    pub(super) repeats: usize,
    pub(super) held: usize,
    /// What these repeats measured.
    pub(super) measured_us: Option<stats::Range>,
}

/// A finished search.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) knee: Knee,
    pub(super) steps: Vec<Step>,
    /// The error, for [`End::Failed`].
    pub(super) error: Option<anyhow::Error>,
}

/// Searches. `probe` gets a rate and the number of probes before it. It returns `None` when the user wants to stop.
pub(super) fn search(limits: Limits, probe: impl FnMut(Stage, f64, usize) -> anyhow::Result<Option<Probe>>) -> Outcome {
    let mut search = Search { limits, probe, steps: Vec::new(), low: None, high: None, confirmed: None };
    let (end, error) = match search.run() {
        Ok(end) => (end, None),
        Err(Halt::ProbeLimit) => (End::ProbeLimit, None),
        Err(Halt::Interrupted) => (End::Interrupted, None),
        Err(Halt::Failed(error)) => (End::Failed, Some(error)),
    };
    let (confirmed, repeated) = search.confirmed.map_or((None, 0..0), |(rate, steps)| (Some(rate), steps));
    let repeated: Vec<&Step> = search.steps[repeated].iter().filter(|step| !step.probe.spoiled).collect();
    let measured: Vec<f64> = repeated.iter().filter_map(|step| step.probe.measured_us).collect();
    let knee = Knee {
        end,
        rate: confirmed.or(search.low),
        rate_failed: search.high.map(|(rate, _)| rate),
        limited_by: search.high.map(|(_, by)| by),
        repeats: repeated.len(),
        held: repeated.iter().filter(|step| step.probe.passes()).count(),
        measured_us: stats::Range::of(&measured),
    };
    Outcome { knee, steps: search.steps, error }
}

/// Why a search ends without an answer.
enum Halt {
    ProbeLimit,
    Interrupted,
    Failed(anyhow::Error),
}

struct Search<F> {
    limits: Limits,
    probe: F,
    steps: Vec<Step>,
    /// The highest rate below `high` that passed.
    low: Option<f64>,
    /// The lowest rate above `low` that failed or could not be measured, and which.
    high: Option<(f64, LimitedBy)>,
    /// The rate that step 3 confirmed last, and the steps that confirm it.
    confirmed: Option<(f64, Range<usize>)>,
}

impl<F: FnMut(Stage, f64, usize) -> anyhow::Result<Option<Probe>>> Search<F> {
    fn run(&mut self) -> Result<End, Halt> {
        let rate_start = self.limits.rate_start;
        if self.passes(Stage::Double, rate_start)? {
            self.double(rate_start)?;
        } else {
            self.halve(rate_start)?;
        }
        while let Some(low) = self.low {
            self.bisect(low)?;
            let Some(rate) = self.repeat()? else { break };
            match self.high {
                None => return Ok(End::RateLimit),
                Some((high, _)) if high / rate > PRECISION => continue,
                Some(_) => {}
            }
            let above = rate * STRIDE;
            if above > self.limits.rate_max || !self.passes(Stage::Check, above)? {
                return Ok(self.unless_unmeasured(End::Found));
            }
            self.double(above)?;
        }
        Ok(self.unless_unmeasured(End::NeverHeld))
    }

    /// This end, unless the rate above the answer could not be measured.
    fn unless_unmeasured(&self, end: End) -> End {
        match self.high {
            Some((_, LimitedBy::Measurement)) => End::Invalid,
            _ => end,
        }
    }

    /// Step 1, upwards from a rate that passes.
    fn double(&mut self, mut rate: f64) -> Result<(), Halt> {
        while rate < self.limits.rate_max {
            rate = (rate * 2.0).min(self.limits.rate_max);
            if !self.passes(Stage::Double, rate)? {
                break;
            }
        }
        Ok(())
    }

    /// Step 1, downwards from a rate that fails.
    fn halve(&mut self, mut rate: f64) -> Result<(), Halt> {
        while rate > self.limits.rate_min {
            rate = (rate / 2.0).max(self.limits.rate_min);
            if self.passes(Stage::Halve, rate)? {
                break;
            }
        }
        Ok(())
    }

    /// Step 2.
    fn bisect(&mut self, mut low: f64) -> Result<(), Halt> {
        while let Some((high, _)) = self.high.filter(|(high, _)| high / low > PRECISION) {
            let middle = low.midpoint(high);
            if self.passes(Stage::Bisect, middle)? {
                low = middle;
            }
        }
        Ok(())
    }

    /// Step 3. Returns the confirmed rate, if any.
    fn repeat(&mut self) -> Result<Option<f64>, Halt> {
        let repeats = self.limits.repeats;
        while let Some(rate) = self.low {
            let (first, mut made, mut held, mut failure) = (self.steps.len(), 0, 0, None);
            // Stops when the remaining repeats can no longer change the majority.
            while made < repeats && (made - held) * 2 <= repeats {
                let probe = self.probe(Stage::Repeat, rate)?;
                if probe.spoiled {
                    // However many held, this rate cannot be measured reliably.
                    (failure, held) = (Some(probe), 0);
                    break;
                }
                made += 1;
                if probe.passes() {
                    held += 1;
                } else {
                    failure = Some(probe);
                }
            }
            match failure {
                Some(probe) if held * 2 <= repeats => {
                    self.fail(probe);
                    let below = rate / if held == 0 { STRIDE } else { STEP };
                    self.low = Some(below).filter(|&below| below >= self.limits.rate_min);
                }
                _ => {
                    self.confirmed = Some((rate, first..self.steps.len()));
                    return Ok(Some(rate));
                }
            }
        }
        Ok(None)
    }

    /// Whether one of two probes at this rate passes. Remembers the answer.
    fn passes(&mut self, stage: Stage, rate: f64) -> Result<bool, Halt> {
        let mut probe = self.probe(stage, rate)?;
        if !probe.passes() && !probe.spoiled {
            probe = self.probe(stage, rate)?;
        }
        if !probe.passes() {
            self.fail(probe);
            return Ok(false);
        }
        self.low = Some(rate);
        self.high = self.high.filter(|&(high, _)| high > rate);
        Ok(true)
    }

    /// Remembers the lowest rate that fails. A rate above it is no longer confirmed.
    fn fail(&mut self, probe: Probe) {
        self.confirmed = self.confirmed.take().filter(|&(rate, _)| rate < probe.rate);
        if self.high.is_none_or(|(high, _)| probe.rate < high) {
            let by = if probe.spoiled { LimitedBy::Measurement } else { LimitedBy::Condition };
            self.high = Some((probe.rate, by));
        }
    }

    /// The first probe of this rate that is not spoiled, or the last of several that are.
    fn probe(&mut self, stage: Stage, rate: f64) -> Result<Probe, Halt> {
        let mut probe = self.probe_once(stage, rate)?;
        for _ in 0..SPOILED_AGAIN_MAX {
            if !probe.spoiled {
                break;
            }
            probe = self.probe_once(stage, rate)?;
        }
        Ok(probe)
    }

    fn probe_once(&mut self, stage: Stage, rate: f64) -> Result<Probe, Halt> {
        if self.steps.len() >= self.limits.probes_max {
            return Err(Halt::ProbeLimit);
        }
        let probe = (self.probe)(stage, rate, self.steps.len()).map_err(Halt::Failed)?.ok_or(Halt::Interrupted)?;
        self.steps.push(Step { stage, probe });
        Ok(probe)
    }
}

#[cfg(test)]
mod tests;
