//! The settings of blocking work: how many threads, how long their queue, what the database is like.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

/// How the requests whose work blocks are served. Without it there are none, and no thread for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocking {
    /// Whether there are `/block/MS`, `/work/US` and `/offload/MS`. Any peer takes the server's time by them.
    pub lab_routes: bool,
    /// What `/db/KEY` looks up, if there is such a target.
    pub database: Option<Database>,
    /// Threads of the pool.
    pub threads: NonZeroU16,
    /// Jobs that wait for a thread at most; one more is answered 503.
    pub queue: QueueLimit,
    /// A job that waited for longer than this is answered 503 instead of begun.
    pub deadline: Option<Duration>,
    /// CPUs that the threads take in turn; empty: whichever the process may use.
    pub cpus: Vec<usize>,
}

impl Blocking {
    /// Most threads. They sleep, so they may be more than there are CPUs.
    pub const THREADS_MAX: u16 = 64;
    /// The default number of threads.
    pub const THREADS: NonZeroU16 = NonZeroU16::new(4).expect("not zero");
}

impl Default for Blocking {
    fn default() -> Self {
        Blocking {
            lab_routes: false,
            database: None,
            threads: Blocking::THREADS,
            queue: QueueLimit::default(),
            deadline: None,
            cpus: Vec::new(),
        }
    }
}

/// How many jobs may wait for a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueLimit {
    /// So many.
    Places(NonZeroU32),
    /// As many as all reactors together may have connections. A connection awaits one job at a time, so only the jobs of
    /// those that left could ever fill it.
    Connections,
}

impl QueueLimit {
    /// Most places. They are made at the start, 64 bytes each.
    pub const PLACES_MAX: u32 = 1 << 20;
}

impl Default for QueueLimit {
    fn default() -> Self {
        QueueLimit::Places(NonZeroU32::new(1024).expect("not zero"))
    }
}

/// A database of SQLite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its file.
    pub file: PathBuf,
    /// Rows to make if the file is new: keys from 0 on.
    pub keys: NonZeroU32,
    /// Make a new file, and remove it once every thread has opened it: a database for as long as the server lives.
    pub is_temporary: bool,
    /// What each query takes beyond its own time, asleep inside a function of SQL: as long as a disk would take.
    pub time: Duration,
    /// Queries that take longer still.
    pub slow: Option<SlowQueries>,
}

impl Database {
    /// The default number of rows.
    pub const KEYS: NonZeroU32 = NonZeroU32::new(100_000).expect("not zero");
    /// Most rows that are made: some 400 MB.
    pub const KEYS_MAX: u32 = 10_000_000;
    /// Longest time of a query.
    pub const TIME_MAX: Duration = Duration::from_secs(10);
}

/// Some queries are slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowQueries {
    /// Every so many, counted over all threads.
    pub one_in: NonZeroU32,
    /// What it takes beyond its own time.
    pub time: Duration,
}
