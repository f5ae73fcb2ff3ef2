//! What this host allows a run, read just before it.

use crate::plan::HostLimits;
use host::OpenFilesLimit;
use host::sysctl::{LOCAL_PORT_RANGE_DEFAULT, local_port_range};

/// Raises the soft descriptor limit to the hard one and reads what then holds.
pub(super) fn read() -> HostLimits {
    // Failing leaves the soft limit, which is what is read back.
    let _ = sys::limits::raise_fd_limit();
    HostLimits {
        descriptors_max: OpenFilesLimit::of_this_process().soft.unwrap_or(u64::MAX),
        ports: port_count(local_port_range()),
    }
}

/// Ports in a range; in the kernel's default range when it is unreadable.
fn port_count(range: Option<[u64; 2]>) -> u32 {
    let [first, last] = range.unwrap_or(LOCAL_PORT_RANGE_DEFAULT);
    (last - first + 1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_range_count() {
        for (range, expected) in [(Some([1024, 65_535]), 64_512), (Some([5, 5]), 1), (None, 28_232)] {
            assert_eq!(port_count(range), expected, "{range:?}");
        }
    }
}
