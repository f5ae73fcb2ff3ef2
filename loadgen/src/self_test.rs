//! Proof that coordinated omission is corrected (check V16): drives a null server that stalls on schedule and
//! compares what this generator reports with what must come out. It runs the ordinary generator through its
//! public interface.

mod closed_form;
mod compare;
mod options;
mod report;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::null_server::{Config, NullServer, Speech, Stall, stall_offset};
use crate::plan::tun;
use crate::schedule::Process;
use crate::{Engine, LoadError, Options, WarmUp};
use compare::Measured;
use protocol::Workload;

pub use closed_form::ClosedForm;
pub use options::{SelfTestArrivals, SelfTestOptions};
pub use report::{Attempt, Noise, Quantity, SelfTestReport, Uncorrected};

/// Attempts when the host disturbs the test: the first and one repetition.
const ATTEMPTS_MAX: usize = 2;
/// What the engine `tun` needs beside what it always needs.
const NAMESPACE: &str =
    "make a network namespace for the self-test with the engine tun (CAP_SYS_ADMIN: run it as root)";
/// Size of the echo message.
const MESSAGE_LEN: u32 = 64;

/// Runs the test: a closed loop, whose times must show the omission, then an open loop, whose times must be right. If
/// the host paused and the result is wrong, it repeats the test once. Setting `stop` ends it within a second; the
/// report then says so and is INVALID. With the engine `tun` it takes place in a network namespace of its own.
///
/// # Errors
/// When the test could not take place; see [`LoadError`].
pub fn run(options: &SelfTestOptions, stop: &AtomicBool) -> Result<SelfTestReport, LoadError> {
    options.check()?;
    if options.engine != Engine::Tun {
        return attempts(options, stop);
    }
    // The namespace ends with this thread and those that it starts.
    let apart = || {
        sys::namespace::enter_new().map_err(|source| LoadError::Setup { what: NAMESPACE, source })?;
        attempts(options, stop)
    };
    thread::scope(|scope| scope.spawn(apart).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

fn attempts(options: &SelfTestOptions, stop: &AtomicBool) -> Result<SelfTestReport, LoadError> {
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
    let speech = match options.workload {
        Workload::Echo => Speech::Echo { message_len: MESSAGE_LEN },
        Workload::Http => Speech::Http,
    };
    // Half a period from now: connecting takes a fraction of that, so both ends of a window of whole periods
    // are far from any stall.
    let offset = stall_offset(options.every, options.every / 2);
    let is_tun = options.engine == Engine::Tun;
    let mut server = NullServer::start(Config {
        speech,
        // The address that tun's packets go to belongs to its device, which is not there yet.
        listen: if is_tun { ([0, 0, 0, 0], 0) } else { ([127, 0, 0, 1], 0) }.into(),
        cpu: options.server_cpu,
        stall: Some(Stall { every: options.every, length: options.stall, offset }),
        late: None,
    })
    .map_err(setup)?;
    let heartbeat = (rate.is_some() && options.arrivals == SelfTestArrivals::Heartbeats).then(|| options.heartbeat());
    let load = Options {
        target: match is_tun {
            true => server.target(speech).replace("0.0.0.0", &tun::SERVER.to_string()),
            false => server.target(speech),
        },
        // Needed where the namespace of the first process cannot be read; this one was made above.
        i_own: is_tun.then(|| tun::SERVER.to_string()),
        engine: options.engine,
        threads: options.threads,
        connections: options.connections,
        rate: rate.filter(|_| heartbeat.is_none()),
        heartbeat,
        process: match options.arrivals {
            SelfTestArrivals::Poisson => Process::Poisson,
            SelfTestArrivals::Constant | SelfTestArrivals::Heartbeats => Process::Constant,
        },
        seed: Some(options.seed),
        payload_len: match options.workload {
            Workload::Echo => MESSAGE_LEN,
            Workload::Http => Options::default().payload_len,
        },
        cpus: options.cpus.clone(),
        warmup: WarmUp::Fixed(options.every),
        duration: options.every * periods,
        timeout: (options.every * 4).max(Duration::from_secs(5)),
        ..Options::default()
    };
    let outcome = crate::load(&load, stop, |_| {})?;
    server.stop().map_err(setup)?;
    let start_ns = outcome.record.window_start_ns;
    Ok(Measured::new(outcome.record, &server, start_ns))
}

fn setup(source: io::Error) -> LoadError {
    LoadError::Setup { what: "run the null server of the self-test", source }
}

#[cfg(test)]
mod tests {
    use super::*;

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
