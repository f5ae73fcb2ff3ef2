//! The one place where a ring is entered: by its index in the calling thread's table of registered rings.
//!
//! With the index (IORING_REGISTER_RING_FDS, Linux 5.18) the kernel neither looks up a descriptor nor counts
//! references to its file. The `io-uring` crate enters by index only through the object that registered it,
//! which borrows the ring; so the registration and the call are made here.

use std::ffi::c_void;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use io_uring::IoUring;

/// `IORING_ENTER_GETEVENTS` of linux/io_uring.h: without it deferred work does not run, and completions that
/// found no room stay in the kernel.
pub(crate) const GETEVENTS: u32 = 1;
/// `IORING_ENTER_EXT_ARG`.
const EXT_ARG: u32 = 1 << 3;
/// `IORING_ENTER_REGISTERED_RING`.
const REGISTERED_RING: u32 = 1 << 4;
/// `IORING_REGISTER_RING_FDS`.
const REGISTER_RING_FDS: u32 = 20;
/// `IORING_UNREGISTER_RING_FDS`.
const UNREGISTER_RING_FDS: u32 = 21;
/// "Any free index" (io_uring_register(2)).
const ANY: u32 = u32::MAX;

/// `struct io_uring_rsrc_update`.
#[repr(C)]
struct Update {
    offset: u32,
    reserved: u32,
    data: u64,
}

/// `struct __kernel_timespec`.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

/// `struct io_uring_getevents_arg`.
#[repr(C)]
struct Arguments {
    signals: u64,
    signals_len: u32,
    min_wait_us: u32,
    timespec: u64,
}

/// How long an enter waits, and for what.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wait {
    /// How many completions end the wait. Zero means not to wait.
    pub(crate) count: u32,
    /// After this time fewer completions end it. Zero means no such time.
    pub(crate) min_wait_us: u32,
    /// When the wait ends in any case.
    pub(crate) wait_max: Option<Duration>,
}

/// A place in the calling thread's table of registered rings. The table has 16 (`IO_RINGFD_REG_MAX`), and
/// each holds its ring open: a place that is not given back keeps the ring open after its descriptor is
/// closed.
#[derive(Debug)]
pub(crate) struct Registered {
    index: u32,
    descriptor: RawFd,
    /// The table belongs to the thread, so this value must stay in it.
    thread: PhantomData<*const ()>,
}

impl Registered {
    /// Registers `ring` for the calling thread.
    pub(crate) fn new(ring: &IoUring) -> io::Result<Registered> {
        let descriptor = ring.as_raw_fd();
        let mut update = Update { offset: ANY, reserved: 0, data: descriptor as u64 };
        register(descriptor, REGISTER_RING_FDS, &mut update)?;
        Ok(Registered { index: update.offset, descriptor, thread: PhantomData })
    }

    /// Submits the first `to_submit` entries of the queue and waits. Returns how many were consumed.
    #[inline]
    pub(crate) fn enter(&self, to_submit: u32, flags: u32, wait: Wait) -> io::Result<usize> {
        let flags = flags | REGISTERED_RING;
        let Some(wait_max) = wait.wait_max else {
            return self.call(to_submit, wait.count, flags, std::ptr::null(), 0);
        };
        let seconds = i64::try_from(wait_max.as_secs()).unwrap_or(i64::MAX);
        let timespec = Timespec { seconds, nanoseconds: i64::from(wait_max.subsec_nanos()) };
        let arguments = Arguments {
            signals: 0,
            signals_len: 0,
            min_wait_us: wait.min_wait_us,
            timespec: (&raw const timespec) as u64,
        };
        let (start, len) = ((&raw const arguments).cast(), size_of::<Arguments>());
        self.call(to_submit, wait.count, flags | EXT_ARG, start, len)
    }

    #[inline]
    fn call(&self, to_submit: u32, count: u32, flags: u32, arguments: *const c_void, len: usize) -> io::Result<usize> {
        // SAFETY: io_uring_enter(2). The arguments live in the caller's frame. The kernel acts on the entries in
        // the queue; the callers of `push` promised that their addresses are valid.
        let result =
            unsafe { libc::syscall(libc::SYS_io_uring_enter, self.index, to_submit, count, flags, arguments, len) };
        usize::try_from(result).map_err(|_| io::Error::last_os_error())
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut update = Update { offset: self.index, reserved: 0, data: 0 };
        // It cannot fail for a registered index; if it did, the ring would live until the thread ends.
        let _ = register(self.descriptor, UNREGISTER_RING_FDS, &mut update);
    }
}

fn register(descriptor: RawFd, operation: u32, update: &mut Update) -> io::Result<()> {
    let update: *mut Update = update;
    // SAFETY: io_uring_register(2) reads and writes one `Update`, which is borrowed for the call.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_register, descriptor, operation, update, 1) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
