//! The word of a workload in flags, records and file names.

use server::Workload;

/// The word of a workload in flags, records and file names.
pub(crate) fn word(workload: Workload) -> &'static str {
    match workload {
        Workload::Echo => "echo",
        Workload::Http => "http",
    }
}
