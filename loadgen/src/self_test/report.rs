//! The JSON document of the self-test, and the verdict over its attempts. Nothing here measures.

use protocol::Workload;
use serde::{Deserialize, Serialize};

use super::options::{SelfTestArrivals, SelfTestOptions};
use crate::Engine;
use crate::record::{Check, State};

/// Version of the format; raised when a field changes its meaning or goes away.
const SCHEMA: u32 = 1;
/// V16: deviations from the truth that make a warning, and an invalid result.
pub(super) const DEVIATION_WARN: f64 = 0.05;
pub(super) const DEVIATION_INVALID: f64 = 0.10;
/// The goal of this project.
pub(super) const DEVIATION_ACCEPTED: f64 = 0.01;

/// Whether this generator corrects coordinated omission on this host, and how well.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SelfTestReport {
    /// Version of this format.
    pub schema: u32,
    /// Version of the program.
    pub version: String,
    /// What was spoken.
    pub workload: Workload,
    /// What spaced the requests.
    pub arrivals: SelfTestArrivals,
    /// What moved the bytes.
    pub engine: Engine,
    /// Workers of the generator.
    pub threads: u32,
    /// Length of a stall as asked for.
    pub stall_us: u64,
    /// Period of the stalls.
    pub every_us: u64,
    /// Periods in the window.
    pub periods: u32,
    /// Requests per second.
    pub rate: f64,
    /// Connections.
    pub connections: u32,
    /// Seed of the bytes sent.
    pub seed: u64,
    /// V16: VALID up to 5 % deviation, WARN up to 10 %. That of the last attempt.
    pub state: State,
    /// Whether every quantity of the last attempt is within 1 % of the truth.
    pub is_accepted: bool,
    /// Whether the test was ended before its time. Then it proves nothing and is INVALID.
    #[serde(default)]
    pub interrupted: bool,
    /// The reason for the state.
    pub why: String,
    /// Each attempt; there is a second one only if the host disturbed the first.
    pub attempts: Vec<Attempt>,
}

/// One closed-loop and one open-loop run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// V16 of this attempt.
    pub state: State,
    /// Whether every quantity is within 1 % of the truth and there are no objections.
    pub is_accepted: bool,
    /// The greatest deviation of any quantity.
    pub deviation_max: f64,
    /// Requests of the window.
    pub requests: u64,
    /// Stalls that touched the window, and their actual lengths.
    pub stalls: u64,
    /// The shortest of them.
    pub stall_us_min: f64,
    /// The longest of them.
    pub stall_us_max: f64,
    /// Median of done − written; nine in ten requests are outside of stalls. It is added to every wait.
    pub base_service_us: f64,
    /// Median of written − intended: lateness and the send itself; added for requests that do not wait.
    pub base_sending_us: f64,
    /// What the server needed per request of the backlog after a stall, by its own log.
    pub drain_us_per_request: f64,
    /// The above times the rate: the share of its time that the server needs, which lengthens the backlog.
    pub utilisation: f64,
    /// What was compared.
    pub quantities: Vec<Quantity>,
    /// The same comparison for times that are not corrected.
    pub uncorrected: Uncorrected,
    /// What the host did.
    pub noise: Noise,
    /// Why this attempt proves nothing; empty when there is no objection.
    pub objections: Vec<String>,
}

/// One figure and what it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// `p99`, `mean` and so on.
    pub name: String,
    /// `us` or `share`.
    pub unit: String,
    /// By the closed form, with the base times added.
    pub expected: f64,
    /// As this generator reports it.
    pub observed: f64,
    /// |observed − expected| over the expected value; for quantiles over at least a fifth of a stall,
    /// because the times outside of stalls are not what is tested.
    pub deviation: f64,
}

/// What a closed loop, whose requests wait for earlier replies, reports about the same server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Uncorrected {
    /// Requests of the window.
    pub requests: u64,
    /// The greatest deviation of any quantity.
    pub deviation_max: f64,
    /// Whether the comparison finds the omission, as it must.
    pub is_rejected: bool,
    /// What was compared.
    pub quantities: Vec<Quantity>,
}

/// Disturbances by the host within the window.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Noise {
    /// Whether one of these exceeds a hundredth of a stall.
    pub is_noisy: bool,
    /// The longest pause of the host.
    pub hiccup_us_max: f64,
    /// The generator's greatest lateness.
    pub lateness_us_max: f64,
    /// Greatest difference of a stall's length from the one asked for. The comparison uses the actual one.
    pub stall_us_off_max: f64,
}

impl SelfTestReport {
    pub(super) fn new(options: &SelfTestOptions) -> SelfTestReport {
        SelfTestReport {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            workload: options.workload,
            arrivals: options.arrivals,
            engine: options.engine,
            threads: options.threads,
            stall_us: options.stall.as_micros() as u64,
            every_us: options.every.as_micros() as u64,
            periods: options.periods,
            rate: options.rate(),
            connections: options.connections,
            seed: options.seed,
            state: State::Invalid,
            is_accepted: false,
            interrupted: false,
            why: "nothing was measured".into(),
            attempts: Vec::new(),
        }
    }

    /// The last attempt decides: an earlier one was repeated because the host disturbed it.
    pub(super) fn add(&mut self, attempt: Attempt) {
        self.state = attempt.state;
        self.is_accepted = attempt.is_accepted;
        self.why = attempt.why();
        self.attempts.push(attempt);
    }

    /// The last attempt was cut short, so what it found means nothing.
    pub(super) fn interrupt(&mut self) {
        (self.interrupted, self.state, self.is_accepted) = (true, State::Invalid, false);
        self.why = "interrupted, so the test proves nothing".into();
    }

    /// This result as a check of the published list.
    pub fn check(&self) -> Check {
        let deviation = self.attempts.last().map_or(1.0, |attempt| attempt.deviation_max);
        Check {
            id: "V16".into(),
            title: "deviation from the truth about a stalling server".into(),
            value: format!("{:.2} %", deviation * 100.0),
            warn: format!("> {:.0} %", DEVIATION_WARN * 100.0),
            invalid: format!("> {:.0} %", DEVIATION_INVALID * 100.0),
            state: self.state,
            why: if self.state == State::Valid { String::new() } else { self.why.clone() },
            follows: false,
        }
    }
}

impl Attempt {
    fn why(&self) -> String {
        let worst = self.quantities.iter().max_by(|a, b| a.deviation.total_cmp(&b.deviation));
        let mut text = match (self.objections.as_slice(), worst) {
            ([], Some(worst)) => format!(
                "{} is farthest from the truth, {:.2} % ({:.6} instead of {:.6} {})",
                worst.name,
                worst.deviation * 100.0,
                worst.observed,
                worst.expected,
                worst.unit
            ),
            ([], None) => "nothing could be compared".into(),
            (objections, _) => format!("the test proves nothing: {}", objections.join("; ")),
        };
        if self.noise.is_noisy && !self.is_accepted {
            text.push_str(&format!(
                "; the host disturbed the test (pauses up to {:.1} ms, sends up to {:.1} ms late), so this need not \
                 be the generator's fault: repeat it on a quiet host",
                self.noise.hiccup_us_max / 1000.0,
                self.noise.lateness_us_max / 1000.0
            ));
        }
        text
    }
}

/// The state of a deviation.
pub(super) fn state_of(deviation: f64) -> State {
    // Written so that a NaN deviation is invalid.
    match deviation {
        deviation if deviation <= DEVIATION_WARN => State::Valid,
        deviation if deviation <= DEVIATION_INVALID => State::Warn,
        _ => State::Invalid,
    }
}
