//! Pauses of the host itself, detected by a thread that only sleeps and checks how late it wakes.
//!
//! Whatever stops this thread (the hypervisor, an interrupt storm, power saving) stops workers and server too; a tail
//! that coincides with it is not the server's. The idea is jHiccup's. What this thread waits in the queue for a CPU is
//! left out: it shares the workers' CPUs, so a busy worker would look like a pause of the host. Others in that queue
//! make the workers wait too, and V5 counts it.

use crate::LoadError;
use crate::record::HiccupReport;
use crate::recording::recorder::Recorder;
use host::kernel::OwnRunDelay;
use rustix::io::Errno;
use rustix::thread::{CpuSet, clock_nanosleep_absolute, sched_setaffinity, set_current_timer_slack};
use rustix::time::{ClockId, Timespec};
use std::io;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use sys::clock;

/// The usual period: short enough to detect pauses of milliseconds. It costs a timer and two context
/// switches: 14 to 25 µs per period, about 1 % of a CPU, on a busy virtual machine (Linux 6.18), as much as a
/// bare loop around clock_nanosleep(2).
pub(crate) const PERIOD: Duration = Duration::from_millis(2);
/// A shorter period would make the watcher a load of its own.
const PERIOD_NS_MIN: u64 = 100_000;
/// A longer one would miss pauses and keep `stop` waiting.
const PERIOD_NS_MAX: u64 = 1_000_000_000;
/// Lateness from which a wake-up counts as a gap (V6; Hyperfoil objects to pauses of 50 to 100 ms).
const GAP_NS: u64 = 100_000_000;

/// A thread that watches for pauses until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Hiccup {
    log: Arc<Mutex<Log>>,
    thread: Option<JoinHandle<()>>,
    period_ns: u64,
}

/// What the thread found, and the time span that counts.
#[derive(Debug)]
struct Log {
    recorder: Recorder,
    gaps: u64,
    from_ns: u64,
    /// The thread ends at its first wake-up after this.
    until_ns: u64,
    /// The CPU time that the thread had used at its last wake-up, and at the last one before the mark.
    cpu_ns: u64,
    cpu_from_ns: u64,
}

/// What was seen between the mark and the stop.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) report: HiccupReport,
    /// CPU time that the watching itself took.
    pub(crate) cpu_ns: u64,
}

impl Hiccup {
    /// Starts watching, on `cpus` when there are any. A period is held between 0.1 ms and 1 s.
    ///
    /// # Errors
    /// [`LoadError::Refused`] when the thread cannot run on `cpus`, [`LoadError::Setup`] when it cannot
    /// be started.
    pub(crate) fn start(period: Duration, cpus: &[u32]) -> Result<Hiccup, LoadError> {
        let period_ns = clock::duration_ns(period).clamp(PERIOD_NS_MIN, PERIOD_NS_MAX);
        let log = Arc::new(Mutex::new(Log::new()));
        let (report, has_started) = mpsc::channel();
        let (watched, cpus) = (Arc::clone(&log), cpus.to_vec());
        let thread = thread::Builder::new().name("hiccup".into()).spawn(move || {
            let pinned = pin(&cpus);
            let is_ready = pinned.is_ok();
            // Chosen before the caller goes on, so that a pause right after this line is seen too.
            let first_ns = clock::now_ns() + period_ns;
            // The other end waits for this, or it has panicked and needs no answer.
            let _ = report.send(pinned);
            if is_ready {
                watch(&watched, first_ns, period_ns);
            }
        });
        let failed = |source| LoadError::Setup { what: "start the hiccup thread", source };
        let thread = thread.map_err(failed)?;
        // From here on dropping it ends the thread.
        let hiccup = Hiccup { log, thread: Some(thread), period_ns };
        match has_started.recv() {
            Ok(pinned) => pinned.map(|()| hiccup),
            Err(gone) => Err(failed(io::Error::other(gone))),
        }
    }

    /// Begins the measured window: earlier deadlines no longer count.
    pub(crate) fn mark(&self) {
        let mut log = locked(&self.log);
        *log = Log { from_ns: clock::now_ns(), cpu_ns: log.cpu_ns, cpu_from_ns: log.cpu_ns, ..Log::new() };
    }

    /// Ends the measured window and the thread. Returns after its next wake-up, at most a period from
    /// now unless the host pauses.
    pub(crate) fn stop(mut self) -> Seen {
        self.end();
        let log = locked(&self.log);
        Seen { report: log.report(self.period_ns), cpu_ns: log.cpu_ns.saturating_sub(log.cpu_from_ns) }
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        locked(&self.log).until_ns = clock::now_ns();
        // Only a bug can make it panic, with a message on stderr; what it recorded stays valid.
        let _ = thread.join();
    }
}

impl Drop for Hiccup {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ignores poisoning: no holder of the lock leaves the log half changed.
fn locked(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether `cpu_set_t` can name the CPU (sched_setaffinity(2): 1,024 bits).
fn has_bit(cpu: u32) -> bool {
    (cpu as usize) < CpuSet::MAX_CPU
}

fn pin(cpus: &[u32]) -> Result<(), LoadError> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    cpus.iter().filter(|&&cpu| has_bit(cpu)).for_each(|&cpu| set.set(cpu as usize));
    let fits = if cpus.iter().all(|&cpu| has_bit(cpu)) { Ok(()) } else { Err(Errno::INVAL) };
    fits.and_then(|()| sched_setaffinity(None, &set)).map_err(|errno| {
        LoadError::Refused(format!(
            "the hiccup thread cannot run on CPUs {cpus:?} ({errno}); `taskset -cp $$` shows the CPUs there are"
        ))
    })
}

/// Wakes at each deadline until the log says that it is over.
fn watch(log: &Mutex<Log>, mut deadline_ns: u64, period_ns: u64) {
    // The default slack of 50 µs would be added to every sleep (prctl(2)). Without it the lateness is
    // only larger, never smaller.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    let mut queue = OwnRunDelay::open();
    let mut queued_before_ns = queue.read_ns();
    loop {
        let until =
            Timespec { tv_sec: (deadline_ns / 1_000_000_000) as i64, tv_nsec: (deadline_ns % 1_000_000_000) as i64 };
        // A signal may end the sleep early; then no deadline has passed, and the loop sleeps again.
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &until);
        let now_ns = clock::now_ns();
        let queued_ns = queue.read_ns();
        let waited_ns = queued_ns.zip(queued_before_ns).map_or(0, |(now, before)| now.saturating_sub(before));
        queued_before_ns = queued_ns;
        let mut log = locked(log);
        deadline_ns = log.woke(now_ns, waited_ns, deadline_ns, period_ns);
        log.cpu_ns = clock::thread_cpu_ns();
        if now_ns >= log.until_ns {
            return;
        }
    }
}

impl Log {
    fn new() -> Log {
        Log { recorder: Recorder::new(), gaps: 0, from_ns: 0, until_ns: u64::MAX, cpu_ns: 0, cpu_from_ns: 0 }
    }

    /// Records every passed deadline from `deadline_ns` on that lies in the window; returns the next one. The
    /// first has waited longest, so it decides whether this pause was a gap. `waited_ns` of the time were spent in the
    /// queue for a CPU.
    fn woke(&mut self, now_ns: u64, waited_ns: u64, mut deadline_ns: u64, period_ns: u64) -> u64 {
        let mut longest_ns = 0;
        while deadline_ns <= now_ns {
            if (self.from_ns..=self.until_ns).contains(&deadline_ns) {
                let late_ns = (now_ns - deadline_ns).saturating_sub(waited_ns);
                longest_ns = longest_ns.max(late_ns);
                self.recorder.record(late_ns);
            }
            deadline_ns += period_ns;
        }
        self.gaps += u64::from(longest_ns > GAP_NS);
        deadline_ns
    }

    fn report(&self, period_ns: u64) -> HiccupReport {
        let histogram = &self.recorder.histogram;
        let us = |ns: u64| (!histogram.is_empty()).then_some(ns as f64 / 1000.0);
        let quantile = |p: f64| us(histogram.value_at_quantile(p));
        HiccupReport {
            period_us: period_ns / 1000,
            count: histogram.len(),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            p99_9_us: quantile(0.999),
            max_us: us(histogram.max()),
            gaps_over_100ms: self.gaps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn missed_deadlines_are_entered_and_the_window_is_kept() {
        let mut log = Log { from_ns: 10 * MS, until_ns: 500 * MS, ..Log::new() };
        // (woke at, deadline) → (next deadline, entered, gaps so far)
        for (now, deadline, expected) in [
            (9 * MS, 8 * MS, (10 * MS, 0, 0)),
            (10 * MS + 1, 10 * MS, (11 * MS, 1, 0)),
            (10 * MS + 2, 11 * MS, (11 * MS, 1, 0)),
            (14 * MS, 11 * MS, (15 * MS, 5, 0)),
            (115 * MS, 15 * MS, (116 * MS, 106, 0)),
            (217 * MS, 116 * MS, (218 * MS, 208, 1)),
            // Deadlines of 218 to 500 ms count, and the pause goes on beyond the window.
            (700 * MS, 218 * MS, (701 * MS, 491, 2)),
            (901 * MS, 701 * MS, (902 * MS, 491, 2)),
        ] {
            let next = log.woke(now, 0, deadline, MS);
            assert_eq!((next, log.recorder.histogram.len(), log.gaps), expected, "woke at {now}");
        }
        let report = log.report(MS);
        assert_eq!((report.period_us, report.count, report.gaps_over_100ms), (1000, 491, 2));
        let close = |value: Option<f64>, us: f64| value.is_some_and(|value| (value / us - 1.0).abs() < 0.002);
        assert!(close(report.max_us, 482_000.0), "{report:?}");
        assert!(report.p50_us < report.p99_us && report.p99_us <= report.p99_9_us && report.p99_9_us <= report.max_us);
    }

    /// A worker that kept its CPU looked like a pause of the host.
    #[test]
    fn the_queue_for_a_cpu_is_no_pause() {
        for (late, waited, max_us, gaps) in [
            (5 * MS, 0, 5000.0, 0),
            (5 * MS, 4 * MS, 1000.0, 0),
            (150 * MS, 0, 150_000.0, 1),
            (150 * MS, 140 * MS, 10_000.0, 0),
            (5 * MS, 6 * MS, 0.0, 0),
        ] {
            let mut log = Log::new();
            log.woke(10 * MS + late, waited, 10 * MS, 2 * MS);
            let (report, expected) = (log.report(2 * MS), max_us * 0.998..=max_us * 1.002);
            assert!(expected.contains(&report.max_us.unwrap()) && report.gaps_over_100ms == gaps, "{late}: {report:?}");
        }
    }

    #[test]
    fn nothing_seen_is_absent_not_zero() {
        let report = Log::new().report(MS);
        assert_eq!(report, HiccupReport { period_us: 1000, ..HiccupReport::default() });
    }

    #[test]
    fn a_pause_of_the_thread_is_seen() {
        let hiccup = Hiccup::start(Duration::from_millis(1), &[]).unwrap();
        hiccup.mark();
        // While this test holds the lock, the thread gets no further than its next wake-up.
        let held = locked(&hiccup.log);
        thread::sleep(Duration::from_millis(300));
        drop(held);
        let Seen { report, cpu_ns } = hiccup.stop();
        assert!(report.count >= 290 && report.gaps_over_100ms >= 1, "{report:?}");
        assert!(report.max_us.unwrap() >= 290_000.0, "{report:?}");
        // It has used some CPU time, and less than there was.
        assert!((1..100_000_000).contains(&cpu_ns), "{cpu_ns} ns");
    }

    #[test]
    fn what_was_before_the_mark_does_not_count() {
        let hiccup = Hiccup::start(Duration::from_millis(1), &[]).unwrap();
        let held = locked(&hiccup.log);
        thread::sleep(Duration::from_millis(150));
        drop(held);
        let before_ns = clock::now_ns();
        hiccup.mark();
        let Seen { report, .. } = hiccup.stop();
        let elapsed_ns = clock::now_ns() - before_ns;
        assert!(report.count <= elapsed_ns / MS + 1, "{report:?} in {elapsed_ns} ns");
        assert!(report.max_us.unwrap_or(0.0) <= elapsed_ns as f64 / 1000.0 * 1.002, "{report:?} in {elapsed_ns} ns");
    }

    #[test]
    fn cpus_are_taken_or_refused() {
        let allowed = rustix::thread::sched_getaffinity(None).unwrap();
        let cpu = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu)).unwrap() as u32;
        for (period, period_us) in [(Duration::ZERO, 100), (PERIOD, 2000), (Duration::MAX, 1_000_000)] {
            assert_eq!(Hiccup::start(period, &[cpu]).unwrap().stop().report.period_us, period_us);
        }
        // No host has a CPU beyond the last bit of cpu_set_t.
        for cpus in [&[1024][..], &[u32::MAX], &[cpu, 1024]] {
            assert!(matches!(Hiccup::start(PERIOD, cpus), Err(LoadError::Refused(_))), "{cpus:?}");
        }
    }
}
