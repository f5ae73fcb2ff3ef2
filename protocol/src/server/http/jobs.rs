//! Targets that end in a number: how large it may be, and which job it stands for.

use super::limits::HttpLimits;
use super::line::Counts;
use crate::server::{Job, Place, Work};

/// Longest `/block/MS` and `/offload/MS`; longer ones are answered 404.
const JOB_MS_MAX: u32 = 10_000;
/// Longest `/work/US`: as long.
const JOB_US_MAX: u32 = JOB_MS_MAX * 1000;

/// The largest number at the end of such a target; `None` where there is no such target.
pub(super) fn count_max(limits: &HttpLimits, counts: Counts) -> Option<u32> {
    match counts {
        Counts::Bytes => Some(limits.bytes_max),
        Counts::Block | Counts::Offload => limits.lab_routes.then_some(JOB_MS_MAX),
        Counts::Work => limits.lab_routes.then_some(JOB_US_MAX),
        // Which rows there are, only the database knows.
        Counts::Rows => limits.database.then_some(u32::MAX),
    }
}

/// The job of a target.
pub(super) fn job(counts: Counts, count: u32) -> Job {
    let (place, work) = match counts {
        Counts::Block => (Place::Reactor, Work::Sleep { ms: count }),
        Counts::Work => (Place::Reactor, Work::Burn { us: count }),
        Counts::Offload => (Place::Pool, Work::Sleep { ms: count }),
        Counts::Rows => (Place::Pool, Work::Query { key: count }),
        Counts::Bytes => unreachable!("bytes are no job"),
    };
    Job { place, work }
}
