//! What the main thread and the workers tell each other: a few atomics, read once per turn.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// How far the run as a whole has come. Set by the main thread only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    /// Workers allocate and pin.
    Prepare,
    /// Workers establish their connections.
    Connect,
    /// `begin_ns` is set; the load runs.
    Load,
    /// Set-up failed elsewhere: leave without a load.
    Abandon,
}

/// How far one worker has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Progress {
    /// Allocated and pinned.
    Ready = 1,
    /// Every connection is established, or the worker has given up on the rest.
    Connected,
}

/// One worker's own cache lines: two, because the hardware fetches lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WorkerState {
    /// A [`Progress`]; 0 while preparing.
    progress: AtomicU8,
    pub(crate) open: AtomicU32,
    /// Successful connects so far.
    pub(crate) opened: AtomicU64,
    /// Replies received since the load began, warm-up included.
    pub(crate) completed: AtomicU64,
    pub(crate) failed: AtomicU64,
}

impl WorkerState {
    pub(crate) fn advance(&self, progress: Progress) {
        self.progress.store(progress as u8, Ordering::Release);
    }

    pub(crate) fn has_reached(&self, progress: Progress) -> bool {
        self.progress.load(Ordering::Acquire) >= progress as u8
    }
}

/// Shared by the main thread and the workers for one run.
#[derive(Debug)]
pub(crate) struct Control {
    stage: AtomicU8,
    begin_ns: AtomicU64,
    start_ns: AtomicU64,
    end_ns: AtomicU64,
    stopped: AtomicBool,
    /// Workers that establish at the same time at most.
    establishing_max: usize,
    /// Workers that have their connections, or have given up on the rest.
    established: AtomicUsize,
    pub(crate) workers: Vec<WorkerState>,
}

/// The measured window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}

impl Control {
    /// For `workers` workers, of which `establishing_max` establish at the same time.
    pub(crate) fn new(workers: usize, establishing_max: usize) -> Self {
        Control {
            establishing_max,
            established: AtomicUsize::new(0),
            stage: AtomicU8::new(Stage::Prepare as u8),
            begin_ns: AtomicU64::new(0),
            start_ns: AtomicU64::new(0),
            end_ns: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            workers: (0..workers).map(|_| WorkerState::default()).collect(),
        }
    }

    /// Whether it is this worker's turn to establish its connections. More workers than CPUs would only compete
    /// for CPUs with each other and with a server on the same host.
    pub(crate) fn may_establish(&self, worker: usize) -> bool {
        worker < self.established.load(Ordering::Relaxed).saturating_add(self.establishing_max)
    }

    /// A worker has its connections: the next may begin.
    pub(crate) fn finish_establishing(&self) {
        self.established.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a worker has already given up and none has ever had a connection.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.established.load(Ordering::Relaxed) > 0 && !self.has_opened()
    }

    /// Workers that establish at the same time at most.
    pub(crate) fn establishing_max(&self) -> usize {
        self.establishing_max
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
    }

    /// Starts the load with its warm-up.
    pub(crate) fn begin_load(&self, begin_ns: u64) {
        self.begin_ns.store(begin_ns, Ordering::Relaxed);
        // The release in `enter` orders the time before the stage.
        self.enter(Stage::Load);
    }

    /// Publishes the window, once.
    pub(crate) fn set_window(&self, times: Times) {
        self.end_ns.store(times.end_ns, Ordering::Relaxed);
        self.start_ns.store(times.start_ns, Ordering::Release);
    }

    pub(crate) fn is_at(&self, stage: Stage) -> bool {
        self.stage.load(Ordering::Acquire) == stage as u8
    }

    pub(crate) fn begin_ns(&self) -> u64 {
        self.begin_ns.load(Ordering::Relaxed)
    }

    /// The window, when it is known.
    pub(crate) fn times(&self) -> Option<Times> {
        let start_ns = self.start_ns.load(Ordering::Acquire);
        (start_ns != 0).then(|| Times { start_ns, end_ns: self.end_ns.load(Ordering::Relaxed) })
    }

    /// Ends the load ahead of time.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Whether any connect of any worker has ever succeeded.
    pub(crate) fn has_opened(&self) -> bool {
        self.workers.iter().any(|worker| worker.opened.load(Ordering::Relaxed) > 0)
    }

    /// Sums over the workers: open connections, completed and failed requests.
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        self.workers.iter().fold((0, 0, 0), |(open, completed, failed), worker| {
            (
                open + u64::from(worker.open.load(Ordering::Relaxed)),
                completed + worker.completed.load(Ordering::Relaxed),
                failed + worker.failed.load(Ordering::Relaxed),
            )
        })
    }
}
