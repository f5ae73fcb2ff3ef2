//! What the host allows a run.

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
    /// Connections one source address can carry to one target.
    pub fn connections_per_source(&self) -> u32 {
        (self.ports - self.ports / PORT_RESERVE_SHARE).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HostLimits = HostLimits { descriptors_max: 20_000, ports: 64_512 };

    #[test]
    fn some_ports_stay_free() {
        assert_eq!(LIMITS.connections_per_source(), 62_496);
        assert_eq!(HostLimits { ports: 1, ..LIMITS }.connections_per_source(), 1);
    }
}
