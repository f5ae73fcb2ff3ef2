//! A ring as this server uses it: the submissions it needs, one wait, and completions in a batch.
//!
//! Safe to use: only the functions that hand addresses to the kernel are unsafe, and they say how long these
//! must stay valid.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use io_uring::types::{DestinationSlot, Fd, Fixed};
use io_uring::{opcode, squeue};
use sys::uring::{BUFFER_LEN, Completion, GROUP, Gather, ProvidedBuffers, Sizes};

use super::direct::Direct;
use crate::shard::counters::Counters;
use crate::shard::slab::Token;
use crate::unavailable::Unavailable;

/// Submissions that fit before the ring must be entered.
const SUBMISSIONS: u32 = 1024;
/// Completions that fit: a receive and a send for each of 4,096 busy connections.
pub(super) const COMPLETIONS: u32 = 8192;
/// Memory of the queues of each reactor's ring.
pub const RING_BYTES: u64 = sizes(0).queue_bytes();

const fn sizes(descriptors: u32) -> Sizes {
    Sizes { submissions: SUBMISSIONS, completions: COMPLETIONS, descriptors }
}

pub(super) struct Ring {
    inner: sys::uring::Ring,
}

impl Ring {
    /// Sets a ring up with a table for `connections_max` direct descriptors, and its buffers.
    pub(super) fn open(connections_max: u32) -> Result<(Ring, ProvidedBuffers), Unavailable> {
        sys::uring::Ring::open(sizes(connections_max))
            .map(|(inner, buffers)| (Ring { inner }, buffers))
            .map_err(|sys::uring::Unavailable { cause, fix }| Unavailable::Uring { cause, fix })
    }

    /// Queues an entry; submits the queue first when it is full.
    ///
    /// # Safety
    /// Every address in `entry` must stay valid until its last completion has been seen.
    #[inline]
    unsafe fn push(&mut self, entry: &squeue::Entry, counters: &mut Counters) {
        counters.sqes += 1;
        // SAFETY: the caller's promise.
        let enters = unsafe { self.inner.push(entry) };
        counters.enters += enters;
        counters.syscalls += enters;
    }

    /// Accepts every connection of `listener` into a direct descriptor, until cancelled.
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

    /// Receives into provided buffers until cancelled.
    #[inline]
    pub(super) fn receive_multishot(&mut self, socket: Direct, token: Token, counters: &mut Counters) {
        let entry = opcode::RecvMulti::new(Fixed(socket.index()), GROUP).build().user_data(token.0);
        // SAFETY: the entry holds no address; the buffers are the buffer ring's affair.
        unsafe { self.push(&entry, counters) };
    }

    /// Receives one provided buffer, which is what each connection gets while buffers are short.
    pub(super) fn receive_share(&mut self, socket: Direct, token: Token, counters: &mut Counters) {
        let entry = opcode::Recv::new(Fixed(socket.index()), std::ptr::null_mut(), BUFFER_LEN)
            .buf_group(GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT)
            .user_data(token.0);
        // SAFETY: the entry holds no address; the buffers are the buffer ring's affair.
        unsafe { self.push(&entry, counters) };
    }

    /// Sends all of `bytes` (MSG_WAITALL: the kernel finishes short sends itself).
    ///
    /// # Safety
    /// `bytes` must stay in place, unchanged, until the completion has been seen.
    #[inline]
    pub(super) unsafe fn send(&mut self, socket: Direct, bytes: &[u8], token: Token, counters: &mut Counters) {
        let entry = opcode::Send::new(Fixed(socket.index()), bytes.as_ptr(), bytes.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build()
            .user_data(token.0);
        // SAFETY: the caller's promise.
        unsafe { self.push(&entry, counters) };
    }

    /// Sends all of `bytes` while the kernel consumes the entry, or fails; only a failure makes a completion.
    ///
    /// # Safety
    /// `bytes` must stay in place, unchanged, until the ring has consumed the entry.
    #[inline]
    pub(super) unsafe fn send_inline(&mut self, socket: Direct, bytes: &[u8], token: Token, counters: &mut Counters) {
        let entry = opcode::Send::new(Fixed(socket.index()), bytes.as_ptr(), bytes.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL | libc::MSG_DONTWAIT)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(token.0);
        // SAFETY: the caller's promise; MSG_DONTWAIT keeps the kernel from using them later.
        unsafe { self.push(&entry, counters) };
    }

    /// Whether the kernel has consumed every entry and has no further completion to report. Call it right
    /// after a wait.
    pub(super) fn is_submitted(&mut self) -> bool {
        self.inner.is_submitted()
    }

    /// Ends all operations; false if they did not end in time.
    pub(super) fn quiesce(&mut self) -> bool {
        self.inner.quiesce()
    }

    /// Reports each time `socket` has something to receive, and its end.
    pub(super) fn poll_socket(&mut self, socket: Direct, token: Token, counters: &mut Counters) {
        let events = (libc::POLLIN | libc::POLLRDHUP) as u32;
        let entry = opcode::PollAdd::new(Fixed(socket.index()), events).multi(true).build().user_data(token.0);
        // SAFETY: the entry holds no address.
        unsafe { self.push(&entry, counters) };
    }

    /// Receives what is there now into a provided buffer.
    #[inline]
    pub(super) fn receive_now(&mut self, socket: Direct, token: Token, counters: &mut Counters) {
        let entry = opcode::Recv::new(Fixed(socket.index()), std::ptr::null_mut(), BUFFER_LEN)
            .buf_group(GROUP)
            .flags(libc::MSG_DONTWAIT)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT)
            .user_data(token.0);
        // SAFETY: the entry holds no address; the buffers are the buffer ring's affair.
        unsafe { self.push(&entry, counters) };
    }

    pub(super) fn shutdown_write(&mut self, socket: Direct, token: Token, counters: &mut Counters) {
        let entry = opcode::Shutdown::new(Fixed(socket.index()), libc::SHUT_WR).build().user_data(token.0);
        // SAFETY: the entry holds no address.
        unsafe { self.push(&entry, counters) };
    }

    /// Asks how many bytes the peer of `socket` has not acknowledged: `SOCKET_URING_OP_SIOCOUTQ` of
    /// linux/io_uring.h (Linux 6.5), because ioctl(2) does not know direct descriptors.
    pub(super) fn look(&mut self, socket: Direct, token: Token, counters: &mut Counters) {
        const SIOCOUTQ: u32 = 1;
        let entry = opcode::UringCmd16::new(Fixed(socket.index()), SIOCOUTQ).build().user_data(token.0);
        // SAFETY: the entry holds no address.
        unsafe { self.push(&entry, counters) };
    }

    /// Cancels the operation that was queued with `target`. Only a failure makes a completion.
    pub(super) fn cancel(&mut self, target: Token, token: Token, counters: &mut Counters) {
        let entry = opcode::AsyncCancel::new(target.0).build().flags(squeue::Flags::SKIP_SUCCESS).user_data(token.0);
        // SAFETY: the entry holds no address.
        unsafe { self.push(&entry, counters) };
    }

    /// Frees the direct descriptor of `socket`.
    pub(super) fn close(&mut self, socket: Direct, token: Token, counters: &mut Counters) {
        let entry = opcode::Close::new(Fixed(socket.index())).build().user_data(token.0);
        // SAFETY: the entry holds no address.
        unsafe { self.push(&entry, counters) };
    }

    /// Reports each time `fd` becomes readable.
    pub(super) fn poll_readable(&mut self, fd: RawFd, token: Token, counters: &mut Counters) {
        let entry = opcode::PollAdd::new(Fd(fd), libc::POLLIN as u32).multi(true).build().user_data(token.0);
        // SAFETY: the entry holds no address.
        unsafe { self.push(&entry, counters) };
    }

    /// Completions that the kernel has dropped.
    pub(super) fn dropped(&mut self) -> u32 {
        self.inner.dropped()
    }

    /// Submits the queue and moves all completions so far into `completions`, without waiting.
    pub(super) fn submit_and_fetch(
        &mut self,
        completions: &mut Vec<Completion>,
        counters: &mut Counters,
    ) -> io::Result<()> {
        counters.enters += 1;
        counters.syscalls += 1;
        let result = self.inner.submit_and_fetch(completions);
        counters.cqes += completions.len() as u64;
        result
    }

    /// Submits the queue and waits for a completion, at most for `wait_max`; then moves all completions into
    /// `completions`, even after an error.
    pub(super) fn submit_and_wait(
        &mut self,
        gather: Option<Gather>,
        wait_max: Option<Duration>,
        completions: &mut Vec<Completion>,
        counters: &mut Counters,
    ) -> io::Result<()> {
        counters.enters += 1;
        counters.syscalls += 1;
        let result = match gather {
            None => self.inner.submit_and_wait(wait_max, completions),
            Some(gather) => self.inner.submit_and_gather(gather, wait_max, completions),
        };
        counters.cqes += completions.len() as u64;
        result
    }
}
