//! Makes the record of a run out of what the workers counted and the main thread saw.

use super::collect::Collector;
use super::conduct::Conducted;
use super::{account, evidence, likely, pace};
use crate::clock::duration_ns;
use crate::engine::Job;
use crate::kernel::KernelDelta;
use crate::plan::options::{Engine, WHATEVER_IT_TAKES};
use crate::plan::target::Workload;
use crate::ratio::per_second;
use crate::record::{self, Interruption, Record, Summary};
use crate::recording::recorder;
use crate::recording::summary::summarise;
use crate::recording::tally::Tally;
use crate::schedule::Process;
use crate::slo::Measured;
use crate::validity::{self, Evidence, Extent};
use std::borrow::Cow;

pub(super) fn make_record(job: &Job<'_>, conducted: &Conducted, tally: &Tally, collector: &mut Collector) -> Record {
    let (options, plan) = (job.options, job.plan);
    collector.set_kernel(&conducted.samples, duration_ns(options.interval_or_default()) / 1000);
    let kernel = match &conducted.samples[..] {
        [first, .., last] => last.since(first),
        _ => KernelDelta::default(),
    };
    let total = &collector.total;
    let requests = account::requests(&total.requests, tally, options.requests);
    let connections = account::connections(tally, plan, conducted.ramp_ns / 1000);
    let response = summarise(&total.response, total.missing.as_deref());
    let lateness = summarise(&total.lateness, None);
    // A closed loop does not record service times: without losses they are the response times.
    let is_closed = options.mode() == "closed";
    let (service, service_us) = match is_closed {
        true => (total.answered(), summarise(&total.answered(), None)),
        false => (Cow::Borrowed(&total.service), summarise(&total.service, None)),
    };
    let ranked = total.ranked_response();
    let busiest_worker_share = tally.cpu_share;
    let recorders = [
        ("response", ranked.as_ref()),
        ("service", service.as_ref()),
        ("first_byte", &total.first_byte),
        ("lateness", &total.lateness),
        ("back_pressure", &total.back_pressure),
        ("connect", &tally.connect),
        ("time_to_first_response", &tally.first_response),
    ];
    let histograms =
        recorders.iter().map(|(name, recorder)| ((*name).to_owned(), recorder::encode(recorder))).collect();
    let clamped = recorders.iter().map(|(_, recorder)| recorder.clamped).sum();
    let back_pressure_us = summarise(&total.back_pressure, None);
    let window_ns = tally.window_ns;
    // A worker may have begun its window when the others heard of the stop.
    let interruption = conducted.interruption.map(|part| if window_ns > 0 { Interruption::Window } else { part });
    let requests_per_second = per_second(requests.completed, window_ns);
    let achieved_per_second = per_second(tally.pace.answered, tally.paced_ns);
    let is_scheduled = matches!(options.mode(), "open" | "heartbeat");
    let queue = is_scheduled.then(|| pace::queue(&tally.pace, requests.scheduled, tally.paced_ns, pace::spread(job)));
    let is_tun = options.engine == Engine::Tun;
    let is_co_located = is_tun || plan.is_here();
    let mut verdict = validity::judge(&Evidence {
        extent: Extent::of(window_ns, interruption),
        queue: queue.as_ref(),
        mode: options.mode(),
        process: evidence::process(job),
        requests: Some(&requests),
        connections: Some(&connections),
        response: Some(&response),
        service: Some(&service_us),
        lateness: Some(&lateness),
        back_pressure: Some(&back_pressure_us),
        late_100us: total.lateness.count_above(100_000),
        late_far: total.lateness.count_above(far_ns(&response)),
        waited: total.back_pressure.count_above(1_000_000),
        windows: &evidence::windows(&tally.arrivals),
        arrivals: evidence::arrivals(job, &tally.arrivals, tally.window_ns),
        worker_shares: &evidence::worker_shares(job, &collector.intervals),
        busiest_worker_share,
        run_delay_share: tally.run_delay_share,
        steal_share: evidence::steal_share(job, &kernel),
        involuntary_switches: Some(tally.involuntary_switches),
        hiccup_us_p99_9: conducted.hiccups.p99_9_us,
        hiccup_us_max: conducted.hiccups.max_us,
        hiccup_gaps: conducted.hiccups.gaps_over_100ms,
        host_shortages: tally.connect_causes.host_shortages() + tally.request_causes.host_shortages(),
        is_about_shortages: false,
        is_unix: plan.is_unix(),
        // Of the engine's own ends the kernel knows nothing. Where connections come and go, most are on their way at
        // any moment, and how many are established says nothing.
        kernel_established: evidence::kernel_established(conducted, connections.replaced, is_co_located && !is_tun)
            .filter(|_| options.requests_per_connection == 0 && !plan.is_unix()),
        is_alone: job.host.is_in_own_namespace,
        steadiness: Some(evidence::steadiness(conducted, &collector.intervals)),
        transport: evidence::transport(&kernel, &tally.traffic),
        clock: Some(evidence::clock(job)),
        clamped,
        calibration: job.calibration,
        achieved_per_second,
        disclosure: Some(evidence::disclosure(job, is_co_located)),
        is_co_located,
    });
    let likely_cause = likely::cause(job, &requests, &connections, tally.sample.as_ref());
    if likely_cause.is_some() {
        likely::mark_what_follows(&mut verdict);
    }
    let measured = Measured {
        response: &response,
        requests: &requests,
        achieved_per_second,
        is_queue_growing: queue.as_ref().is_some_and(|queue| queue.is_growing),
    };
    let slo = options.slo.as_ref().map(|slo| slo.judge(&measured));
    Record {
        schema: record::SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        commit: None,
        target: plan.target.shown.clone(),
        address: plan.routes[0].address.to_string(),
        addresses: account::addresses(plan, tally),
        workload: plan.target.workload.name().into(),
        engine: options.engine.name().into(),
        mode: options.mode().into(),
        schedule: (options.mode() == "open").then(|| Process::name(options.process).into()),
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
        requests_per_second,
        offered_per_second: is_scheduled.then(|| per_second(requests.scheduled, tally.paced_ns)).flatten(),
        achieved_per_second,
        queue,
        bytes_in: tally.traffic.bytes_in,
        bytes_out: tally.traffic.bytes_out,
        service_us,
        first_byte_us: summarise(&total.first_byte, None),
        back_pressure_us,
        connect_us: summarise(&tally.connect, None),
        time_to_first_response_us: summarise(&tally.first_response, None),
        response_us: response,
        lateness_us: lateness,
        clamped,
        intervals: std::mem::take(&mut collector.intervals),
        histograms,
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
        likely_cause,
        verdict,
    }
}

/// The statuses that were a success, where there are any.
fn expect_status(job: &Job<'_>) -> Option<String> {
    let is_http = matches!(job.plan.target.workload, Workload::Http { .. });
    is_http.then(|| job.options.expect_status.unwrap_or_default().to_string())
}

/// One millisecond, or a tenth of the median response where that is more.
fn far_ns(response: &Summary) -> u64 {
    response.p50.map_or(0, |p50_us| (p50_us * 100.0) as u64).max(1_000_000)
}
