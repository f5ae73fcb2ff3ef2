//! Sums what the threads of one process waited for, although threads may come and go.

use super::parse;
use super::source::{Buffer, Source};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// A process with more threads is not summed. Two descriptors and 20 µs per sample for each thread would be too much.
const THREADS_MAX: usize = 1024;

/// Total waits of threads so far. What cannot be read is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Waits {
    /// Time ready to run, but without a CPU.
    pub(crate) run_delay_ns: Option<u64>,
    /// Context switches to wait for something.
    pub(crate) voluntary: Option<u64>,
    /// Context switches forced by the scheduler.
    pub(crate) involuntary: Option<u64>,
}

/// The threads of a process, each with its files open. An open file stays with its thread, so a new thread that gets
/// the same id is not mistaken for the old one.
#[derive(Debug)]
pub(crate) struct Threads {
    folder: PathBuf,
    alive: BTreeMap<u32, Thread>,
    /// The last values of ended threads, because sums must not fall when a thread ends.
    ended: Last,
    /// Whether any thread ever showed a run delay. A kernel that does not count them shows zeros.
    has_run_delay: bool,
}

#[derive(Debug)]
struct Thread {
    status: Source,
    /// Absent in a kernel without CONFIG_SCHED_INFO.
    schedstat: Option<Source>,
    last: Last,
}

/// A thread as last seen.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    run_delay_ns: u64,
    voluntary: u64,
    involuntary: u64,
}

impl Threads {
    /// `folder` is `/proc/[pid]/task`.
    pub(crate) fn new(folder: PathBuf) -> Threads {
        Threads { folder, alive: BTreeMap::new(), ended: Last::default(), has_run_delay: false }
    }

    /// Sums over all threads that exist or existed. `None` when the process has ended, may not be inspected, has too
    /// many threads, or has one that cannot be read for lack of descriptors.
    pub(crate) fn read(&mut self, buffer: &mut Buffer) -> Option<Waits> {
        let listed = thread_ids(&self.folder).ok()?;
        if listed.len() > THREADS_MAX {
            return None;
        }
        let has_run_delay = &mut self.has_run_delay;
        let ended = &mut self.ended;
        self.alive.retain(|id, thread| {
            let is_alive = listed.contains(id) && thread.read(buffer, has_run_delay);
            if !is_alive {
                ended.add(thread.last);
            }
            is_alive
        });
        let mut is_complete = true;
        for id in listed {
            if self.alive.contains_key(&id) {
                continue;
            }
            match Thread::open(&self.folder.join(id.to_string())) {
                Ok(mut thread) => {
                    if thread.read(buffer, &mut self.has_run_delay) {
                        self.alive.insert(id, thread);
                    }
                }
                Err(error) => is_complete &= is_gone(&error),
            }
        }
        let mut sum = self.ended;
        self.alive.values().for_each(|thread| sum.add(thread.last));
        is_complete.then_some(Waits {
            run_delay_ns: self.has_run_delay.then_some(sum.run_delay_ns),
            voluntary: Some(sum.voluntary),
            involuntary: Some(sum.involuntary),
        })
    }
}

/// Time for which the threads of a process were ready to run but had no CPU, for one who asks often: the files stay open,
/// and a reading costs a few µs for each thread. Threads that are born later do not count.
#[derive(Debug)]
pub struct ProcessRunDelay {
    /// Each with its last value, because a sum must not fall when a thread ends.
    threads: Vec<(Source, Option<u64>)>,
    buffer: Buffer,
}

impl ProcessRunDelay {
    /// Of the threads that the process has now. One that does not exist, or a kernel without CONFIG_SCHED_INFO, gives no
    /// readings.
    pub fn open(pid: u32) -> ProcessRunDelay {
        let folder = PathBuf::from(format!("/proc/{pid}/task"));
        let open = |id: u32| (Source::open(folder.join(id.to_string()).join("schedstat")), None);
        let threads = thread_ids(&folder).unwrap_or_default().into_iter().map(open).collect();
        ProcessRunDelay { threads, buffer: Buffer::new() }
    }

    /// What they have waited so far, in µs. `None` where the kernel does not show it.
    pub fn read_us(&mut self) -> Option<u64> {
        for (schedstat, last) in &mut self.threads {
            let now = schedstat.read(&mut self.buffer).and_then(|text| parse::schedstat(&text)).flatten();
            *last = now.or(*last);
        }
        self.threads.iter().filter_map(|(_, last)| *last).reduce(u64::saturating_add).map(|ns| ns / 1000)
    }
}

impl Thread {
    fn open(folder: &Path) -> io::Result<Thread> {
        let status = Source::try_open(folder.join("status"))?;
        let schedstat = match Source::try_open(folder.join("schedstat")) {
            Ok(schedstat) => Some(schedstat),
            Err(error) if is_gone(&error) => None,
            Err(error) => return Err(error),
        };
        Ok(Thread { status, schedstat, last: Last::default() })
    }

    /// Updates `last`. False when the thread has ended.
    fn read(&mut self, buffer: &mut Buffer, has_run_delay: &mut bool) -> bool {
        let switches = self.status.read(buffer).and_then(|text| parse::switches(&text));
        let Some((voluntary, involuntary)) = switches else { return false };
        (self.last.voluntary, self.last.involuntary) = (voluntary, involuntary);
        let delay = self.schedstat.as_ref().and_then(|source| parse::schedstat(&source.read(buffer)?));
        if let Some(Some(run_delay_ns)) = delay {
            self.last.run_delay_ns = run_delay_ns;
            *has_run_delay = true;
        }
        true
    }
}

impl Last {
    fn add(&mut self, other: Last) {
        self.run_delay_ns = self.run_delay_ns.saturating_add(other.run_delay_ns);
        self.voluntary = self.voluntary.saturating_add(other.voluntary);
        self.involuntary = self.involuntary.saturating_add(other.involuntary);
    }
}

fn thread_ids(folder: &Path) -> io::Result<BTreeSet<u32>> {
    let mut ids = BTreeSet::new();
    for entry in folder.read_dir()? {
        ids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(ids)
}

/// Whether a file of /proc is missing because its thread has ended.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// Time for which the calling thread was ready to run but had no CPU (proc_pid_schedstat: second field). `None` if the
/// kernel does not account for it.
pub fn thread_run_delay_ns() -> Option<u64> {
    OwnRunDelay::open().read_ns()
}

/// The same, for a thread that asks often: the file stays open, and a reading costs a few µs. It is that of the thread
/// that opened it.
#[derive(Debug)]
pub struct OwnRunDelay {
    schedstat: Source,
    buffer: Buffer,
}

impl OwnRunDelay {
    /// For the calling thread. A kernel without the file gives no readings.
    pub fn open() -> OwnRunDelay {
        OwnRunDelay { schedstat: Source::open("/proc/thread-self/schedstat"), buffer: Buffer::new() }
    }

    /// What that thread has waited so far.
    pub fn read_ns(&mut self) -> Option<u64> {
        parse::schedstat(&self.schedstat.read(&mut self.buffer)?).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;
    use std::time::{Duration, Instant};

    #[test]
    fn sums_keep_what_ended_threads_had() {
        let mut buffer = Buffer::new();
        let mut threads = Threads::new("/proc/self/task".into());
        let before = threads.read(&mut buffer).unwrap();
        let (asks, asked) = mpsc::channel::<()>();
        let (tells, told) = mpsc::channel();
        let sleeper = thread::spawn(move || {
            (0..50).for_each(|_| thread::sleep(Duration::from_millis(1)));
            tells.send(rustix::thread::gettid().as_raw_nonzero().get() as u32).unwrap();
            asked.recv().unwrap_err();
        });
        let id = told.recv().unwrap();
        let during = threads.read(&mut buffer).unwrap();
        assert!(threads.alive.contains_key(&id));
        assert!(during.voluntary >= before.voluntary.map(|before| before + 50), "{before:?} {during:?}");

        drop(asks);
        sleeper.join().unwrap();
        // A thread leaves /proc slightly after it can be joined.
        let (folder, begun) = (PathBuf::from(format!("/proc/self/task/{id}")), Instant::now());
        while folder.exists() && begun.elapsed() < Duration::from_secs(30) {
            thread::sleep(Duration::from_millis(1));
        }
        let after = threads.read(&mut buffer).unwrap();
        assert!(!threads.alive.contains_key(&id));
        assert!(after.voluntary >= during.voluntary && after.involuntary >= during.involuntary, "{during:?} {after:?}");
        assert!(after.run_delay_ns >= during.run_delay_ns, "{during:?} {after:?}");
        // A kernel with CONFIG_SCHED_INFO has the file, and this process has run.
        assert_eq!(after.run_delay_ns.is_some(), Path::new("/proc/self/schedstat").exists());
    }

    #[test]
    fn a_threads_own_waiting_never_shrinks() {
        let mut own = OwnRunDelay::open();
        let first = own.read_ns();
        (0..20).for_each(|_| thread::sleep(Duration::from_micros(100)));
        let (second, of_thread) = (own.read_ns(), thread_run_delay_ns());
        assert_eq!(first.is_some(), Path::new("/proc/self/schedstat").exists());
        assert!(first <= second && second <= of_thread, "{first:?} {second:?} {of_thread:?}");
    }

    /// Four threads that only compute share one CPU, so at any time three of them wait.
    #[test]
    fn waiting_is_summed_over_threads_and_never_falls() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        let (sum, after) = thread::scope(|scope| {
            let (tells, told) = mpsc::channel();
            for _ in 0..4 {
                let (stop, tells) = (&stop, tells.clone());
                scope.spawn(move || {
                    let mut cpus = rustix::thread::CpuSet::new();
                    cpus.set(0);
                    rustix::thread::sched_setaffinity(None, &cpus).unwrap();
                    tells.send(()).unwrap();
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {}
                });
            }
            (0..4).for_each(|_| told.recv().unwrap());
            let mut delay = ProcessRunDelay::open(std::process::id());
            let (first, begun) = (delay.read_us(), Instant::now());
            let grown = |delay: &mut ProcessRunDelay| delay.read_us().zip(first).map(|(now, first)| now - first);
            // Without the file there is nothing to wait for.
            while grown(&mut delay).is_some_and(|us| us < 50_000) && begun.elapsed() < Duration::from_secs(30) {
                thread::sleep(Duration::from_millis(1));
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            (grown(&mut delay), delay)
        });
        assert_eq!(sum.is_some(), Path::new("/proc/self/schedstat").exists());
        assert!(sum.is_none_or(|us| us >= 50_000), "{sum:?}");
        let mut after = after;
        assert!(after.read_us() >= sum, "those that have ended count as they last were");
    }

    #[test]
    fn a_process_that_is_not_there_has_no_sum() {
        assert_eq!(ProcessRunDelay::open(4_294_967_295).read_us(), None);
        assert_eq!(Threads::new("/proc/4294967295/task".into()).read(&mut Buffer::new()), None);
    }
}
