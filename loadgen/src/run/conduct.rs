//! Leads the workers from stage to stage and samples CPU and memory meanwhile.

use super::collect::Collector;
use super::hiccup::Hiccup;
use super::progress::{Handles, Phase, Snapshot};
use crate::engine::control::{Control, Progress, Stage, Times};
use crate::engine::job::Job;
use crate::memory::{self, Shortage};
use crate::pause;
use crate::plan::mode::Mode;
use crate::plan::options::WarmUp;
use crate::record::HiccupReport;
use crate::record::Interruption;
use host::kernel::{self, Sample, Sampler};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;
use sys::clock::{self, duration_ns};

/// With fewer connections the host's memory is not watched, unless a reserve is requested.
const GUARDED_CONNECTIONS_MIN: u32 = 10_000;
/// How often the main thread looks around.
const TICK: Duration = Duration::from_millis(20);
/// Time between the release of the workers and the first request, so that none of them starts late.
const LEAD_NS: u64 = 20_000_000;
/// Time between the announcement of a window and its start: workers look every 10 ms.
const NOTICE_NS: u64 = 60_000_000;

/// What the main thread saw beside the workers.
#[derive(Debug, Default)]
pub(super) struct Conducted {
    pub(super) memory_before: Option<u64>,
    pub(super) memory_established: Option<u64>,
    pub(super) window_start_unix_ms: u64,
    pub(super) window_start_ns: u64,
    pub(super) warm_up_ns: u64,
    /// Whether the warm-up became steady; `None` if its length was fixed.
    pub(super) is_steady: Option<bool>,
    /// One at each boundary of the intervals of the window.
    pub(super) samples: Vec<Sample>,
    /// Established connections of the namespace before the first connect.
    pub(super) kernel_established_before: Option<u64>,
    /// The same at the start of the window.
    pub(super) kernel_established: Option<u64>,
    /// Good replies between the first and the last sample.
    pub(super) completed: u64,
    pub(super) hiccups: HiccupReport,
    /// CPU time of the window that this program's other threads took: this one, unless it ran on CPUs of its own, and
    /// the hiccup thread, which shares the workers'.
    pub(super) attendants_ns: u64,
    /// In which part the run was interrupted, if it was.
    pub(super) interruption: Option<Interruption>,
    pub(super) has_opened: bool,
    /// From the first connect until the last worker had its connections, or had given up on the rest.
    pub(super) ramp_ns: u64,
    /// The shortage of memory, and how many connections were open then.
    pub(super) shortage: Option<(Shortage, u64)>,
}

/// Leads the workers from stage to stage. Workers that end early end the run; joining them tells why. `is_apart` says
/// that the calling thread runs on none of the workers' CPUs.
pub(super) fn conduct(
    job: &Job<'_>,
    handles: &Handles<'_>,
    stop: &AtomicBool,
    hiccup: Hiccup,
    is_apart: bool,
    collector: &mut Collector,
    observe: &mut impl FnMut(Snapshot<'_>),
) -> Conducted {
    let (control, options) = (job.control, job.options);
    let mut conducted = Conducted::default();
    let phase_began_ns = clock::now_ns();
    let is_guarded = options.memory_reserve.is_some() || options.connections >= GUARDED_CONNECTIONS_MIN;
    let mut conductor = Conductor {
        control,
        handles,
        stop,
        collector,
        observe,
        phase_began_ns,
        window_start_ns: 0,
        guard: is_guarded.then(|| memory::Guard::new(options.memory_reserve)),
        shortage: None,
    };
    if !conductor.wait_for_all(Progress::Ready) {
        control.enter(Stage::Abandon);
        return conducted;
    }
    let mut sampler = Sampler::new(kernel::Config {
        watch_pid: options.watch_pid,
        watch_cpus: options.watch_cpus.clone(),
        own_cpus: options.cpus.clone(),
    });
    conducted.kernel_established_before = sampler.sample().established();
    conducted.memory_before = memory::rss_anon_bytes();
    let ramp_began_ns = clock::now_ns();
    control.enter(Stage::Connect);
    let all_connected = conductor.wait_for_all(Progress::Connected);
    conducted.ramp_ns = clock::now_ns() - ramp_began_ns;
    let was_stopped_early = control.is_stopped();
    conducted.has_opened = control.has_opened();
    if !all_connected || (!conducted.has_opened && !control.is_stopped()) {
        control.enter(Stage::Abandon);
        conducted.shortage = conductor.shortage;
        return conducted;
    }
    conducted.memory_established = memory::rss_anon_bytes();
    let begin_ns = clock::now_ns() + LEAD_NS;
    control.begin_load(begin_ns);
    let (times, is_steady) = conductor.warm_up(job, begin_ns);
    conducted.is_steady = is_steady;
    conducted.window_start_ns = times.start_ns;
    conducted.warm_up_ns = times.start_ns.saturating_sub(begin_ns);
    conducted.window_start_unix_ms = clock::unix_ms();
    hiccup.mark();
    let completed_before = control.totals().1;
    conductor.phase_began_ns = clock::now_ns();
    let own_cpu_ns = clock::thread_cpu_ns();
    conductor.measure(job, times, &mut sampler, &mut conducted.samples);
    let own_cpu_ns = clock::thread_cpu_ns() - own_cpu_ns;
    conducted.completed = control.totals().1 - completed_before;
    let seen = hiccup.stop();
    conducted.hiccups = seen.report;
    conducted.attendants_ns = seen.cpu_ns + if is_apart { 0 } else { own_cpu_ns };
    conducted.kernel_established = conducted.samples.first().and_then(Sample::established);
    conducted.interruption = interruption(control, was_stopped_early, times);
    conductor.wait_for_end();
    conducted.shortage = conductor.shortage;
    conducted
}

/// In which part of the run it was stopped, if it was.
fn interruption(control: &Control, was_stopped_early: bool, times: Times) -> Option<Interruption> {
    // A stop before the window leaves an empty window.
    let has_window = times.end_ns > times.start_ns;
    match control.is_stopped() {
        true if was_stopped_early => Some(Interruption::Connecting),
        true if !has_window => Some(Interruption::WarmUp),
        true if clock::now_ns() < times.end_ns => Some(Interruption::Window),
        _ => None,
    }
}

/// The waiting parts of [`conduct`].
struct Conductor<'a, 'scope, F> {
    control: &'a Control,
    handles: &'a Handles<'scope>,
    stop: &'a AtomicBool,
    collector: &'a mut Collector,
    observe: &'a mut F,
    phase_began_ns: u64,
    window_start_ns: u64,
    /// The guard of the host's memory, if there are enough connections to matter.
    guard: Option<memory::Guard>,
    /// The shortage it found, and how many connections were open then.
    shortage: Option<(Shortage, u64)>,
}

impl<F: FnMut(Snapshot<'_>)> Conductor<'_, '_, F> {
    /// Passes on the stop flag, collects slices, and reports progress.
    fn look(&mut self, phase: Phase) {
        if self.stop.load(Ordering::Relaxed) {
            self.control.stop();
        }
        self.collector.collect(self.window_start_ns);
        let (connections_open, completed, failed) = self.control.totals();
        if self.shortage.is_none()
            && let Some(shortage) = self.guard.as_mut().and_then(memory::Guard::shortage)
        {
            self.shortage = Some((shortage, connections_open));
            self.control.stop();
        }
        let elapsed = Duration::from_nanos(clock::now_ns() - self.phase_began_ns);
        let last = self.collector.intervals.last();
        (self.observe)(Snapshot { phase, elapsed, connections_open, completed, failed, last });
    }

    fn have_ended(&self) -> bool {
        self.handles.iter().all(ScopedJoinHandle::is_finished)
    }

    /// False if a worker has ended instead.
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

    /// Announces the window at the right time and waits for its start.
    fn warm_up(&mut self, job: &Job<'_>, begin_ns: u64) -> (Times, Option<bool>) {
        self.phase_began_ns = clock::now_ns();
        // Until the start is known, intervals are dated from the start of the load.
        self.window_start_ns = begin_ns;
        let is_idle = job.options.mode() == Mode::Idle;
        let mut is_steady = None;
        let start_ns = match job.options.warmup {
            _ if is_idle => begin_ns,
            WarmUp::Fixed(length) => begin_ns.saturating_add(duration_ns(length)),
            WarmUp::UntilSteady(length_max) => {
                let latest_ns = begin_ns.saturating_add(duration_ns(length_max));
                is_steady = Some(self.wait_for_steadiness(job.options.mode() == Mode::Closed, latest_ns));
                clock::now_ns() + NOTICE_NS
            }
        };
        let end_ns = start_ns.saturating_add(duration_ns(job.options.window()));
        let mut times = Times { start_ns, end_ns };
        self.control.set_window(times);
        self.wait_until(Phase::WarmingUp, times.start_ns);
        let now_ns = clock::now_ns();
        if self.control.is_stopped() && now_ns < times.start_ns {
            // The workers also end their warm-up, however long it was planned.
            times = Times { start_ns: now_ns, end_ns: now_ns };
        }
        self.collector.set_origin(self.window_start_ns, times.start_ns);
        self.window_start_ns = times.start_ns;
        (times, is_steady)
    }

    fn wait_for_steadiness(&mut self, is_closed: bool, latest_ns: u64) -> bool {
        while clock::now_ns() < latest_ns && !self.control.is_stopped() && !self.have_ended() {
            thread::sleep(TICK);
            self.look(Phase::WarmingUp);
            if self.collector.is_steady(is_closed) {
                return true;
            }
        }
        false
    }

    /// Waits for the end of the window, and takes a sample at each boundary of its intervals.
    fn measure(&mut self, job: &Job<'_>, times: Times, sampler: &mut Sampler, samples: &mut Vec<Sample>) {
        let len_ns = duration_ns(job.options.interval_or_default());
        samples.push(sampler.sample());
        for index in 1.. {
            let boundary_ns = times.start_ns.saturating_add(len_ns.saturating_mul(index)).min(times.end_ns);
            self.wait_until(Phase::Measuring, boundary_ns);
            let is_last = boundary_ns == times.end_ns;
            samples.push(if is_last { sampler.sample() } else { sampler.sample_in_bites(pause::between_bites) });
            if is_last || clock::now_ns() < boundary_ns {
                return; // the end, or a stop before it
            }
        }
    }

    /// Waits until `until_ns` or the end of the run, whichever is first.
    fn wait_until(&mut self, phase: Phase, until_ns: u64) {
        loop {
            let left_ns = until_ns.saturating_sub(clock::now_ns());
            if left_ns == 0 || self.control.is_stopped() || self.have_ended() {
                return;
            }
            thread::sleep(TICK.min(Duration::from_nanos(left_ns)));
            self.look(phase);
        }
    }

    fn wait_for_end(&mut self) {
        self.phase_began_ns = clock::now_ns();
        while !self.have_ended() {
            self.look(Phase::Finishing);
            thread::sleep(TICK / 4);
        }
    }
}
