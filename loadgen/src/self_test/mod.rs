//! Proof that coordinated omission is corrected (check V16): drives a null server that stalls on
//! schedule and compares what this generator reports with what must come out. It runs the ordinary
//! generator from outside and knows nothing of its inside.

mod closed_form;
mod compare;
mod report;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::null_server::{Config, NullServer, Stall, Workload, stall_offset};
use crate::record::Record;
use crate::schedule::Process;
use crate::{LoadError, Options, WarmUp};
use compare::Measured;

pub use closed_form::ClosedForm;
pub use report::{Attempt, Noise, Quantity, SelfTestReport, Uncorrected};

/// Attempts when the host disturbs the test: the first and one repetition.
const ATTEMPTS_MAX: usize = 2;
/// Size of the echo message.
const MESSAGE_LEN: u32 = 64;

/// How to test. The default takes about 15 s.
#[derive(Debug, Clone)]
pub struct SelfTestOptions {
    /// Length of a stall.
    pub stall: Duration,
    /// From the beginning of one stall to that of the next.
    pub every: Duration,
    /// Periods in the measured window.
    pub periods: u32,
    /// Requests per second, about: a fraction of a request per period is added, see [`SelfTestOptions::rate`].
    pub rate: f64,
    /// Connections; enough that no request waits for one.
    pub connections: u32,
    /// Periods of the closed-loop run, whose times are not corrected.
    pub periods_uncorrected: u32,
    /// CPU of the null server.
    pub server_cpu: Option<u32>,
    /// CPUs of the generator's worker.
    pub cpus: Vec<u32>,
    /// Fixes the bytes that are sent; the arrivals are constant.
    pub seed: u64,
}

impl Default for SelfTestOptions {
    fn default() -> Self {
        SelfTestOptions {
            stall: Duration::from_millis(100),
            every: Duration::from_secs(1),
            periods: 10,
            rate: 2000.0,
            connections: 400,
            periods_uncorrected: 2,
            server_cpu: None,
            cpus: Vec::new(),
            seed: 1,
        }
    }
}

impl SelfTestOptions {
    /// The rate in use: a whole number of requests per period and one `periods`-th of a request. So each
    /// stall begins at another place between two arrivals, and together they see evenly spread waits;
    /// with a whole number all stalls would see the same ones, a gap apart.
    pub fn rate(&self) -> f64 {
        let every_s = self.every.as_secs_f64();
        ((self.rate * every_s).floor() + 1.0 / f64::from(self.periods)) / every_s
    }

    /// # Errors
    /// [`LoadError::Usage`] when the test could not tell anything.
    fn check(&self) -> Result<(), LoadError> {
        let usage = |message: String| Err(LoadError::Usage(format!("self-test: {message}")));
        if self.periods == 0 || self.periods_uncorrected == 0 {
            return usage("at least one period is needed".into());
        }
        if self.stall.is_zero() || self.stall * 2 > self.every {
            return usage(format!("a stall of {:?} must be at most half of {:?}", self.stall, self.every));
        }
        if !(self.rate * self.stall.as_secs_f64() >= 10.0 && self.rate <= 1e6) {
            return usage(format!("{} requests/s put fewer than 10 into a stall, or are too many", self.rate));
        }
        let in_flight = self.rate() * self.stall.as_secs_f64();
        if f64::from(self.connections) < in_flight * 1.5 {
            return usage(format!(
                "a stall holds up {in_flight:.0} requests, so {} connections are too few: {:.0} are needed",
                self.connections,
                in_flight * 1.5
            ));
        }
        Ok(())
    }
}

/// Runs the test: a closed loop, whose times must show the omission, then an open loop that must be
/// right. When the host paused and the result is not as it should be, once more. Setting `stop` ends it within a second; the report then says so and is INVALID.
///
/// # Errors
/// When the test could not take place; see [`LoadError`].
pub fn run(options: &SelfTestOptions, stop: &AtomicBool) -> Result<SelfTestReport, LoadError> {
    options.check()?;
    let mut report = SelfTestReport::new(options);
    for _ in 0..ATTEMPTS_MAX {
        let closed = measure(options, None, options.periods_uncorrected, stop)?;
        let open = measure(options, Some(options.rate()), options.periods, stop)?;
        let attempt = compare::attempt(options, &open, &closed);
        let is_final = attempt.is_accepted || !attempt.noise.is_noisy || stop.load(Ordering::Relaxed);
        report.add(attempt);
        if closed.record.interrupted || open.record.interrupted {
            report.interrupt();
        }
        if is_final {
            break;
        }
    }
    Ok(report)
}

/// One run of the generator against a stalling server.
fn measure(
    options: &SelfTestOptions,
    rate: Option<f64>,
    periods: u32,
    stop: &AtomicBool,
) -> Result<Measured, LoadError> {
    let workload = Workload::Echo { message_len: MESSAGE_LEN };
    // Half a period from now: the connects, a fraction of that, then put the ends of a window of whole
    // periods far from any stall.
    let offset = stall_offset(options.every, options.every / 2);
    let mut server = NullServer::start(Config {
        workload,
        listen: ([127, 0, 0, 1], 0).into(),
        cpu: options.server_cpu,
        stall: Some(Stall { every: options.every, length: options.stall, offset }),
    })
    .map_err(setup)?;
    let load = Options {
        target: server.target(workload),
        connections: options.connections,
        rate,
        process: Process::Constant,
        seed: Some(options.seed),
        payload_len: MESSAGE_LEN,
        cpus: options.cpus.clone(),
        warmup: WarmUp::Fixed(options.every),
        duration: options.every * periods,
        timeout: (options.every * 4).max(Duration::from_secs(5)),
        ..Options::default()
    };
    let outcome = crate::run(&load, stop, |_| {})?;
    server.stop().map_err(setup)?;
    let start_ns = outcome.record.window_start_ns;
    Ok(Measured::new(outcome.record, &server, start_ns))
}

fn setup(source: io::Error) -> LoadError {
    LoadError::Setup { what: "run the null server of the self-test", source }
}

/// Whether a run counted correctly and completely; what is wrong otherwise.
fn objections(record: &Record) -> Vec<String> {
    let mut found = Vec::new();
    let requests = &record.requests;
    let lost = requests.failed + requests.timed_out + requests.censored + requests.unsent;
    if record.interrupted {
        found.push("interrupted".to_owned());
    }
    if lost > 0 || requests.completed == 0 {
        found.push(format!("{lost} of {} requests have no good reply", requests.scheduled));
    }
    if record.clamped > 0 {
        found.push(format!("{} times were clamped", record.clamped));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_meet_every_stall_elsewhere() {
        let options = SelfTestOptions::default();
        assert!((options.rate() - 2000.1).abs() < 1e-9);
        let offbeat = SelfTestOptions { rate: 1999.9, every: Duration::from_millis(500), periods: 4, ..options };
        // 999 requests and a quarter in half a second.
        assert!((offbeat.rate() - 1998.5).abs() < 1e-9);
    }

    #[test]
    fn tests_that_tell_nothing_are_refused() {
        let good = SelfTestOptions::default;
        good().check().unwrap();
        for (name, options) in [
            ("period", SelfTestOptions { periods: 0, ..good() }),
            ("period", SelfTestOptions { periods_uncorrected: 0, ..good() }),
            ("half", SelfTestOptions { stall: Duration::from_millis(501), ..good() }),
            ("half", SelfTestOptions { stall: Duration::ZERO, ..good() }),
            ("fewer than 10", SelfTestOptions { rate: 99.0, ..good() }),
            ("fewer than 10", SelfTestOptions { rate: f64::NAN, ..good() }),
            ("too few", SelfTestOptions { connections: 299, ..good() }),
        ] {
            let error = run(&options, &AtomicBool::new(false)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
