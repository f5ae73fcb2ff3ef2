//! A ring as this server uses it: the submissions it needs, one wait, completions in a batch.
//!
//! Safe outside: the functions that hand addresses to the kernel are unsafe and say for how long.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use io_uring::types::{CancelBuilder, DestinationSlot, Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, Probe, opcode, squeue};

use super::{Direct, GROUP};
use crate::shard::counters::Counters;
use crate::shard::slab::Token;
use crate::unavailable::Unavailable;

/// Submissions that fit before the ring must be entered; a full queue is submitted at once.
const SQ_ENTRIES: u32 = 1024;
/// Completions that fit. More are kept by the kernel (IORING_FEAT_NODROP), but end multishot
/// operations; 8,192 are a receive and a send for each of 4,096 busy connections.
const CQ_ENTRIES: u32 = 8192;

/// A completion, copied out of the shared queue.
#[derive(Clone, Copy)]
pub(super) struct Completion {
    pub(super) token: Token,
    pub(super) result: i32,
    pub(super) flags: u32,
}

pub(super) struct Ring {
    inner: IoUring,
}

impl Ring {
    /// Sets a ring up with a table for `connections_max` direct descriptors.
    pub(super) fn open(connections_max: u32) -> Result<Ring, Unavailable> {
        let inner = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_no_sqarray()
            .setup_cqsize(CQ_ENTRIES)
            .setup_clamp()
            .build(SQ_ENTRIES)
            .map_err(explain_setup)?;
        ensure_operations(&inner)?;
        let submitter = inner.submitter();
        submitter.register_files_sparse(connections_max).map_err(|error| Unavailable::Uring {
            cause: format!("registering {connections_max} direct descriptors failed: {error}"),
            fix: "lower --max-connections or raise `ulimit -Hn`, which bounds the table of each ring",
        })?;
        // One less lookup of the ring's descriptor per enter; a kernel that cannot is too old.
        inner
            .submitter()
            .register_ring_fd()
            .map_err(Unavailable::kernel("io_uring: registering the ring descriptor"))?;
        Ok(Ring { inner })
    }

    pub(super) fn inner(&self) -> &IoUring {
        &self.inner
    }

    /// Queues an entry; submits the queue first when it is full.
    ///
    /// # Safety
    /// Every address in `entry` must stay valid until its last completion was seen.
    #[inline]
    unsafe fn push(&mut self, entry: &squeue::Entry, counters: &mut Counters) {
        counters.sqes += 1;
        loop {
            // SAFETY: the caller's promise.
            if unsafe { self.inner.submission().push(entry) }.is_ok() {
                return;
            }
            counters.enters += 1;
            counters.syscalls += 1;
            // EBUSY and EAGAIN leave the entries in the queue; the kernel frees places as soon as
            // it can allocate, and there is nothing else this reactor could do meanwhile.
            let _ = self.inner.submit();
        }
    }

    /// Accepts every connection of `listener` into a direct descriptor, until told otherwise.
    pub(super) fn accept_multishot(&mut self, listener: RawFd, token: Token, counters: &mut Counters) {
        let entry = opcode::AcceptMulti::new(Fd(listener)).allocate_file_index(true).build().user_data(token.0);
        // SAFETY: the entry holds no address.
        unsafe { self.push(&entry, counters) };
    }

    /// Accepts one connection of `listener` into a direct descriptor.
    pub(super) fn accept_oneshot(&mut self, listener: RawFd, token: Token, counters: &mut Counters) {
        let entry = opcode::Accept::new(Fd(listener), std::ptr::null_mut(), std::ptr::null_mut())
            .file_index(Some(DestinationSlot::auto_target()))
            .build()
            .user_data(token.0);
        // SAFETY: the entry holds no address.
        unsafe { self.push(&entry, counters) };
    }

    /// Receives into provided buffers until told otherwise.
    #[inline]
    pub(super) fn receive_multishot(&mut self, socket: Direct, token: Token, counters: &mut Counters) {
        let entry = opcode::RecvMulti::new(Fixed(socket.index()), GROUP).build().user_data(token.0);
        // SAFETY: the entry holds no address; the buffers are the buffer ring's affair.
        unsafe { self.push(&entry, counters) };
    }

    /// Receives once into a provided buffer of at most `len` bytes. Waits for readiness first
    /// (IORING_RECVSEND_POLL_FIRST, Linux 5.19): a receive right behind a reply finds nothing, so
    /// trying costs; and where it does find something, that connection overtakes those whose
    /// completions wait their turn in the kernel (p99.9 of 460 ms at 1,000 connections, 2026-11-22).
    #[inline]
    pub(super) fn receive_oneshot(&mut self, socket: Direct, len: u32, token: Token, counters: &mut Counters) {
        /// `IORING_RECVSEND_POLL_FIRST` of linux/io_uring.h.
        const POLL_FIRST: u16 = 1;
        let entry = opcode::Recv::new(Fixed(socket.index()), std::ptr::null_mut(), len)
            .buf_group(GROUP)
            .ioprio(POLL_FIRST)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT)
            .user_data(token.0);
        // SAFETY: the entry holds no address; the buffers are the buffer ring's affair.
        unsafe { self.push(&entry, counters) };
    }

    /// Sends all of `bytes` (MSG_WAITALL: the kernel finishes short sends itself).
    ///
    /// # Safety
    /// `bytes` must stay where they are, unchanged, until the completion was seen.
    #[inline]
    pub(super) unsafe fn send(&mut self, socket: Direct, bytes: &[u8], token: Token, counters: &mut Counters) {
        let entry = opcode::Send::new(Fixed(socket.index()), bytes.as_ptr(), bytes.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build()
            .user_data(token.0);
        // SAFETY: the caller's promise.
        unsafe { self.push(&entry, counters) };
    }

    pub(super) fn shutdown_write(&mut self, socket: Direct, token: Token, counters: &mut Counters) {
        let entry = opcode::Shutdown::new(Fixed(socket.index()), libc::SHUT_WR).build().user_data(token.0);
        // SAFETY: the entry holds no address.
        unsafe { self.push(&entry, counters) };
    }

    /// Cancels the operation that was queued with `target`. Only a failure completes.
    pub(super) fn cancel(&mut self, target: Token, token: Token, counters: &mut Counters) {
        let entry = opcode::AsyncCancel::new(target.0).build().flags(squeue::Flags::SKIP_SUCCESS).user_data(token.0);
        // SAFETY: the entry holds no address.
        unsafe { self.push(&entry, counters) };
    }

    /// Cancels everything under way on `socket`, then frees its direct descriptor.
    pub(super) fn close(&mut self, socket: Direct, cancel: bool, token: Token, counters: &mut Counters) {
        if cancel {
            let everything = CancelBuilder::fd(Fixed(socket.index())).all();
            let entry = opcode::AsyncCancel2::new(everything).build().user_data(super::IGNORED.0);
            // SAFETY: the entry holds no address.
            unsafe { self.push(&entry, counters) };
        }
        let entry = opcode::Close::new(Fixed(socket.index())).build().user_data(token.0);
        // SAFETY: the entry holds no address.
        unsafe { self.push(&entry, counters) };
    }

    /// Tells every time `fd` becomes readable.
    pub(super) fn poll_readable(&mut self, fd: RawFd, token: Token, counters: &mut Counters) {
        let entry = opcode::PollAdd::new(Fd(fd), libc::POLLIN as u32).multi(true).build().user_data(token.0);
        // SAFETY: the entry holds no address.
        unsafe { self.push(&entry, counters) };
    }

    /// Submits what is queued and waits for a completion, at most for `wait_max`; then moves all
    /// completions into `completions`.
    pub(super) fn submit_and_wait(
        &mut self,
        wait_max: Option<Duration>,
        completions: &mut Vec<Completion>,
        counters: &mut Counters,
    ) -> io::Result<()> {
        counters.enters += 1;
        counters.syscalls += 1;
        let result = match wait_max {
            None => self.inner.submitter().submit_and_wait(1),
            Some(wait_max) => {
                let time = Timespec::new().sec(wait_max.as_secs()).nsec(wait_max.subsec_nanos());
                self.inner.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&time))
            }
        };
        match result.map_err(|error| (error.raw_os_error(), error)) {
            // EBUSY: completions overflowed; taking them out below makes room.
            Ok(_) | Err((Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN), _)) => {}
            Err((_, error)) => return Err(error),
        }
        for entry in self.inner.completion() {
            completions.push(Completion {
                token: Token(entry.user_data()),
                result: entry.result(),
                flags: entry.flags(),
            });
        }
        counters.cqes += completions.len() as u64;
        Ok(())
    }
}

/// Asks for each operation instead of guessing from a version number.
fn ensure_operations(ring: &IoUring) -> Result<(), Unavailable> {
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(Unavailable::kernel("io_uring: probing for operations"))?;
    // SEND_ZC came with Linux 6.0, together with multishot receive, which cannot be probed for.
    let needed = [
        (opcode::AcceptMulti::CODE, "accept"),
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
        Some((_, name)) => Err(Unavailable::Uring {
            cause: format!("this kernel's io_uring has no {name}"),
            fix: "run Linux 6.1 or later",
        }),
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
        _ => return Unavailable::Kernel { what: "io_uring_setup(2)", error },
    };
    Unavailable::Uring { cause: format!("{cause}: {error}"), fix }
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
            assert!(text.contains(cause) && text.contains(fix) && text.contains("--backend epoll"), "{text}");
        }
    }
}
