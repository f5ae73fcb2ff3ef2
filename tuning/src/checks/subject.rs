//! What the checks judge: the question, the host, and the numbers that several checks need.

use serde::Serialize;

use crate::budget;
use crate::checks::spare::Spare;
use crate::host::Host;
use crate::predict::{Shape, predict};
use crate::request::{Backend, Demand, Request, Side};
use ::host::Facts;
use ::host::sysctl::LOCAL_PORT_RANGE_DEFAULT;
use protocol::Workload;

/// No host has this many connections: a search for a limit stops here and reports none.
const CONNECTIONS_MAX: u64 = 1 << 40;

/// Whether a ring can be set up. Trying it needs the server's code, so the caller provides the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IoUring {
    /// A ring was set up.
    Available,
    /// It was not, with the reason.
    Unavailable(String),
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The audit, which does not know what the connections will do: all may be busy at once.
    Audit,
    /// The plan, which knows it from the request.
    Plan,
}

pub(crate) struct Subject<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) host: &'a Host,
    pub(crate) io_uring: &'a IoUring,
    pub(crate) asker: Asker,
    pub(crate) request: Request,
    /// What is known of a server that is not c10m's; it goes before what is known of c10m's.
    demand: Option<Demand>,
    pub(crate) connections: u64,
    /// Kernel sockets on this host.
    pub(crate) ends: u64,
    /// Reactors and workers before any fix.
    pub(crate) reactors: u64,
    pub(crate) workers: u64,
    /// Ports clients of this host choose from.
    pub(crate) ports: u64,
}

impl<'a> Subject<'a> {
    /// The subject of a plan.
    pub(crate) fn new(facts: &'a Facts, host: &'a Host, request: Request, io_uring: &'a IoUring) -> Self {
        let reactors = request.reactors.or(facts.cpu.online_count).unwrap_or(1).max(1);
        let workers = match request.side {
            Side::Server => 0,
            Side::Both => request.reactors.unwrap_or(1).max(1),
            // A worker with a TUN device has no descriptor table that could fill up; more workers than CPUs
            // would only take turns.
            Side::Tun => request.reactors.unwrap_or(1).clamp(1, facts.cpu.online_count.unwrap_or(1).max(1)),
        };
        let reserved = facts.network.reserved_ports.as_deref().unwrap_or_default();
        let ports = usable_ports(facts.network.port_range.unwrap_or(LOCAL_PORT_RANGE_DEFAULT), reserved);
        Subject {
            facts,
            host,
            io_uring,
            asker: Asker::Plan,
            request,
            demand: None,
            connections: request.connections,
            ends: request.connections.saturating_mul(request.side.kernel_ends()),
            reactors,
            workers,
            ports,
        }
    }

    /// The subject of an audit, with this `side` of the connections here.
    pub(crate) fn audit(facts: &'a Facts, host: &'a Host, connections: u64, side: Side, io_uring: &'a IoUring) -> Self {
        Subject { asker: Asker::Audit, ..Subject::new(facts, host, idle(connections, side), io_uring) }
    }

    /// The subject of a demand, with as many reactors and workers as it takes, or the most there are.
    pub(crate) fn of_demand(facts: &'a Facts, host: &'a Host, demand: Demand) -> Self {
        let request = idle(demand.connections, Side::Both);
        let subject = Subject { demand: Some(demand), ..Subject::new(facts, host, request, &IoUring::Available) };
        let reactors = subject.reactors_for(demand.connections).unwrap_or(budget::THREADS_MAX);
        let workers = Subject { workers: 1, ..subject }.workers_planned().unwrap_or(budget::THREADS_MAX);
        Subject { reactors, workers, ..subject }
    }

    /// RLIMIT_NOFILE as the programs have it: they raise the soft limit to the hard one.
    pub(crate) fn descriptors_max(&self) -> u64 {
        self.facts.files.limit.hard.unwrap_or(u64::MAX)
    }

    pub(crate) fn may_raise_limits(&self) -> bool {
        self.facts.capabilities.sys_resource == Some(true)
    }

    /// Descriptors that the fullest reactor needs before any fix.
    pub(crate) fn descriptors_per_reactor(&self) -> u64 {
        descriptors_needed(self.connections, self.reactors)
    }

    /// Connections a reactor can own whatever its limit on descriptors.
    pub(crate) fn reactor_connections_max(&self) -> u64 {
        let own = if self.request.backend.is_uring() {
            budget::RING_DESCRIPTORS_MAX
        } else {
            budget::REACTOR_CONNECTIONS_MAX
        };
        self.demand.map_or(own, |demand| demand.connections_per_reactor_max)
    }

    /// The fewest reactors for `connections` when the limit on descriptors stays as it is.
    pub(crate) fn reactors_for(&self, connections: u64) -> Option<u64> {
        let descriptors = self.descriptors_max().min(self.facts.files.nr_open.unwrap_or(u64::MAX));
        let room = descriptors.saturating_sub(budget::REACTOR_DESCRIPTORS).min(self.reactor_connections_max());
        fewest_reactors(connections, room)
    }

    /// The reactors of the plan: no fewer than now, and more only if the limit on descriptors cannot be
    /// raised or is not the binding one.
    pub(crate) fn reactors_planned(&self) -> Option<u64> {
        let fewest = if self.may_raise_limits() {
            fewest_reactors(self.connections, self.reactor_connections_max())
        } else {
            self.reactors_for(self.connections)
        };
        fewest.map(|fewest| fewest.max(self.reactors))
    }

    /// The workers of the plan. More workers keep each descriptor table of the generator small.
    pub(crate) fn workers_planned(&self) -> Option<u64> {
        if self.request.side != Side::Both {
            return Some(self.workers);
        }
        let room = self.worker_connections_max();
        let fewest = if room == 0 { return None } else { self.connections.div_ceil(room) };
        Some(fewest.max(self.workers)).filter(|&workers| workers <= budget::THREADS_MAX)
    }

    /// Kernel sockets a worker of the generator can own.
    pub(crate) fn worker_connections_max(&self) -> u64 {
        self.descriptors_max().saturating_sub(budget::WORKER_DESCRIPTORS)
    }

    /// Connections one client address carries to one server address and port.
    pub(crate) fn connections_per_source(&self) -> u64 {
        (self.ports - self.ports / budget::PORT_RESERVE_SHARE).max(1)
    }

    /// Client addresses that the connections need; on loopback addresses cost nothing, so they are not filled
    /// up.
    pub(crate) fn addresses(&self) -> Option<u64> {
        let per_source = self.connections_per_source();
        match self.request.side {
            Side::Tun => None,
            Side::Both if self.request.sources.is_none() => {
                Some(self.connections.div_ceil((per_source / budget::LOOPBACK_FILL).max(1)))
            }
            Side::Both | Side::Server => Some(self.connections.div_ceil(per_source)),
        }
    }

    /// The shape of `connections` on this host, with the threads they would need.
    pub(crate) fn planned_shape(&self, connections: u64) -> Shape {
        let limit = self.descriptors_max().saturating_sub(budget::REACTOR_DESCRIPTORS);
        Shape {
            connections,
            workload: self.request.workload,
            backend: self.request.backend,
            side: self.request.side,
            ring_clients: self.request.ring_clients,
            heartbeat_ms: self.request.heartbeat_ms,
            reactors: self.reactors_planned().unwrap_or(budget::THREADS_MAX),
            workers: self.workers_planned().unwrap_or(budget::THREADS_MAX),
            ring_descriptors: limit.min(budget::RING_DESCRIPTORS_MAX),
            ports: self.ports,
        }
    }

    /// The memory that a new process can have.
    pub(crate) fn spare(&self) -> Option<Spare> {
        Spare::of(&self.facts.memory, self.host.room.cgroup_memory)
    }

    /// The memory of `connections` in bytes.
    pub(crate) fn memory_needed(&self, connections: u64) -> u64 {
        if let Some(demand) = self.demand {
            return connections.saturating_mul(demand.bytes_per_connection);
        }
        predict(&self.planned_shape(connections), &self.host.slabs).total_bytes
    }

    /// The memory of the server's end of the connections alone.
    pub(crate) fn memory_of_one_end(&self) -> u64 {
        let shape = Shape { side: Side::Server, ..self.planned_shape(self.connections) };
        predict(&shape, &self.host.slabs).total_bytes
    }

    /// The most connections the available memory has room for.
    pub(crate) fn memory_fits(&self) -> Option<u64> {
        let spare = self.spare()?;
        largest(|connections| self.memory_needed(connections) <= spare.bytes)
    }
}

/// Connections of which nothing is known but how many there are.
fn idle(connections: u64, side: Side) -> Request {
    Request {
        connections,
        workload: Workload::Echo,
        backend: Backend::Epoll,
        side,
        ring_clients: false,
        heartbeat_ms: None,
        reactors: None,
        sources: None,
    }
}

/// Descriptors the fullest of `reactors` needs. SO_REUSEPORT spreads connections by a hash, so a share varies
/// with a standard deviation of about the square root of the mean. Fewer than one in ten thousand shares
/// exceeds the mean by four deviations.
pub(crate) fn descriptors_needed(connections: u64, reactors: u64) -> u64 {
    let mean = connections.div_ceil(reactors);
    let unevenness = if reactors > 1 { 4 * (mean.isqrt() + 1) } else { 0 };
    mean.saturating_add(unevenness).saturating_add(budget::REACTOR_DESCRIPTORS)
}

/// Connections the fullest of `reactors` gets.
pub(crate) fn share(connections: u64, reactors: u64) -> u64 {
    descriptors_needed(connections, reactors).saturating_sub(budget::REACTOR_DESCRIPTORS)
}

/// The fewest reactors of which none gets more than `room` connections; `None`: even the most that the server
/// accepts are not enough.
fn fewest_reactors(connections: u64, room: u64) -> Option<u64> {
    (1..=budget::THREADS_MAX).find(|&reactors| share(connections, reactors) <= room)
}

/// The largest number of connections that `fits`, which must hold for every smaller number too;
/// `None`: any number does.
pub(crate) fn largest(fits: impl Fn(u64) -> bool) -> Option<u64> {
    if fits(CONNECTIONS_MAX) {
        return None;
    }
    let (mut fitting, mut beyond) = (0, CONNECTIONS_MAX);
    while beyond - fitting > 1 {
        let middle = fitting + (beyond - fitting) / 2;
        if fits(middle) { fitting = middle } else { beyond = middle }
    }
    Some(fitting)
}

/// Ports of the range that are not reserved. Ranges of the kernel's list never overlap.
fn usable_ports([first, last]: [u64; 2], reserved: &[(u64, u64)]) -> u64 {
    let taken: u64 = reserved.iter().map(|&(from, to)| (to.min(last) + 1).saturating_sub(from.max(first))).sum();
    (last - first + 1).saturating_sub(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_that_fits() {
        for (most, expected) in [(0, Some(0)), (1, Some(1)), (19_936, Some(19_936)), (CONNECTIONS_MAX, None)] {
            assert_eq!(largest(|connections| connections <= most), expected);
        }
    }

    #[test]
    fn the_fullest_reactor_decides() {
        for (connections, reactors, expected) in
            [(0, 1, 64), (10_000, 1, 10_064), (10_000, 4, 2500 + 204 + 64), (u64::MAX, 1, u64::MAX)]
        {
            assert_eq!(descriptors_needed(connections, reactors), expected, "{connections} over {reactors}");
        }
    }

    #[test]
    fn the_fullest_reactor_decides_how_many_there_must_be() {
        for (connections, room, expected) in [
            (19_936, 19_936, Some(1)),
            (19_937, 19_936, Some(2)),
            (1_000_000, 19_936, Some(52)), // 50.2 on average, and the hash is not even
            (10, 0, None),
            (u64::MAX, 1 << 20, None),
        ] {
            assert_eq!(fewest_reactors(connections, room), expected, "{connections} by {room}");
        }
    }

    #[test]
    fn reserved_ports_count_only_inside_the_range() {
        for (range, reserved, expected) in [
            ([32_768, 60_999], vec![], 28_232),
            ([1024, 65_535], vec![(8080, 8080), (9000, 9009)], 64_501),
            ([1024, 65_535], vec![(1, 1023)], 64_512),
            ([1024, 65_535], vec![(1000, 1024), (65_535, 65_535)], 64_510),
            ([5000, 5000], vec![(4000, 6000)], 0),
        ] {
            assert_eq!(usable_ports(range, &reserved), expected, "{range:?} {reserved:?}");
        }
    }
}
