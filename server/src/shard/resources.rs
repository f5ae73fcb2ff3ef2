//! What the connections of a shard share: the protocol, the buffers, the reply being made, the counters.

use std::io;
use std::time::Duration;

use protocol::server::{FILLER, Protocol};
use rustix::io::Errno;

use super::counters::Counters;
use super::pool::{self, BufferPool, Usage};
use super::tick::Tick;
use super::timeouts::Timeouts;

/// Bytes received, and bytes replied, in one go. 64 KiB take every pipelined burst of a benchmark
/// and half of L2 at most; longer transfers take several passes.
pub(crate) const SCRATCH_LEN: usize = 64 * 1024;

/// Rest of a reactor that cannot wait for events: a hundred attempts a second are no load, and ten
/// milliseconds no long time for those who wait.
const REST: Duration = Duration::from_millis(10);

/// What the connections of a shard share.
pub(crate) struct Resources<P> {
    pub(crate) protocol: P,
    pub(crate) counters: Counters,
    pub(crate) now: Tick,
    pub(crate) draining: bool,
    pub(super) pool: BufferPool,
    /// The reply being made; a connection keeps it elsewhere when it cannot be sent at once.
    pub(super) output: Box<[u8]>,
    pub(super) output_len: usize,
    /// Bytes at its front that are no filler.
    pub(super) literal_len: usize,
    pub(super) timeouts: Timeouts,
}

impl<P: Protocol> Resources<P> {
    /// Resources with a pool of at most `buffer_memory_max` bytes.
    pub(crate) fn new(protocol: P, timeouts: Timeouts, buffer_memory_max: usize) -> Self {
        assert!(P::REPLY_LEN_MAX <= SCRATCH_LEN && P::UNREAD_LEN_MAX + SCRATCH_LEN <= pool::BUFFER_LEN_MAX);
        Resources {
            protocol,
            counters: Counters::default(),
            now: Tick(0),
            draining: false,
            pool: BufferPool::new(buffer_memory_max),
            output: vec![0; SCRATCH_LEN].into_boxed_slice(),
            output_len: 0,
            literal_len: 0,
            timeouts,
        }
    }

    /// What the buffers take.
    pub(crate) fn buffer_usage(&self) -> Usage {
        self.pool.usage()
    }

    /// The output holds a reply of `len` bytes.
    #[inline]
    pub(super) fn wrote(&mut self, len: usize) {
        (self.output_len, self.literal_len) = (len, len);
    }

    /// The most memory that the buffers may take, in bytes.
    pub(crate) fn buffer_memory_len_max(&self) -> usize {
        self.pool.memory_len_max()
    }

    /// Lays as much of `left` bytes of filler behind a reply as there is room.
    pub(super) fn append_filler(&mut self, left: usize) {
        if self.output_len > 0 {
            let room = &mut self.output[self.output_len..];
            let len = left.min(room.len());
            room[..len].copy_from_slice(&FILLER[..len]);
            self.output_len += len;
        }
    }

    /// What is counted.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The kernel could not even wait for events: when it is short of something, what it was asked is
    /// asked again after a short rest.
    ///
    /// # Errors
    /// `error`, when it is no shortage.
    #[cold]
    pub(crate) fn rest(&mut self, error: Errno) -> io::Result<()> {
        if !matches!(error, Errno::NOMEM | Errno::NOBUFS | Errno::NOSPC | Errno::AGAIN | Errno::BUSY) {
            return Err(error.into());
        }
        self.counters.wait_pauses += 1;
        self.counters.syscalls += 1;
        std::thread::sleep(REST);
        Ok(())
    }

    /// Starts the drain, as far as replies are concerned.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
        self.timeouts.idle_ticks = self.timeouts.idle_ticks.min(self.timeouts.drain_quiet_ticks);
        self.protocol.drain();
    }
}
