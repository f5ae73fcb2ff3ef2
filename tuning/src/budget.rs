//! What c10m's own programs take, in bytes and in descriptors. This crate does not depend on them, so each
//! number names its origin. Every number that the code of another crate has, too, is public, and compared with it when
//! the program is compiled.

/// A server's slot of an idle echo connection: `ECHO_CONNECTION_LEN_MAX` of `server`. The slots of
/// epoll and io_uring measure 60 B.
pub const SERVER_ECHO_BYTES: u64 = 64;
/// The same for HTTP, `HTTP_CONNECTION_LEN_MAX`; the slots measure 84 B.
pub const SERVER_HTTP_BYTES: u64 = 96;
/// A generator's connection: `CONNECTION_LEN_MAX` of `loadgen`, reported in every record as
/// `connection_struct_bytes_max`. Neither idle connections nor heartbeats have the open loop's queue.
pub const GENERATOR_CONNECTION_BYTES: u64 = 56;
/// What a client in user space keeps for each peer, besides the generator's connection: `TUN_PEER_LEN` of `loadgen`.
pub const TUN_PEER_BYTES: u64 = 16;

/// Anonymous memory of a server with no reactor and no connection: measured on 2026-11-22 from the
/// growth between 2 and 7 reactors. No code has this number.
pub(crate) const SERVER_BYTES: u64 = 512 << 10;
/// What an epoll or mio reactor touches at its start: two scratch buffers of 64 KiB, events, wheel. Measured as the
/// server was, because no code has the sum, and an allocation is no memory before it is touched.
pub(crate) const REACTOR_BYTES: u64 = 160 << 10;
/// An io_uring reactor also touches its 256 provided buffers of 2 KiB. Measured likewise.
pub(crate) const URING_REACTOR_BYTES: u64 = 640 << 10;
/// The queues of a server's ring, which are the kernel's: 1,024 submissions of 64 B, 8,192 completions of 16 B.
/// `RING_BYTES` of `server`.
pub const SERVER_RING_BYTES: u64 = 1024 * 64 + 8192 * 16;
/// The same of a generator's ring, which has twice as many completions: `RING_BYTES` of `loadgen`.
pub const GENERATOR_RING_BYTES: u64 = 1024 * 64 + 16_384 * 16;
/// A generator without workers: measured as the server was, and in no code.
pub(crate) const GENERATOR_BYTES: u64 = 2 << 20;
/// Each worker with its histograms: measured likewise.
pub(crate) const WORKER_BYTES: u64 = 3400 << 10;
/// A thread in the kernel: a stack of 16 KiB, a task_struct of 6 KiB, and what belongs to it. The kernel's own: no code
/// here has it.
pub(crate) const THREAD_BYTES: u64 = 24 << 10;

/// Connections one reactor of the server takes at most: `CONNECTIONS_MAX` of `server`.
pub const REACTOR_CONNECTIONS_MAX: u64 = 1 << 22;
/// Direct descriptors of one ring: `DIRECT_DESCRIPTORS_MAX` of `server`, the kernel's
/// `IORING_MAX_FIXED_FILES`.
pub const RING_DESCRIPTORS_MAX: u64 = 1 << 20;
/// Descriptors a reactor keeps for itself: `RESERVED_DESCRIPTORS` of `server`.
pub const REACTOR_DESCRIPTORS: u64 = 64;
/// Descriptors a worker keeps for itself: `DESCRIPTOR_RESERVE` of `loadgen::plan`.
pub const WORKER_DESCRIPTORS: u64 = 16;
/// Threads `c10m serve --reactors` and `c10m load -t` accept: `Options::REACTORS_MAX` of `server` and `THREADS_MAX` of
/// `loadgen`. Their own choice, far above the CPUs of a host; the kernel's bounds are in `Room::threads_max` of `host`.
pub const THREADS_MAX: u64 = 1024;
/// One port in this many stays free on each source address: `PORT_RESERVE_SHARE` of `loadgen::plan`.
pub const PORT_RESERVE_SHARE: u64 = 32;
/// On loopback each source carries only one in this many of the connections it could: `LOOPBACK_FILL`.
pub const LOOPBACK_FILL: u64 = 4;
/// Source addresses of 127.1.0.0/16 that the generator takes by itself: its constant of this name.
pub const LOOPBACK_SOURCES_MAX: u64 = 256 * 254;
/// Backlog the server asks for with each listener: `SocketOptions::BACKLOG` of `server`.
pub const LISTEN_BACKLOG: u64 = 65_535;
/// After this many milliseconds of silence the server closes a connection, unless told otherwise:
/// `IDLE_TIMEOUT` of `server::Options`.
pub const IDLE_TIMEOUT_MS: u64 = 60_000;
/// One part in this many of all memory, or of a cgroup's limit, is left to everything else that runs:
/// `MEMORY_RESERVE_SHARE` of `loadgen`, which stops a ramp at the same share of all memory.
pub const MEMORY_RESERVE_SHARE: u64 = 32;
