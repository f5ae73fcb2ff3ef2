//! Makes the record of a run out of what the workers counted and the main thread saw.

use super::collect::Collector;
use super::conduct::Conducted;
use super::{account, evidence, likely, pace};
use crate::distribution::Distribution;
use crate::engine::job::Job;
use crate::plan::engine::Engine;
use crate::plan::mode::Mode;
use crate::plan::options::WHATEVER_IT_TAKES;
use crate::ratio::{per_second, share_of};
use crate::record::{
    self, Connections, Interruption, LikelyCause, Queue, Reconnects, Record, RequestCounts, SloOutcome, Summary,
    Verdict,
};
use crate::recording::cpu_shares;
use crate::recording::recorder;
use crate::recording::slice::Slice;
use crate::recording::summary::summarise;
use crate::recording::tally::Tally;
use crate::slo::Measured;
use crate::validity::{self, Calibration, Evidence, Extent};
use host::kernel::KernelDelta;
use protocol::Workload;
use std::borrow::Cow;
use std::collections::BTreeMap;
use sys::clock::duration_ns;

/// All distributions of times, and the histograms behind them.
struct Times {
    response: Summary,
    service: Summary,
    first_byte: Summary,
    lateness: Summary,
    back_pressure: Summary,
    connect: Summary,
    first_response: Summary,
    histograms: BTreeMap<Distribution, String>,
    clamped: u64,
}

impl Times {
    fn of(total: &Slice, tally: &Tally, mode: Mode) -> Times {
        // A closed loop does not record service times: without losses they are the response times.
        let service = match mode {
            Mode::Closed => total.answered(),
            Mode::Open | Mode::Heartbeat | Mode::Idle => Cow::Borrowed(&total.service),
        };
        let ranked = total.ranked_response();
        let recorders = [
            (Distribution::Response, ranked.as_ref()),
            (Distribution::Service, service.as_ref()),
            (Distribution::FirstByte, &total.first_byte),
            (Distribution::Lateness, &total.lateness),
            (Distribution::BackPressure, &total.back_pressure),
            (Distribution::Connect, &tally.connect),
            (Distribution::TimeToFirstResponse, &tally.first_response),
        ];
        let encoded = |(distribution, recorder): (Distribution, _)| (distribution, recorder::encode(recorder));
        Times {
            response: summarise(&total.response, total.missing.as_deref()),
            service: summarise(&service, None),
            first_byte: summarise(&total.first_byte, None),
            lateness: summarise(&total.lateness, None),
            back_pressure: summarise(&total.back_pressure, None),
            connect: summarise(&tally.connect, None),
            first_response: summarise(&tally.first_response, None),
            clamped: recorders.iter().map(|(_, recorder)| recorder.clamped).sum(),
            histograms: recorders.into_iter().map(encoded).collect(),
        }
    }
}

/// Findings that the record and the verdict share.
struct Found {
    kernel: KernelDelta,
    requests: RequestCounts,
    connections: Connections,
    reconnect: Option<Reconnects>,
    times: Times,
    interruption: Option<Interruption>,
    achieved_per_second: Option<f64>,
    queue: Option<Queue>,
}

impl Found {
    fn of(job: &Job<'_>, conducted: &Conducted, tally: &Tally, total: &Slice) -> Found {
        let requests = account::requests(&total.requests, tally, job.options.requests);
        let is_scheduled = job.options.mode().is_scheduled();
        let queue = || pace::queue(&tally.pace, requests.scheduled, tally.paced_ns, pace::spread(job));
        Found {
            kernel: match &conducted.samples[..] {
                [first, .., last] => last.since(first),
                _ => KernelDelta::default(),
            },
            connections: account::connections(tally, job.plan, conducted.ramp_ns / 1000),
            reconnect: job.options.reconnect.as_ref().map(|policy| {
                let counts = total.reconnects.unwrap_or_default();
                account::reconnects(policy, &counts, tally, conducted.window_start_ns)
            }),
            times: Times::of(total, tally, job.options.mode()),
            // One worker may have begun its window before the others noticed the stop.
            interruption: conducted.interruption.map(|part| match tally.window_ns {
                0 => part,
                _ => Interruption::Window,
            }),
            achieved_per_second: per_second(tally.pace.answered, tally.paced_ns),
            queue: is_scheduled.then(queue),
            requests,
        }
    }
}

/// Judgements derived from the findings.
struct Judged {
    verdict: Verdict,
    likely_cause: Option<LikelyCause>,
    slo: Option<SloOutcome>,
}

impl Judged {
    fn of(
        job: &Job<'_>,
        conducted: &Conducted,
        tally: &Tally,
        collector: &Collector,
        found: &Found,
        calibration: Option<Calibration>,
    ) -> Judged {
        let mut verdict = judge(job, conducted, tally, collector, found, calibration);
        let likely_cause = likely::cause(job, &found.requests, &found.connections, tally.sample.as_ref());
        if likely_cause.is_some() {
            likely::mark_what_follows(&mut verdict);
        }
        let measured = Measured {
            response: &found.times.response,
            requests: &found.requests,
            achieved_per_second: found.achieved_per_second,
            is_queue_growing: found.queue.as_ref().is_some_and(|queue| queue.is_growing),
            generators_own: &verdict.generators_own,
        };
        let slo = job.options.slo.as_ref().map(|slo| slo.judge(&measured));
        Judged { verdict, likely_cause, slo }
    }
}

pub(super) fn make_record(
    job: &Job<'_>,
    conducted: &Conducted,
    tally: &Tally,
    calibration: Option<Calibration>,
    collector: &mut Collector,
) -> Record {
    let (options, plan) = (job.options, job.plan);
    collector.set_kernel(&conducted.samples, duration_ns(options.interval_or_default()) / 1000);
    let found = Found::of(job, conducted, tally, &collector.total);
    let Judged { verdict, likely_cause, slo } = Judged::of(job, conducted, tally, collector, &found, calibration);
    let Found { kernel, requests, connections, reconnect, times, interruption, achieved_per_second, queue } = found;
    let offered = || per_second(requests.scheduled, tally.paced_ns);
    Record {
        schema: record::SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        commit: None,
        target: plan.target.shown.clone(),
        address: plan.routes[0].address.to_string(),
        addresses: account::addresses(plan, tally),
        workload: plan.target.requests.workload(),
        engine: options.engine,
        mode: options.mode(),
        schedule: (options.mode() == Mode::Open).then_some(options.process),
        rate: options.rate,
        seed: job.schedule.seed,
        pipeline: options.pipeline,
        requests_per_connection: (options.requests_per_connection > 0).then_some(options.requests_per_connection),
        threads: options.threads,
        duration_us: tally.window_ns / 1000,
        duration_planned_us: (options.window() < WHATEVER_IT_TAKES).then(|| duration_ns(options.window()) / 1000),
        warmup_us: conducted.warm_up_ns / 1000,
        timeout_us: duration_ns(options.timeout) / 1000,
        window_start_unix_ms: conducted.window_start_unix_ms,
        window_start_ns: conducted.window_start_ns,
        expect_status: expect_status(job),
        interrupted: interruption.is_some(),
        interrupted_during: interruption,
        requests_per_second: per_second(requests.completed, tally.window_ns),
        offered_per_second: options.mode().is_scheduled().then(offered).flatten(),
        achieved_per_second,
        queue,
        bytes_in: tally.traffic.bytes_in,
        bytes_out: tally.traffic.bytes_out,
        response_us: times.response,
        service_us: times.service,
        first_byte_us: times.first_byte,
        lateness_us: times.lateness,
        back_pressure_us: times.back_pressure,
        connect_us: times.connect,
        time_to_first_response_us: times.first_response,
        clamped: times.clamped,
        histograms: times.histograms,
        intervals: std::mem::take(&mut collector.intervals),
        syscalls: account::syscalls(tally.traffic),
        cpu: account::cpu(&kernel, conducted.completed, options, tally),
        watched: account::watched(&kernel, conducted.completed, options),
        slo,
        host: job.host.clone(),
        hiccups: conducted.hiccups.clone(),
        clock: job.clock.clone(),
        kernel,
        memory: account::memory(conducted, connections.established),
        requests,
        connections,
        reconnect,
        likely_cause,
        verdict,
    }
}

/// Runs every check on the findings.
fn judge(
    job: &Job<'_>,
    conducted: &Conducted,
    tally: &Tally,
    collector: &Collector,
    found: &Found,
    calibration: Option<Calibration>,
) -> Verdict {
    let (total, times, plan) = (&collector.total, &found.times, job.plan);
    let is_tun = job.options.engine == Engine::Tun;
    let is_co_located = is_tun || plan.is_here();
    let waited = cpu_shares::waited(&tally.cpu_shares);
    let attendants_share = share_of(conducted.attendants_ns, tally.window_ns).unwrap_or(0.0);
    validity::judge(&Evidence {
        extent: Extent::of(tally.window_ns, found.interruption),
        queue: found.queue.as_ref(),
        mode: job.options.mode(),
        process: evidence::process(job),
        requests: Some(&found.requests),
        connections: Some(&found.connections),
        reconnect: found.reconnect.as_ref(),
        response: Some(&times.response),
        service: Some(&times.service),
        lateness: Some(&times.lateness),
        back_pressure: Some(&times.back_pressure),
        late_100us: total.lateness.count_above(100_000),
        late_far: total.lateness.count_above(far_ns(&times.response)),
        waited: total.back_pressure.count_above(1_000_000),
        windows: &evidence::windows(&tally.arrivals),
        arrivals: evidence::arrivals(job, &tally.arrivals, tally.window_ns),
        worker_shares: &evidence::worker_shares(job, &collector.intervals),
        busiest_worker_share: cpu_shares::busiest(&tally.cpu_shares),
        run_delay_share: waited.map(|waited| waited.all),
        siblings_share: waited.map_or(0.0, |waited| waited.siblings),
        foreign_share: waited.and_then(|waited| evidence::foreign_share(waited, attendants_share, &found.kernel)),
        attendants_share,
        steal_share: evidence::steal_share(job, &found.kernel),
        involuntary_switches: Some(tally.involuntary_switches),
        hiccup_us_p99_9: conducted.hiccups.p99_9_us,
        hiccup_us_max: conducted.hiccups.max_us,
        hiccup_gaps: conducted.hiccups.gaps_over_100ms,
        host_shortages: tally.connect_causes.host_shortages() + tally.request_causes.host_shortages(),
        is_unix: plan.is_unix(),
        // The kernel does not know the engine's own ends. If connections come and go, most are opening or closing at
        // any moment, so the number of established ones says nothing.
        kernel_established: evidence::kernel_established(
            conducted,
            found.connections.replaced,
            is_co_located && !is_tun,
        )
        .filter(|_| job.options.requests_per_connection == 0 && !plan.is_unix()),
        is_alone: job.host.is_in_own_namespace,
        steadiness: Some(evidence::steadiness(conducted, &collector.intervals)),
        transport: evidence::transport(&found.kernel, &tally.traffic),
        clock: Some(evidence::clock(job)),
        clamped: times.clamped,
        calibration,
        achieved_per_second: found.achieved_per_second,
        disclosure: Some(evidence::disclosure(job, is_co_located)),
        is_co_located,
    })
}

/// The statuses that were a success, where there are any.
fn expect_status(job: &Job<'_>) -> Option<String> {
    let is_http = job.plan.target.requests.workload() == Workload::Http;
    is_http.then(|| job.options.expect_status.unwrap_or_default().to_string())
}

/// One millisecond, or a tenth of the median response where that is more.
fn far_ns(response: &Summary) -> u64 {
    response.p50.map_or(0, |p50_us| (p50_us * 100.0) as u64).max(1_000_000)
}
