//! One run from plan to verdict: starts the workers, leads them through the stages, samples CPU and
//! memory beside them, and makes the record. Never touches a socket.

use crate::LoadError;
use crate::causes::error_name;
use crate::clock::{self, duration_ns};
use crate::control::{Control, Progress, Stage, Times};
use crate::engine::{CONNECTION_LEN_MAX, Job};
use crate::options::Options;
use crate::plan::{HostLimits, Plan};
use crate::record::{self, Connections, Cpu, Interval, LogEntry, Memory, Record, RequestCounts, Summary, Watched};
use crate::sample::{self, CpuSample, Watch};
use crate::schedule::{Process, Schedule};
use crate::tally::Tally;
use crate::validity::{self, Evidence};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

/// How often the main thread looks around.
const TICK: Duration = Duration::from_millis(20);
/// Time between the release of the workers and the first request, so that none of them starts late.
const LEAD_NS: u64 = 20_000_000;

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Establishing connections.
    Connecting,
    /// Load that is not recorded.
    WarmingUp,
    /// The measured window.
    Measuring,
    /// Waiting for outstanding replies.
    Finishing,
}

/// What a run produced.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The JSON document.
    pub record: Record,
    /// The histograms of every interval, in order; the record has their sums only.
    pub log: Vec<LogEntry>,
}

/// What is known while a run goes on, for progress displays.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    /// What the run is doing.
    pub phase: Phase,
    /// Time since this phase began.
    pub elapsed: Duration,
    /// Connections open now.
    pub connections_open: u64,
    /// Replies since the load began.
    pub completed: u64,
    /// Failures since the load began.
    pub failed: u64,
    /// The last interval that has ended.
    pub last: Option<&'a Interval>,
}

/// What the main thread saw beside the workers.
#[derive(Debug, Default)]
struct Conducted {
    memory_before: Option<u64>,
    memory_established: Option<u64>,
    window_start_unix_ms: u64,
    before: CpuSample,
    after: CpuSample,
    interrupted: bool,
    has_opened: bool,
}

type Handles<'scope> = [ScopedJoinHandle<'scope, Result<Tally, LoadError>>];

/// Carries out a run. Setting `stop` ends it within a second with a record of what was measured;
/// `observe` is called about 50 times a second.
///
/// # Errors
/// When the run could not take place at all; see [`LoadError`].
pub fn run(options: &Options, stop: &AtomicBool, mut observe: impl FnMut(Snapshot<'_>)) -> Result<Outcome, LoadError> {
    let plan = Plan::new(options, HostLimits::read())?;
    let seed = options.seed.unwrap_or_else(random_seed);
    let schedule =
        Schedule { process: options.process, rate: options.rate.unwrap_or(0.0), seed, workers: options.threads };
    let control = Control::new(plan.connections.len());
    let job = Job { options, plan: &plan, control: &control, schedule };
    job.check_request()?;
    let (conducted, tally) = thread::scope(|scope| {
        let mut handles = Vec::with_capacity(plan.connections.len());
        for index in 0..plan.connections.len() {
            let job = &job;
            match thread::Builder::new().name(format!("load-{index}")).spawn_scoped(scope, move || job.work(index)) {
                Ok(handle) => handles.push(handle),
                Err(source) => {
                    control.enter(Stage::Abandon);
                    return Err(LoadError::Setup { what: "start a worker thread (use fewer --threads)", source });
                }
            }
        }
        let conducted = conduct(&job, &handles, stop, &mut observe);
        Ok((conducted, join(handles)?))
    })?;
    if !conducted.has_opened && !conducted.interrupted {
        let error = tally.connect_causes.most_frequent_error();
        let error = error.map_or_else(|| "ETIMEDOUT".into(), |errno| error_name(errno.raw_os_error() as usize));
        return Err(LoadError::Unreachable { address: plan.target.address, error });
    }
    Ok(Outcome { record: make_record(&job, &conducted, &tally), log: Vec::new() })
}

/// A seed that differs from run to run; the record has it.
fn random_seed() -> u64 {
    // 53 bits: a JSON number that any reader keeps exact.
    std::hash::RandomState::new().build_hasher().finish() >> 11
}

fn join(handles: Vec<ScopedJoinHandle<'_, Result<Tally, LoadError>>>) -> Result<Tally, LoadError> {
    let mut sum = Tally::new();
    let mut first_error = None;
    for (index, handle) in handles.into_iter().enumerate() {
        match handle.join() {
            Ok(Ok(tally)) => sum.add(&tally),
            Ok(Err(error)) => first_error = first_error.or(Some(error)),
            Err(_) => first_error = first_error.or(Some(LoadError::WorkerDied(index))),
        }
    }
    first_error.map_or(Ok(sum), Err)
}

/// Leads the workers from stage to stage. Workers that end early end the run; `join` knows why.
fn conduct(
    job: &Job<'_>,
    handles: &Handles<'_>,
    stop: &AtomicBool,
    observe: &mut impl FnMut(Snapshot<'_>),
) -> Conducted {
    let (control, options) = (job.control, job.options);
    let mut conducted = Conducted::default();
    let mut conductor = Conductor { control, handles, stop, observe, phase_began_ns: clock::now_ns() };
    if !conductor.wait_for_all(Progress::Ready) {
        control.enter(Stage::Abandon);
        return conducted;
    }
    conducted.memory_before = sample::rss_anon_bytes();
    control.enter(Stage::Connect);
    let all_connected = conductor.wait_for_all(Progress::Connected);
    conducted.has_opened = control.has_opened();
    if !all_connected || (!conducted.has_opened && !control.is_stopped()) {
        control.enter(Stage::Abandon);
        return conducted;
    }
    conducted.memory_established = sample::rss_anon_bytes();
    let begin_ns = clock::now_ns() + LEAD_NS;
    let start_ns = begin_ns.saturating_add(duration_ns(options.warmup));
    let end_ns = start_ns.saturating_add(duration_ns(options.duration));
    control.begin_load(Times { begin_ns, start_ns, end_ns });
    let watch = Watch { own_cpus: options.cpus.clone(), pid: options.watch_pid, cpus: options.watch_cpus.clone() };
    let completed = || control.totals().1;
    conductor.wait_until(Phase::WarmingUp, start_ns);
    conducted.window_start_unix_ms = clock::unix_ms();
    conducted.before = watch.sample(completed);
    conductor.wait_until(Phase::Measuring, end_ns);
    conducted.after = watch.sample(completed);
    conducted.interrupted = control.is_stopped() && clock::now_ns() < end_ns;
    conductor.wait_for_end();
    conducted
}

/// The waiting parts of [`conduct`].
struct Conductor<'a, 'scope, F> {
    control: &'a Control,
    handles: &'a Handles<'scope>,
    stop: &'a AtomicBool,
    observe: &'a mut F,
    phase_began_ns: u64,
}

impl<F: FnMut(Snapshot<'_>)> Conductor<'_, '_, F> {
    /// Passes the stop flag on and reports.
    fn look(&mut self, phase: Phase) {
        if self.stop.load(Ordering::Relaxed) {
            self.control.stop();
        }
        let (connections_open, completed, failed) = self.control.totals();
        let elapsed = Duration::from_nanos(clock::now_ns() - self.phase_began_ns);
        (self.observe)(Snapshot { phase, elapsed, connections_open, completed, failed, last: None });
    }

    /// False when a worker has ended instead.
    fn wait_for_all(&mut self, progress: Progress) -> bool {
        // Short at first: a few connections take less than a tick.
        let mut pause = Duration::from_micros(500);
        loop {
            if self.control.workers.iter().all(|worker| worker.has_reached(progress)) {
                return true;
            }
            if self.handles.iter().any(ScopedJoinHandle::is_finished) {
                return false;
            }
            self.look(Phase::Connecting);
            thread::sleep(pause);
            pause = (pause * 2).min(TICK);
        }
    }

    /// Waits for a moment, or for the end of the run, whichever is first.
    fn wait_until(&mut self, phase: Phase, until_ns: u64) {
        self.phase_began_ns = clock::now_ns();
        loop {
            let left_ns = until_ns.saturating_sub(clock::now_ns());
            if left_ns == 0 || self.control.is_stopped() || self.handles.iter().all(ScopedJoinHandle::is_finished) {
                return;
            }
            thread::sleep(TICK.min(Duration::from_nanos(left_ns)));
            self.look(phase);
        }
    }

    fn wait_for_end(&mut self) {
        self.phase_began_ns = clock::now_ns();
        while !self.handles.iter().all(ScopedJoinHandle::is_finished) {
            self.look(Phase::Finishing);
            thread::sleep(TICK / 4);
        }
    }
}

fn make_record(job: &Job<'_>, conducted: &Conducted, tally: &Tally) -> Record {
    let (options, plan) = (job.options, job.plan);
    let requests = RequestCounts::of(tally);
    let connections = Connections::of(tally, plan);
    let unknown = requests.timed_out + requests.censored + requests.unsent;
    let response = Summary::of(&tally.response, unknown);
    let lateness = Summary::of(&tally.lateness, 0);
    // A closed loop does not record service times: without losses they are the response times.
    let service = if options.rate.is_some() { &tally.service } else { &tally.response };
    let service_unknown = if options.rate.is_some() { 0 } else { unknown };
    let busiest_worker_share = tally.cpu_share;
    let recorders = [
        ("response", &tally.response),
        ("service", service),
        ("lateness", &tally.lateness),
        ("back_pressure", &tally.back_pressure),
        ("connect", &tally.connect),
    ];
    let clamped = tally.response.clamped + tally.service.clamped + tally.lateness.clamped + tally.back_pressure.clamped;
    let verdict = validity::judge(&Evidence {
        mode: options.mode(),
        requests: Some(&requests),
        connections: Some(&connections),
        response: Some(&response),
        lateness: Some(&lateness),
        late_100us: later_than(tally, 100_000),
        late_far: later_than(tally, far_ns(&response)),
        busiest_worker_share,
        host_shortages: tally.connect_causes.host_shortages() + tally.request_causes.host_shortages(),
        clamped,
        is_co_located: plan.target.address.ip().to_canonical().is_loopback(),
    });
    Record {
        schema: record::SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        target: options.target.clone(),
        address: plan.target.address.to_string(),
        workload: plan.target.workload.name().into(),
        engine: options.engine.name().into(),
        mode: options.mode().into(),
        schedule: options.rate.map(|_| Process::name(options.process).into()),
        rate: options.rate,
        seed: job.schedule.seed,
        pipeline: options.pipeline,
        threads: options.threads,
        duration_us: tally.window_ns / 1000,
        duration_planned_us: duration_ns(options.duration) / 1000,
        warmup_us: duration_ns(options.warmup) / 1000,
        timeout_us: duration_ns(options.timeout) / 1000,
        window_start_unix_ms: conducted.window_start_unix_ms,
        interrupted: conducted.interrupted,
        requests_per_second: requests.completed as f64 * 1e9 / tally.window_ns.max(1) as f64,
        bytes_in: tally.traffic.bytes_in,
        bytes_out: tally.traffic.bytes_out,
        service_us: Summary::of(service, service_unknown),
        back_pressure_us: Summary::of(&tally.back_pressure, 0),
        connect_us: Summary::of(&tally.connect, 0),
        time_to_first_response_us: Summary::default(),
        intervals: Vec::new(),
        response_us: response,
        lateness_us: lateness,
        clamped,
        histograms: recorders.map(|(name, recorder)| (name.to_owned(), record::encode(recorder))).into(),
        syscalls: tally.traffic.into(),
        cpu: Cpu::between(&conducted.before, &conducted.after, &options.cpus, busiest_worker_share),
        watched: Watched::between(&conducted.before, &conducted.after, options),
        memory: memory(conducted, connections.established),
        requests,
        connections,
        verdict,
    }
}

/// Sends later than `late_ns`.
fn later_than(tally: &Tally, late_ns: u64) -> u64 {
    let histogram = &tally.lateness.histogram;
    // The bucket of the bound itself is not later.
    let bound = histogram.highest_equivalent(late_ns);
    if bound >= histogram.max() { 0 } else { histogram.count_between(bound + 1, histogram.max()) }
}

/// One millisecond, or a tenth of the median response where that is more.
fn far_ns(response: &Summary) -> u64 {
    response.p50.map_or(0, |p50_us| (p50_us * 100.0) as u64).max(1_000_000)
}

fn memory(conducted: &Conducted, established: u64) -> Memory {
    let grown = match (conducted.memory_before, conducted.memory_established) {
        (Some(before), Some(after)) if established > 0 => {
            Some(after.saturating_sub(before) as f64 / established as f64)
        }
        _ => None,
    };
    Memory {
        rss_anon_before_bytes: conducted.memory_before,
        rss_anon_established_bytes: conducted.memory_established,
        per_connection_bytes: grown,
        connection_struct_bytes_max: CONNECTION_LEN_MAX as u64,
    }
}
