//! The ring: set-up with reasons when it fails, a push that never loses an entry, one wait per turn.

use std::io;
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, Probe, Submitter, opcode, squeue};

/// Why there is no ring, and what mends it.
#[derive(Debug, thiserror::Error)]
#[error("io_uring is unavailable: {cause}; {fix}")]
pub struct Unavailable {
    /// What is missing.
    pub cause: String,
    /// What mends it.
    pub fix: &'static str,
}

/// Sizes of a ring.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Submissions that fit before the ring must be entered; a full queue is submitted at once.
    pub submissions: u32,
    /// Completions that fit. More are kept by the kernel (IORING_FEAT_NODROP), but end multishot
    /// operations.
    pub completions: u32,
    /// Direct descriptors, at most RLIMIT_NOFILE for each ring.
    pub descriptors: u32,
}

/// A completion, copied out of the shared queue.
#[derive(Debug, Clone, Copy)]
pub struct Completion {
    /// What the submission was tagged with.
    pub user_data: u64,
    /// Result, or the negated error number.
    pub result: i32,
    /// `IORING_CQE_F_*`.
    pub flags: u32,
}

/// How long to wait for more than one completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gather {
    /// So many completions end the wait at once.
    pub count: u32,
    /// After so long fewer do; without any, the wait goes on until the first (min-wait, Linux 6.12).
    pub wait_us_max: u32,
}

/// A ring of one thread: SINGLE_ISSUER, DEFER_TASKRUN, SUBMIT_ALL, NO_SQARRAY, a registered ring
/// descriptor, and an empty table of direct descriptors.
pub struct Ring {
    inner: IoUring,
}

impl Ring {
    /// Sets a ring up; it belongs to the calling thread.
    ///
    /// # Errors
    /// [`Unavailable`] with what is missing on this host.
    pub fn open(sizes: Sizes) -> Result<Ring, Unavailable> {
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
        // One less lookup of the ring's descriptor per enter; a kernel that cannot is too old.
        inner.submitter().register_ring_fd().map_err(refused("registering the ring descriptor"))?;
        Ok(Ring { inner })
    }

    /// For registrations.
    pub fn submitter(&self) -> Submitter<'_> {
        self.inner.submitter()
    }

    /// Queues an entry; submits the queue first when it is full. Returns how often it had to.
    ///
    /// # Safety
    /// Every address in `entry` must stay valid until its last completion was seen.
    #[inline]
    pub unsafe fn push(&mut self, entry: &squeue::Entry) -> u64 {
        let mut enters = 0;
        loop {
            // SAFETY: the caller's promise.
            if unsafe { self.inner.submission().push(entry) }.is_ok() {
                return enters;
            }
            enters += 1;
            // EBUSY and EAGAIN leave the entries in the queue; the kernel frees places as soon as
            // it can allocate, and there is nothing else this thread could do meanwhile.
            let _ = self.inner.submit();
        }
    }

    /// Submits what is queued, waits for a completion, at most for `wait_max` (zero does not wait), and
    /// moves all completions into `completions`. It is one system call.
    ///
    /// # Errors
    /// What io_uring_enter(2) returns when the ring is unusable.
    #[inline]
    pub fn submit_and_wait(&mut self, wait_max: Option<Duration>, completions: &mut Vec<Completion>) -> io::Result<()> {
        let result = match wait_max {
            None => self.inner.submitter().submit_and_wait(1),
            Some(Duration::ZERO) => self.submit_and_poll(),
            Some(wait_max) => {
                let time = Timespec::new().sec(wait_max.as_secs()).nsec(wait_max.subsec_nanos());
                self.inner.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&time))
            }
        };
        self.take_completions(result, completions)
    }

    /// Like [`Ring::submit_and_wait`], but gathers several completions.
    ///
    /// # Errors
    /// What io_uring_enter(2) returns when the ring is unusable.
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
        let time = Timespec::new().sec(wait_max.as_secs()).nsec(wait_max.subsec_nanos());
        let arguments = SubmitArgs::new().timespec(&time).min_wait_usec(gather.wait_us_max);
        let result = self.inner.submitter().submit_with_args(gather.count as usize, &arguments);
        self.take_completions(result, completions)
    }

    /// Whether the kernel has consumed every entry that was pushed, and every completion that it made
    /// meanwhile was seen: none waits for room in the queue.
    pub fn is_submitted(&mut self) -> bool {
        let submissions = self.inner.submission();
        submissions.is_empty() && !submissions.cq_overflow()
    }

    #[inline]
    fn take_completions(&mut self, result: io::Result<usize>, completions: &mut Vec<Completion>) -> io::Result<()> {
        match result.map_err(|error| (error.raw_os_error(), error)) {
            // EBUSY: completions overflowed; taking them out below makes room.
            Ok(_) | Err((Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN), _)) => {}
            Err((_, error)) => return Err(error),
        }
        for entry in self.inner.completion() {
            completions.push(Completion { user_data: entry.user_data(), result: entry.result(), flags: entry.flags() });
        }
        Ok(())
    }
}

impl Ring {
    /// Submits what is queued and runs the deferred work without waiting for any.
    fn submit_and_poll(&mut self) -> io::Result<usize> {
        /// `IORING_ENTER_GETEVENTS` of linux/io_uring.h: without it deferred work is left alone.
        const GETEVENTS: u32 = 1;
        let count = self.inner.submission().len() as u32;
        // SAFETY: no argument is passed, and the entries keep the promise made to `push`.
        unsafe { self.inner.submitter().enter::<libc::sigset_t>(count, 0, GETEVENTS, None) }
    }
}

fn refused(what: &'static str) -> impl FnOnce(io::Error) -> Unavailable {
    move |error| Unavailable { cause: format!("{what} failed: {error}"), fix: "run Linux 6.6 or later" }
}

/// Asks for each operation instead of guessing from a version number.
fn ensure_operations(ring: &IoUring) -> Result<(), Unavailable> {
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(refused("probing for operations"))?;
    // SEND_ZC came with Linux 6.0, together with multishot receive, which cannot be probed for.
    let needed = [
        (opcode::AcceptMulti::CODE, "accept"),
        (opcode::Connect::CODE, "connect"),
        (opcode::RecvMulti::CODE, "recv"),
        (opcode::Send::CODE, "send"),
        (opcode::Shutdown::CODE, "shutdown"),
        (opcode::Close::CODE, "close"),
        (opcode::AsyncCancel::CODE, "cancel"),
        (opcode::PollAdd::CODE, "poll"),
        (opcode::SendZc::CODE, "multishot recv"),
    ];
    match needed.iter().find(|(code, _)| !probe.is_supported(*code)) {
        None => Ok(()),
        Some((_, name)) => {
            Err(Unavailable { cause: format!("this kernel's io_uring has no {name}"), fix: "run Linux 6.1 or later" })
        }
    }
}

/// What a failed io_uring_setup(2) means.
fn explain_setup(error: io::Error) -> Unavailable {
    let (cause, fix) = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => (
            "io_uring_setup(2) is not permitted (kernel.io_uring_disabled, or a seccomp filter)",
            "run `sysctl -w kernel.io_uring_disabled=0`, or allow io_uring in the container's seccomp profile",
        ),
        Some(libc::ENOSYS) => {
            ("this kernel was built without io_uring, or a seccomp filter hides it", "run Linux 6.6 or later")
        }
        Some(libc::EINVAL) => (
            "this kernel lacks a set-up flag (SINGLE_ISSUER, DEFER_TASKRUN: Linux 6.1; NO_SQARRAY: 6.6)",
            "run Linux 6.6 or later",
        ),
        Some(libc::ENOMEM) => ("no memory for the rings", "raise `ulimit -l` or free memory"),
        Some(libc::EMFILE | libc::ENFILE) => ("no descriptor for the ring", "raise `ulimit -n`"),
        _ => ("io_uring_setup(2) failed", "run Linux 6.6 or later"),
    };
    Unavailable { cause: format!("{cause}: {error}"), fix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_setup_names_cause_and_fix() {
        for (errno, cause, fix) in [
            (libc::EPERM, "not permitted", "io_uring_disabled=0"),
            (libc::ENOSYS, "without io_uring", "Linux 6.6"),
            (libc::EINVAL, "DEFER_TASKRUN", "Linux 6.6"),
            (libc::EMFILE, "no descriptor", "ulimit -n"),
        ] {
            let text = explain_setup(io::Error::from_raw_os_error(errno)).to_string();
            assert!(text.contains(cause) && text.contains(fix), "{text}");
        }
    }
}
