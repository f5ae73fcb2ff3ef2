//! How many connections this host can hold for an experiment, and over how many reactors and workers they
//! have to be spread. Changes no limit but the soft one on descriptors, as server and load generator do.

use host::{Meminfo, files_left};
use loadgen::plan::HostLimits;
use results::report::count;
use tuning::plan::fewest_reactors;

/// What nginx holds in each worker with the configuration that experiments use. Every other server gets the same limit,
/// so that all have equally many reactors.
const CONNECTIONS_PER_REACTOR_MAX: u64 = 18_000;
/// Descriptors of a server or of a worker beside its connections.
const DESCRIPTOR_RESERVE: u64 = 64;
/// Memory that one connection over loopback may take: both ends in the kernel (8 KB measured on Linux 6.18
/// with epoll, 9 KB with io_uring), and as much again for what the servers keep themselves.
/// `tuning` predicts c10m alone; this has to hold for nginx and haproxy, too, whose memory nobody predicts.
const BYTES_PER_CONNECTION: u64 = 16 << 10;

/// What bounds connections here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// RLIMIT_NOFILE, of a reactor or a worker.
    pub(crate) descriptors_max: u64,
    /// Open files that fs.file-max leaves.
    pub(crate) files_free: u64,
    /// MemAvailable.
    pub(crate) memory_bytes: u64,
}

/// How connections are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Reactors or workers of the server.
    pub(crate) reactors: usize,
    /// Workers of the load generator.
    pub(crate) threads: u32,
}

impl Limits {
    /// Takes what cannot be read for unlimited: then the run itself meets the limit and says so.
    pub(crate) fn read() -> Limits {
        Limits {
            descriptors_max: HostLimits::read().descriptors_max,
            files_free: files_left().unwrap_or(u64::MAX),
            memory_bytes: Meminfo::read().available.unwrap_or(u64::MAX),
        }
    }

    /// How `connections` are spread, or why they cannot be held here and what would mend it.
    pub(crate) fn shape(&self, connections: u32) -> Result<Shape, String> {
        let connections = u64::from(connections);
        let memory = connections * BYTES_PER_CONNECTION;
        if memory > self.memory_bytes {
            let (needed, there) = (memory >> 20, self.memory_bytes >> 20);
            return Err(format!(
                "needs {} MiB of memory, {} MiB are available: end other programs, or use a larger machine",
                count(needed as f64),
                count(there as f64)
            ));
        }
        let files = 2 * connections + DESCRIPTOR_RESERVE;
        if files > self.files_free {
            return Err(format!(
                "needs {} open files, fs.file-max leaves {}: sysctl -w fs.file-max={}",
                count(files as f64),
                count(self.files_free as f64),
                2 * files
            ));
        }
        let room = self.descriptors_max.saturating_sub(DESCRIPTOR_RESERVE);
        let per_reactor = room.min(CONNECTIONS_PER_REACTOR_MAX);
        if per_reactor == 0 {
            return Err(format!("RLIMIT_NOFILE of {} leaves no descriptor: ulimit -n 4096", self.descriptors_max));
        }
        let reactors = fewest_reactors(connections, per_reactor).ok_or_else(|| {
            format!(
                "needs more reactors of {} connections than a server can have: ulimit -n {}",
                count(per_reactor as f64),
                CONNECTIONS_PER_REACTOR_MAX + DESCRIPTOR_RESERVE
            )
        })? as usize;
        Ok(Shape { reactors, threads: connections.div_ceil(room).max(1) as u32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { descriptors_max: 20_000, files_free: 2_000_000, memory_bytes: 4 << 30 };

    #[test]
    fn connections_are_spread_or_refused() {
        for (limits, connections, expected) in [
            (LIMITS, 1, Ok((1, 1))),
            (LIMITS, 18_000, Ok((1, 1))),
            (LIMITS, 19_000, Ok((2, 1))),
            (LIMITS, 100_000, Ok((6, 6))),
            (Limits { descriptors_max: 1 << 20, ..LIMITS }, 100_000, Ok((6, 1))),
            (Limits { descriptors_max: 1024, ..LIMITS }, 1000, Ok((2, 2))),
            (LIMITS, 300_000, Err("MiB of memory")),
            (Limits { files_free: 10_000, ..LIMITS }, 10_000, Err("fs.file-max")),
            (Limits { descriptors_max: 64, ..LIMITS }, 1, Err("ulimit -n")),
        ] {
            match (limits.shape(connections), expected) {
                (Ok(shape), Ok(expected)) => assert_eq!((shape.reactors, shape.threads), expected, "{connections}"),
                (Err(reason), Err(word)) => assert!(reason.contains(word), "{reason}"),
                (found, expected) => panic!("{connections}: {found:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn this_host_holds_a_few() {
        assert!(Limits::read().shape(10).is_ok());
    }
}
