//! The ring: a push that never loses an entry, one wait per turn, and an end that leaves nothing behind.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use io_uring::types::CancelBuilder;
use io_uring::{IoUring, opcode, squeue};

use crate::uring::buffers::{Memory, filled};
use crate::uring::enter::{GETEVENTS, Registered, Wait};
use crate::uring::setup::{ensure_operations, explain_setup, refused};
use crate::uring::{Completion, ProvidedBuffers, Unavailable};

/// Sizes of a ring.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Submissions that fit before the ring must be entered; a full queue is submitted at once.
    pub submissions: u32,
    /// Completions that fit. The kernel keeps further ones (IORING_FEAT_NODROP), but they end multishot
    /// operations.
    pub completions: u32,
    /// Direct descriptors, at most RLIMIT_NOFILE for each ring.
    pub descriptors: u32,
}

impl Sizes {
    /// Memory of both queues: an io_uring_sqe has 64 B, an io_uring_cqe 16 B (linux/io_uring.h).
    pub const fn queue_bytes(&self) -> u64 {
        self.submissions as u64 * 64 + self.completions as u64 * 16
    }
}

/// How long to wait for more than one completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gather {
    /// This many completions end the wait at once.
    pub count: u32,
    /// After this time fewer completions end it; if there is none, the wait goes on until the first
    /// (min-wait, Linux 6.12).
    pub wait_us_max: u32,
}

/// A ring of one thread: SINGLE_ISSUER, DEFER_TASKRUN, SUBMIT_ALL, NO_SQARRAY, a registered ring
/// descriptor, and an empty table of direct descriptors.
pub struct Ring {
    // Dropped in this order.
    registered: Registered,
    inner: IoUring,
    memory: Rc<Memory>,
    /// Entries for which the queue has no room yet.
    backlog: VecDeque<squeue::Entry>,
    id: NonZeroU32,
    /// No operation in flight can touch memory of this process.
    is_quiet: bool,
}

impl Ring {
    /// Sets up a ring and its provided buffers; both belong to the calling thread.
    ///
    /// # Errors
    /// [`Unavailable`] with what is missing on this host.
    pub fn open(sizes: Sizes) -> Result<(Ring, ProvidedBuffers), Unavailable> {
        /// The number of the next ring of this process.
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let inner = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_no_sqarray()
            .setup_cqsize(sizes.completions)
            .setup_clamp()
            .build(sizes.submissions)
            .map_err(explain_setup)?;
        ensure_operations(&inner)?;
        inner.submitter().register_files_sparse(sizes.descriptors).map_err(|error| Unavailable {
            cause: format!("registering {} direct descriptors failed: {error}", sizes.descriptors),
            fix: "use fewer connections per ring or raise `ulimit -Hn`, which bounds the table of each ring",
        })?;
        let registered = Registered::new(&inner).map_err(refused("registering the ring descriptor"))?;
        let id = NonZeroU32::new(NEXT.fetch_add(1, Ordering::Relaxed)).expect("four billion rings in one process");
        let (buffers, memory) = ProvidedBuffers::register(&inner, id).map_err(|error| Unavailable {
            cause: format!("registering provided buffers failed: {error}"),
            fix: "raise `ulimit -l`, which bounds their ring, or run Linux 5.19 or later",
        })?;
        let backlog = VecDeque::with_capacity(8);
        Ok((Ring { registered, inner, memory, backlog, id, is_quiet: true }, buffers))
    }

    /// Puts a socket into place `index` of the table of direct descriptors.
    ///
    /// # Errors
    /// What io_uring_register(2) returns: ENOMEM for one.
    pub fn place(&mut self, index: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.inner.submitter().register_files_update(index, &[socket.as_raw_fd()]).map(drop)
    }

    /// Queues an entry; submits the queue first when it is full. Returns how often it had to.
    ///
    /// # Safety
    /// Every address in `entry` must stay valid until its last completion was seen, or [`Ring::quiesce`] said
    /// so. The entry must not provide or remove buffers, and must not take several for one completion
    /// (bundles): a completion names the one that is lent.
    #[inline]
    pub unsafe fn push(&mut self, entry: &squeue::Entry) -> u64 {
        self.is_quiet = false;
        // SAFETY: the caller's promise.
        if self.backlog.is_empty() && unsafe { self.inner.submission().push(entry) }.is_ok() {
            return 0;
        }
        self.backlog.push_back(entry.clone());
        // If the kernel is short of memory it leaves entries in the queue, and this one waits behind them. The
        // next wait meets the same error and reports it.
        let _ = self.submit(0, Wait::default());
        1
    }

    /// Submits what is queued, waits for a completion, at most for `wait_max` (zero does not wait), and
    /// moves all completions into `completions`. It is one system call.
    ///
    /// # Errors
    /// What io_uring_enter(2) returns. EAGAIN, EBUSY and ENOMEM: the kernel was short of something and neither
    /// took entries nor reported completions. Nothing is lost, and the caller should pause before it tries
    /// again. EBADR: the kernel dropped completions, see [`Ring::dropped`]. Completions that exist are moved
    /// even then.
    #[inline]
    pub fn submit_and_wait(&mut self, wait_max: Option<Duration>, completions: &mut Vec<Completion>) -> io::Result<()> {
        let wait = match wait_max {
            Some(Duration::ZERO) => Wait::default(),
            wait_max => Wait { count: 1, min_wait_us: 0, wait_max },
        };
        let result = self.submit(GETEVENTS, wait);
        self.take_completions(result, completions)
    }

    /// Submits what is queued, runs all deferred work and moves what it completed into `completions`, without
    /// waiting. An enter that does not wait runs only 20 items of it (`IO_LOCAL_TW_DEFAULT_MAX` of
    /// io_uring/io_uring.h, Linux 6.13), so this one asks for as many completions as there is room for, with a
    /// timeout of zero.
    ///
    /// # Errors
    /// As for [`Ring::submit_and_wait`].
    pub fn submit_and_fetch(&mut self, completions: &mut Vec<Completion>) -> io::Result<()> {
        let count = self.inner.params().cq_entries();
        let result = self.submit(GETEVENTS, Wait { count, min_wait_us: 0, wait_max: Some(Duration::ZERO) });
        self.take_completions(result, completions)
    }

    /// Like [`Ring::submit_and_wait`], but gathers several completions.
    ///
    /// # Errors
    /// As for [`Ring::submit_and_wait`].
    #[inline]
    pub fn submit_and_gather(
        &mut self,
        gather: Gather,
        wait_max: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()> {
        /// The kernel ignores a minimum that is not below the maximum.
        const WAIT_MAX: Duration = Duration::from_secs(3600);
        let wait_max = wait_max.unwrap_or(WAIT_MAX);
        if wait_max.as_micros() <= u128::from(gather.wait_us_max) {
            return self.submit_and_wait(Some(wait_max), completions);
        }
        let wait = Wait { count: gather.count, min_wait_us: gather.wait_us_max, wait_max: Some(wait_max) };
        let result = self.submit(GETEVENTS, wait);
        self.take_completions(result, completions)
    }

    /// Whether the kernel has consumed every pushed entry and every completion it made was seen, so that none
    /// waits for room in the queue. Call it right after a wait; later, entries pushed since then count as
    /// well.
    pub fn is_submitted(&mut self) -> bool {
        let submissions = self.inner.submission();
        self.backlog.is_empty() && submissions.is_empty() && !submissions.cq_overflow()
    }

    /// Submits the queue and the backlog, then waits. Every enter of a ring is made here.
    #[inline]
    fn submit(&mut self, flags: u32, wait: Wait) -> io::Result<usize> {
        while !self.backlog.is_empty() {
            self.enter(0, Wait::default())?;
            if !self.refill() {
                // The kernel consumed nothing, so do not sleep now.
                return self.enter(flags, Wait::default());
            }
        }
        self.enter(flags, wait)
    }

    #[inline]
    fn enter(&mut self, flags: u32, wait: Wait) -> io::Result<usize> {
        // Looking at the queue also publishes its tail.
        let submissions = self.inner.submission();
        let (count, overflow) = (submissions.len() as u32, submissions.cq_overflow());
        drop(submissions);
        // Completions that found no room come only on request.
        self.registered.enter(count, if overflow { flags | GETEVENTS } else { flags }, wait)
    }

    /// Moves entries from the backlog into the queue; false when there was no room for any.
    #[cold]
    fn refill(&mut self) -> bool {
        let before = self.backlog.len();
        while let Some(entry) = self.backlog.front() {
            // SAFETY: the promise made to `push`.
            if unsafe { self.inner.submission().push(entry) }.is_err() {
                break;
            }
            self.backlog.pop_front();
        }
        self.backlog.len() < before
    }

    /// Moves what is in the queue into `completions`, whatever the enter returned: an error loses nothing.
    #[inline]
    fn take_completions(&mut self, result: io::Result<usize>, completions: &mut Vec<Completion>) -> io::Result<()> {
        for entry in self.inner.completion() {
            let (result, flags) = (entry.result(), entry.flags());
            let filled = filled(self.id, result, flags);
            completions.push(Completion { user_data: entry.user_data(), result, flags, filled });
        }
        match result.map_err(|error| (error.raw_os_error(), error)) {
            Ok(_) | Err((Some(libc::ETIME | libc::EINTR), _)) => Ok(()),
            // EBUSY: completions overflowed; taking them out made room.
            Err((Some(libc::EBUSY | libc::EAGAIN), _)) if !completions.is_empty() => Ok(()),
            Err((_, error)) => Err(error),
        }
    }

    /// Completions that the kernel has dropped since the ring was opened. It keeps those that find no room in
    /// the queue, unless it has no memory for them (IORING_FEAT_NODROP in io_uring_setup(2)).
    pub fn dropped(&mut self) -> u32 {
        self.inner.completion().overflow()
    }

    /// Cancels all operations and waits until they have ended: then the kernel holds no address, and the
    /// memory may be freed. False if that took too long. Their completions are not reported any more.
    ///
    /// The kernel searches for each operation among all (io_uring/cancel.c, 6.18): use it for some thousands
    /// at most.
    pub fn quiesce(&mut self) -> bool {
        /// Rounds of a millisecond.
        const ROUNDS_MAX: u32 = 1000;
        const MINE: u64 = u64::MAX;
        let mut completions = Vec::new();
        // Wait for all of them at once: with a smaller number, the kernel handles 20 at a time.
        let count = self.inner.params().cq_entries();
        for _ in 0..ROUNDS_MAX {
            let entry = opcode::AsyncCancel2::new(CancelBuilder::any()).build().user_data(MINE);
            // SAFETY: the entry holds no address.
            unsafe { self.push(&entry) };
            let wait = Wait { count, min_wait_us: 0, wait_max: Some(Duration::from_millis(1)) };
            let result = self.submit(GETEVENTS, wait);
            if self.take_completions(result, &mut completions).is_err() {
                return false;
            }
            // The number it found, including those found before that have not ended yet.
            let found = completions.iter().find(|completion| completion.user_data == MINE).map(|it| it.result);
            let is_alone = completions.len() == 1;
            completions.clear();
            if is_alone && found == Some(0) && self.is_submitted() {
                self.is_quiet = true;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
impl Ring {
    pub(crate) fn descriptor(&self) -> std::os::fd::RawFd {
        self.inner.as_raw_fd()
    }

    /// What the `io-uring` crate does, and this one must not do.
    pub(crate) fn enter_by_descriptor(&self) -> io::Result<usize> {
        self.inner.submit()
    }
}

impl Drop for Ring {
    /// Closes the ring. The kernel cancels remaining operations later, in its own thread, and nothing says
    /// when it is done: unless the ring is known to be quiet, its buffers are leaked.
    fn drop(&mut self) {
        if !self.is_quiet {
            std::mem::forget(Rc::clone(&self.memory));
        }
    }
}
