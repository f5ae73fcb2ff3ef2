//! Reads the limits on open files and on epoll watches.

use rustix::process::{Resource, getrlimit};
use serde::Serialize;

use super::source::Source;
use crate::text::numbers;

/// RLIMIT_NOFILE: one more than the highest descriptor number that a table may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OpenFilesLimit {
    /// The limit that applies now. `None` means no limit.
    pub soft: Option<u64>,
    /// How far a process may raise the limit by itself. `None` means no limit.
    pub hard: Option<u64>,
}

impl OpenFilesLimit {
    /// The limit of the calling process.
    pub fn of_this_process() -> Self {
        let limit = getrlimit(Resource::Nofile);
        OpenFilesLimit { soft: limit.current, hard: limit.maximum }
    }
}

/// Limits on open files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Files {
    /// RLIMIT_NOFILE of this process.
    pub limit: OpenFilesLimit,
    /// The highest value that a hard limit can have.
    pub nr_open: Option<u64>,
    /// Maximum number of open files on the whole host.
    pub file_max: Option<u64>,
    /// Files open on the host now.
    pub open_count: Option<u64>,
    /// Descriptors that one user may have in epoll sets.
    pub epoll_watches_max: Option<u64>,
}

impl Files {
    /// The file of the open ones, below the root.
    pub const OPEN_PATH: &str = "proc/sys/fs/file-nr";
}

pub(super) fn files(source: &mut Source<'_>, limit: OpenFilesLimit) -> Files {
    Files {
        limit,
        nr_open: source.sysctl("fs.nr_open"),
        file_max: source.sysctl("fs.file-max"),
        open_count: open_files(source).map(|[open, _, _]| open),
        epoll_watches_max: source.sysctl("fs.epoll.max_user_watches"),
    }
}

/// Allocated, free, maximum; the middle one has been 0 since 2.6 (Documentation/admin-guide/sysctl/fs.rst).
fn open_files(source: &mut Source<'_>) -> Option<[u64; 3]> {
    source.parsed(Files::OPEN_PATH, "three numbers", numbers::<3>)
}
