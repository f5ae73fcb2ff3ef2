//! Shared by the connections of a shard: the protocol, the buffers, the reply being made, the counters.

use std::io;
use std::num::NonZeroU16;
use std::time::Duration;

use protocol::server::{FILLER, Protocol};
use rustix::io::Errno;

use super::counters::Counters;
use super::pool::{self, BufferPool, Usage};
use super::tick::Tick;
use super::timeouts::Timeouts;
use crate::handicap::Handicap;

/// Most bytes received, or replied, in one go. 64 KiB hold every pipelined burst of a benchmark and are at
/// most half of L2; longer transfers take several passes.
pub(crate) const SCRATCH_LEN: usize = 64 * 1024;

/// Pause of a reactor that cannot wait for events: a hundred attempts a second are no load, and ten
/// milliseconds are a short delay for clients.
const REST: Duration = Duration::from_millis(10);

/// Shared by the connections of a shard.
pub(crate) struct Resources<P> {
    pub(crate) protocol: P,
    pub(crate) counters: Counters,
    pub(crate) now: Tick,
    pub(crate) draining: bool,
    pub(super) pool: BufferPool,
    /// The reply being made. If it cannot be sent at once, the connection keeps it elsewhere.
    pub(super) output: Box<[u8]>,
    pub(super) output_len: usize,
    /// Bytes at its front that are not filler.
    pub(super) literal_len: usize,
    pub(super) timeouts: Timeouts,
    /// What the first request of each connection costs beyond its work, if anything.
    pub(crate) hello_cost: Option<Handicap>,
    /// When those are told to come again that come beyond the rate of accepts, if they are told.
    pub(crate) retry_after_s: Option<NonZeroU16>,
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
            hello_cost: None,
            retry_after_s: None,
        }
    }

    /// A connection has its first request. What that costs is paid before the reply leaves, as for any work.
    #[cold]
    pub(super) fn greet(&mut self) {
        self.counters.first_requests += 1;
        if let Some(cost) = &mut self.hello_cost {
            cost.pay(self.counters.first_requests);
        }
    }

    /// The usage of the buffers.
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

    /// Appends filler to the reply: `left` bytes, or as many as fit.
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

    /// The kernel could not even wait for events. If it is short of something, rests a little, and the caller
    /// then tries again.
    ///
    /// # Errors
    /// `error`, if it is not a shortage.
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

    /// Starts the drain for replies.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
        self.timeouts.idle_ticks = self.timeouts.idle_ticks.min(self.timeouts.drain_quiet_ticks);
        self.protocol.drain();
    }
}
