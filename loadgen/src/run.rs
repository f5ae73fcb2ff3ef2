//! One run from plan to verdict: starts the workers, leads them through the stages, and makes the
//! record. Never touches a socket.

mod account;
mod clock_check;
mod collect;
mod conduct;
mod evidence;
mod hiccup;
mod likely;
mod pace;
mod progress;
mod report;

use crate::LoadError;
use crate::engine::control::{Control, Stage};
use crate::engine::job::Job;
use crate::engine::work;
use crate::plan::Plan;
use crate::plan::mode::Mode;
use crate::plan::options::Options;
use crate::record::{LogEntry, Record};
use crate::recording::causes::error_name;
use crate::recording::tally::Tally;
use crate::schedule::{Schedule, Stage as RateStage};
use crate::validity::Calibration;
use collect::Collector;
use host::HostFacts;
use sys::affinity::{self, Affinity};
use sys::clock::duration_ns;

use hiccup::Hiccup;

pub use progress::{Phase, Snapshot};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::thread::{self, ScopedJoinHandle};

/// What a run produced.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The JSON document.
    pub record: Record,
    /// The histograms of every interval, in order; the record has their sums only.
    pub log: Vec<LogEntry>,
}

/// Carries out a run that was planned. Setting `stop` ends it within a second with a record of what was measured;
/// `observe` is called about 50 times a second. `calibration` is the generator's performance against a server that
/// does nothing, if measured.
///
/// # Errors
/// When the run could not take place at all; see [`LoadError`].
pub(crate) fn run(
    options: &Options,
    plan: &Plan,
    calibration: Option<Calibration>,
    stop: &AtomicBool,
    mut observe: impl FnMut(Snapshot<'_>),
) -> Result<Outcome, LoadError> {
    let seed = options.seed.unwrap_or_else(random_seed);
    let control = Control::new(plan.connections.len(), establishing_max(options));
    let cpus = (0..plan.connections.len()).map(|worker| options.cpu_of(worker)).collect();
    let (mut collector, slices) = Collector::new(cpus, duration_ns(options.timeout));
    let clock = clock_check::measure();
    let schedule = schedule(options, seed);
    let host = HostFacts::read();
    let job = Job { options, plan, control: &control, schedule, slices, clock, host };
    job.check_request()?;
    // The main thread runs on spare CPUs if there are any, else on those of the load, but never on the
    // watched ones.
    let hiccup = Hiccup::start(hiccup::PERIOD, &options.cpus)?;
    let beside = affinity::beside(&options.cpus, &options.watch_cpus);
    let is_apart = !beside.is_empty() && beside.iter().all(|cpu| !options.cpus.contains(cpu));
    let affinity = Affinity::restrict(&beside);
    let outcome = thread::scope(|scope| {
        let mut handles = Vec::with_capacity(plan.connections.len());
        for index in 0..plan.connections.len() {
            let job = &job;
            match thread::Builder::new().name(format!("load-{index}")).spawn_scoped(scope, move || work(job, index)) {
                Ok(handle) => handles.push(handle),
                Err(source) => {
                    control.enter(Stage::Abandon);
                    return Err(LoadError::Setup { what: "start a worker thread (use fewer --threads)", source });
                }
            }
        }
        let conducted = conduct::conduct(&job, &handles, stop, hiccup, is_apart, &mut collector, &mut observe);
        Ok((conducted, join(handles)?))
    });
    drop(affinity);
    let (conducted, tally) = outcome?;
    if let Some((shortage, open)) = conducted.shortage {
        return Err(LoadError::OutOfMemory {
            open,
            wanted: options.connections,
            left: shortage.left,
            reserve: shortage.reserve,
        });
    }
    collector.finish(conducted.window_start_ns);
    if !conducted.has_opened && conducted.interruption.is_none() {
        let error = tally.connect_causes.most_frequent_error();
        let error = error.map_or_else(|| "ETIMEDOUT".into(), |errno| error_name(errno.raw_os_error() as usize));
        return Err(LoadError::Unreachable { address: plan.routes[0].address.to_string(), error });
    }
    let record = report::make_record(&job, &conducted, &tally, calibration, &mut collector);
    Ok(Outcome { record, log: collector.take_log() })
}

/// Workers that open their connections at the same time: one per CPU that they may use. A ramp at a given rate is
/// shared among all workers.
fn establishing_max(options: &Options) -> usize {
    match options.connect_rate {
        Some(_) => usize::MAX,
        None if options.cpus.is_empty() => thread::available_parallelism().map_or(1, NonZeroUsize::get),
        None => options.cpus.iter().collect::<BTreeSet<_>>().len(),
    }
}

/// The arrivals of a run; a closed loop, idle connections and heartbeats have none.
fn schedule(options: &Options, seed: u64) -> Schedule {
    let stages = match (options.mode(), options.rate) {
        (Mode::Open, Some(rate)) => vec![RateStage { rate, duration: options.duration }],
        (Mode::Open, None) => options.stages.clone(),
        (Mode::Closed | Mode::Heartbeat | Mode::Idle, _) => Vec::new(),
    };
    Schedule { process: options.process, stages, burst: options.burst, seed, workers: options.threads }
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
