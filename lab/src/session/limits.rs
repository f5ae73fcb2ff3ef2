//! How many connections this host can hold for an experiment, and over how many reactors and workers they have to be
//! spread. The rules of `tuning` judge that; here are the experiments' own choices. Changes no limit but the soft one on
//! descriptors, as server and load generator do.

use ::host::Facts;
use tuning::plan::{Demand, Host, Spread, spread};

/// What nginx holds in each worker with the configuration that experiments use. Every other server gets the same limit,
/// so that all have equally many reactors.
const CONNECTIONS_PER_REACTOR_MAX: u64 = 18_000;
/// Memory that one connection over loopback may take: both ends in the kernel (8 KB measured on Linux 6.18
/// with epoll, 9 KB with io_uring), and as much again for what the servers keep themselves.
/// `tuning` predicts c10m alone; this has to hold for nginx and haproxy, too, whose memory nobody predicts.
const BYTES_PER_CONNECTION: u64 = 16 << 10;

/// Memory that the programs of a run take whatever the number of connections: two or three processes with their stacks,
/// buffers and rings.
const BYTES_OF_PROGRAMS: u64 = 256 << 20;

/// Whether `available` bytes of memory have room for a run of so many connections. What cannot be read counts as enough: then
/// the run itself meets the limit and says so.
///
/// # Errors
/// What is lacking, and what would do instead.
pub(crate) fn check_memory(connections: u32, available: Option<u64>) -> Result<(), String> {
    let needed = BYTES_OF_PROGRAMS + u64::from(connections) * BYTES_PER_CONNECTION;
    match available.filter(|available| *available < needed) {
        None => Ok(()),
        Some(available) => Err(format!(
            "needs {} of memory for {} connections, and {} are available: end other programs, or choose the quick profile, which needs \
             least",
            tuning::bytes(needed),
            tuning::thousands(connections.into()),
            tuning::bytes(available)
        )),
    }
}

/// What bounds connections here.
#[derive(Debug)]
pub(crate) struct Limits {
    facts: Facts,
    host: Host,
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
    /// Those of this host. What cannot be read counts as unlimited: then the run itself meets the limit and says so.
    pub(crate) fn read() -> Limits {
        // For programs that do not raise it themselves and inherit it. Where that fails, they say what they lack.
        let _ = sys::limits::raise_fd_limit();
        Limits { facts: Facts::of_this_host(), host: Host::of_this_host() }
    }

    /// How `connections` are spread, or why they cannot be held here and what would mend it.
    pub(crate) fn shape(&self, connections: u32) -> Result<Shape, String> {
        let demand = Demand {
            connections: connections.into(),
            bytes_per_connection: BYTES_PER_CONNECTION,
            connections_per_reactor_max: CONNECTIONS_PER_REACTOR_MAX,
        };
        let Spread { reactors, workers } = spread(&self.facts, &self.host, demand)?;
        Ok(Shape { reactors: reactors as usize, threads: workers as u32 })
    }
}

#[cfg(test)]
impl Limits {
    /// Those of a host that shows nothing but this limit on descriptors.
    pub(crate) fn on_descriptors(max: u64) -> Limits {
        let nowhere = std::path::Path::new("/nonexistent");
        let limit = ::host::OpenFilesLimit { soft: Some(max), hard: Some(max) };
        Limits { facts: Facts::read(nowhere, limit), host: Host::read(nowhere, 4096) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_memory_has_no_room_for_is_refused() {
        assert_eq!(check_memory(100_000, None), Ok(()));
        assert_eq!(check_memory(100_000, Some(4 << 30)), Ok(()));
        let said = check_memory(100_000, Some(1 << 30)).unwrap_err();
        let parts = ["needs 1.8 GiB", "100,000 connections", "1.0 GiB are available", "quick profile"];
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        assert_eq!(check_memory(10_000, Some(1 << 30)), Ok(()));
    }

    fn limits(descriptors_max: u64, change: impl FnOnce(&mut Facts)) -> Limits {
        let mut limits = Limits::on_descriptors(descriptors_max);
        let facts = &mut limits.facts;
        (facts.files.file_max, facts.files.open_count) = (Some(2_100_000), Some(100_000));
        (facts.memory.total_bytes, facts.memory.available_bytes) = (Some(4 << 30), Some(4 << 30));
        change(facts);
        limits
    }

    #[test]
    fn connections_are_spread_or_refused() {
        let as_they_are = |descriptors_max| limits(descriptors_max, |_| {});
        let few_files = |facts: &mut Facts| facts.files.file_max = Some(110_000);
        let exempt = |facts: &mut Facts| {
            facts.capabilities.sys_admin = Some(true);
            few_files(facts);
        };
        let may_raise = |facts: &mut Facts| facts.capabilities.sys_resource = Some(true);
        for (limits, connections, expected) in [
            (as_they_are(20_000), 1, Ok((1, 1))),
            (as_they_are(20_000), 18_000, Ok((1, 1))),
            (as_they_are(20_000), 18_001, Ok((2, 1))),
            (as_they_are(20_000), 19_000, Ok((2, 1))),
            (as_they_are(20_000), 100_000, Ok((6, 6))),
            (as_they_are(1 << 20), 100_000, Ok((6, 1))),
            // A worker of the generator keeps 16 for itself, a reactor 64.
            (as_they_are(1024), 1008, Ok((2, 1))),
            (as_they_are(1024), 1009, Ok((2, 2))),
            // What is kept free of 4 GiB, a thirty-second, has no room for connections.
            (as_they_are(20_000), 253_952, Ok((15, 13))),
            (as_they_are(20_000), 253_953, Err(["needs 3.9 GiB", "memory", "use a larger host"])),
            (as_they_are(20_000), 300_000, Err(["needs 4.6 GiB", "memory", "use a larger host"])),
            (limits(20_000, few_files), 5000, Ok((1, 1))),
            (limits(20_000, few_files), 5001, Err(["needs 110,002 files", "ENFILE", "sysctl -w fs.file-max=121002"])),
            (limits(20_000, exempt), 5001, Ok((1, 1))),
            (limits(64, may_raise), 1, Err(["descriptors", "RLIMIT_NOFILE (server) is 64", "ulimit -n 73"])),
            (as_they_are(64), 1, Err(["threads", "limits on each table", "a higher hard limit on open files"])),
        ] {
            match (limits.shape(connections), expected) {
                (Ok(shape), Ok(expected)) => assert_eq!((shape.reactors, shape.threads), expected, "{connections}"),
                (Err(reason), Err(words)) => assert!(words.iter().all(|word| reason.contains(word)), "{reason}"),
                (found, expected) => panic!("{connections}: {found:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn this_host_holds_a_few() {
        assert!(Limits::read().shape(10).is_ok());
    }
}
