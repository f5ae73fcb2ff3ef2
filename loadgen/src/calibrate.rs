//! Runs the generator against a server that does nothing: this gives the floor of its response times and the
//! ceiling of its rate. A measurement close to either measures the generator.

use crate::null_server::{Config, NullServer, Speech};
use crate::plan::engine::Engine;
use crate::plan::mode::Mode;
use crate::plan::options::{Options, WarmUp};
use crate::plan::target::TargetFacts;
use crate::plan::tun::SERVER as TUN_SERVER;
use crate::record::Record;
use crate::validity::Calibration;
use crate::{LoadError, prepare, run};
use protocol::Workload;
use std::net::Ipv4Addr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Length of each of the two runs: enough for a p99 at 1,000 requests per second.
const WINDOW: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_millis(200);

/// Measures floor and ceiling with the connections, threads and CPUs of `options`; `None` if there is nothing to
/// compare, because no requests are timed or the run was stopped. The null server runs on the first watched CPU, where
/// the measured server is.
///
/// # Errors
/// As of a run.
pub(crate) fn against_null_server(options: &Options, stop: &AtomicBool) -> Result<Option<Calibration>, LoadError> {
    if options.mode() == Mode::Idle {
        return Ok(None);
    }
    let speech = match TargetFacts::of(&options.target)?.workload {
        Workload::Echo => Speech::Echo { message_len: options.payload_len },
        Workload::Http => Speech::Http,
    };
    // The engine `tun` connects through its device.
    let (listen, host) = match options.engine {
        Engine::Tun => (Ipv4Addr::UNSPECIFIED, TUN_SERVER),
        Engine::Epoll | Engine::IoUring => (Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST),
    };
    let config = Config {
        speech,
        listen: (listen, 0).into(),
        cpu: options.watch_cpus.first().copied(),
        stall: None,
        late: None,
    };
    let failed = |source| LoadError::Setup { what: "run the null server of the calibration", source };
    let mut server = NullServer::start(config).map_err(failed)?;
    let closed = Options {
        target: server.target(speech).replace(&listen.to_string(), &host.to_string()),
        rate: None,
        stages: Vec::new(),
        heartbeat: None,
        duration: WINDOW,
        warmup: WarmUp::Fixed(WARM_UP),
        interval: None,
        connect_rate: None,
        expect_status: None,
        expect_body: None,
        requests: None,
        slo: None,
        calibrate: false,
        // A closed loop has neither.
        coalesce: Duration::ZERO,
        realtime: false,
        // The null server is on this host, whatever the target is.
        sources: Vec::new(),
        source_ports: None,
        i_own: (options.engine == Engine::Tun).then(|| host.to_string()),
        watch_pid: None,
        ..options.clone()
    };
    let ceiling = measure(&closed, stop)?;
    // Half a calibration proves nothing, and the run itself will not take place either.
    let Some(null_requests_per_second_max) = ceiling.requests_per_second.filter(|_| !ceiling.interrupted) else {
        return Ok(None);
    };
    let floor = match open_rate(options) {
        None => ceiling.response_us.clone(),
        Some(rate) => {
            let (coalesce, realtime) = (options.coalesce, options.realtime);
            let open = Options { rate: Some(rate), pipeline: 1, coalesce, realtime, ..closed };
            measure(&open, stop)?.response_us
        }
    };
    server.stop().map_err(failed)?;
    // With few requests there is no p99; the longest of them is an upper bound.
    let null_response_us_p99 = floor.p99.or(floor.max).unwrap_or(0.0);
    Ok(Some(Calibration { null_response_us_p99, null_requests_per_second_max }))
}

/// One run against the null server.
fn measure(options: &Options, stop: &AtomicBool) -> Result<Record, LoadError> {
    let plan = prepare::plan(options, prepare::resolve, stop)?;
    run::run(options, &plan, None, stop, |_| {}).map(|outcome| outcome.record)
}

/// The highest rate of the run; `None` in a closed loop.
fn open_rate(options: &Options) -> Option<f64> {
    let highest = options.stages.iter().map(|stage| stage.rate).reduce(f64::max);
    let beats = options.heartbeat.map(|period| f64::from(options.connections) / period.as_secs_f64());
    options.rate.or(highest).or(beats)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Stage;

    #[test]
    fn the_floor_is_measured_at_the_highest_rate() {
        let stage = |rate| Stage { rate, duration: Duration::from_secs(1) };
        let good = Options::default;
        for (options, expected) in [
            (good(), None),
            (Options { rate: Some(5.0), ..good() }, Some(5.0)),
            (Options { stages: vec![stage(5.0), stage(9.0), stage(0.0)], ..good() }, Some(9.0)),
            (Options { heartbeat: Some(Duration::from_secs(2)), connections: 100, ..good() }, Some(50.0)),
        ] {
            assert_eq!(open_rate(&options), expected);
        }
    }

    #[test]
    fn a_null_server_bounds_the_generator() {
        let stop = AtomicBool::new(false);
        for target in ["tcp://127.0.0.1:1", "http://127.0.0.1:1/"] {
            let options = Options { target: target.into(), rate: Some(2000.0), ..Options::default() };
            let found = against_null_server(&options, &stop).unwrap().unwrap();
            assert!(found.null_requests_per_second_max > 1000.0 && found.null_response_us_p99 > 0.0, "{found:?}");
        }
        let idle = Options { target: "tcp://127.0.0.1:1".into(), rate: Some(0.0), ..Options::default() };
        assert_eq!(against_null_server(&idle, &stop).unwrap(), None);
    }
}
