//! What the host allows a run.

use host::sysctl::local_port_range;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One port in this many stays free: for reconnects while old ports are in TIME_WAIT, and because
/// connect(2) searches ever longer as the range fills.
pub const PORT_RESERVE_SHARE: u32 = 32;

/// What the host allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostLimits {
    /// RLIMIT_NOFILE after the soft limit was raised to the hard one.
    pub descriptors_max: u64,
    /// Ports in `net.ipv4.ip_local_port_range`, both ends included.
    pub ports: u32,
}

impl HostLimits {
    /// Raises the soft descriptor limit to the hard one and reads what then holds.
    pub fn read() -> HostLimits {
        let limit = getrlimit(Resource::Nofile);
        // Failing leaves the soft limit, which is what is read back.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        HostLimits {
            descriptors_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            ports: port_count(local_port_range()),
        }
    }

    /// Connections one source address can carry to one target.
    pub fn connections_per_source(&self) -> u32 {
        (self.ports - self.ports / PORT_RESERVE_SHARE).max(1)
    }
}

/// Ports in a range; in the kernel's default range when it is unreadable.
fn port_count(range: Option<[u64; 2]>) -> u32 {
    let [first, last] = range.unwrap_or([32_768, 60_999]);
    (last - first + 1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HostLimits = HostLimits { descriptors_max: 20_000, ports: 64_512 };

    #[test]
    fn ports() {
        for (range, expected) in [(Some([1024, 65_535]), 64_512), (Some([5, 5]), 1), (None, 28_232)] {
            assert_eq!(port_count(range), expected, "{range:?}");
        }
        assert_eq!(LIMITS.connections_per_source(), 62_496);
        assert_eq!(HostLimits { ports: 1, ..LIMITS }.connections_per_source(), 1);
    }
}
