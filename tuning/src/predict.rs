//! The memory of very many idle connections, part by part: kernel objects in whole slabs, descriptor
//! tables, and what c10m's own programs keep. Arithmetic only; sizes come from [`Slabs`].

use serde::Serialize;

use crate::budget;
use crate::request::{Backend, Side};
use crate::slabs::{Basis, Slabs};
use protocol::Workload;

/// How long, in milliseconds, a heartbeat and its echo occupy a socket's queue at worst: a turn of a busy
/// reactor. If it takes longer, the queues grow, which no plan can predict.
pub(crate) const QUEUED_MS: u64 = 100;

/// Caches made with SLAB_RECLAIM_ACCOUNT (linux net/socket.c, init_inodecache; fs/dcache.c).
const RECLAIMABLE: [&str; 2] = ["sock_inode_cache", "dentry"];

/// The input of a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Connections open at the same time.
    pub connections: u64,
    /// What the server speaks.
    pub workload: Workload,
    /// How the server waits.
    pub backend: Backend,
    /// Which ends are on this host.
    pub side: Side,
    /// Whether the clients' sockets of this host are direct descriptors with an armed receive.
    pub ring_clients: bool,
    /// Each connection sends once in this many milliseconds.
    pub heartbeat_ms: Option<u64>,
    /// Threads of the server, each with a descriptor table or a ring of its own.
    pub reactors: u64,
    /// Threads of the load generator, each with a descriptor table of its own.
    pub workers: u64,
    /// Direct descriptors that every ring registers at its start; the server asks for as many as its limit
    /// allows. Only used with io_uring.
    pub ring_descriptors: u64,
    /// Local ports the clients choose from.
    pub ports: u64,
}

impl Shape {
    /// Sockets that have bytes queued at the same moment.
    pub(crate) fn queued(&self) -> u64 {
        let ends = self.connections.saturating_mul(self.side.kernel_ends());
        queued_at_once(ends, self.heartbeat_ms)
    }
}

/// How many of `ends` sockets have a heartbeat queued.
pub(crate) fn queued_at_once(ends: u64, heartbeat_ms: Option<u64>) -> u64 {
    let Some(period) = heartbeat_ms else { return 0 };
    (u128::from(ends) * u128::from(QUEUED_MS)).div_ceil(u128::from(period.max(QUEUED_MS))) as u64
}

/// Who has a part of the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// Kernel objects that /proc/slabinfo counts under the part's name.
    Slab,
    /// Other memory of the kernel.
    Kernel,
    /// The server's process.
    Server,
    /// The load generator's process.
    Generator,
}

/// One part of the memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Who has it.
    pub owner: Owner,
    /// The slab cache, or what it is in words.
    pub name: &'static str,
    /// How many there are.
    pub count: u64,
    /// What all of them take.
    pub bytes: u64,
}

/// The memory of a number of connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// Where the sizes of kernel objects come from.
    pub basis: Basis,
    /// Slab caches alone: what the sum of /proc/slabinfo should grow by.
    pub slab_bytes: u64,
    /// The part of the slabs that the kernel counts as reclaimable, inodes and dentries, although those of an
    /// open socket are not. MemAvailable shrinks by this much less than memory does (linux mm/show_mem.c,
    /// si_mem_available; seen on Linux 6.18 with 100,000 connections).
    pub reclaimable_bytes: u64,
    /// All kernel memory, including slabs.
    pub kernel_bytes: u64,
    /// The server's process.
    pub server_bytes: u64,
    /// The generator's process.
    pub generator_bytes: u64,
    /// Everything.
    pub total_bytes: u64,
    /// The parts of the total; empty parts are left out.
    pub parts: Vec<Part>,
}

/// Predicts the memory of `shape` on a kernel with `slabs`.
pub fn predict(shape: &Shape, slabs: &Slabs) -> Prediction {
    let mut parts = objects(shape, slabs);
    parts.extend(kernel(shape));
    parts.extend(programs(shape));
    parts.retain(|part| part.bytes > 0);
    let sum = |is_wanted: &dyn Fn(Owner) -> bool| {
        parts.iter().filter(|part| is_wanted(part.owner)).fold(0u64, |sum, part| sum.saturating_add(part.bytes))
    };
    Prediction {
        basis: slabs.basis(),
        slab_bytes: sum(&|owner| owner == Owner::Slab),
        reclaimable_bytes: parts
            .iter()
            .filter(|part| RECLAIMABLE.contains(&part.name))
            .map(|part| part.bytes)
            .fold(0, u64::saturating_add),
        kernel_bytes: sum(&|owner| matches!(owner, Owner::Slab | Owner::Kernel)),
        server_bytes: sum(&|owner| owner == Owner::Server),
        generator_bytes: sum(&|owner| owner == Owner::Generator),
        total_bytes: sum(&|_| true),
        parts,
    }
}

/// Kernel objects of IPv4 connections; a TCPv6 socket is 128 B larger and as many share a slab. If both ends
/// use a cache, their objects are one part, because they share slabs.
fn objects(shape: &Shape, slabs: &Slabs) -> Vec<Part> {
    let connections = shape.connections;
    let ends = connections.saturating_mul(shape.side.kernel_ends());
    let clients = ends - connections;
    let (polled, armed, direct) = match shape.backend {
        Backend::Epoll | Backend::Mio => (connections, 0, 0),
        Backend::UringMultishot => (0, connections, connections),
        Backend::UringPoll => (0, 0, connections),
    };
    let (polled, armed, direct) = match shape.ring_clients {
        true => (polled, armed.saturating_add(clients), direct.saturating_add(clients)),
        false => (polled.saturating_add(clients), armed, direct),
    };
    let queued = shape.queued();
    // Cache, count, and whether a memory cgroup accounts for it (SLAB_ACCOUNT). An armed receive holds its
    // request, the poll that waits for it, and a message header, which preparing a receive always allocates
    // (linux io_uring/net.c, io_recvmsg_prep).
    let counts = [
        ("TCP", ends, true),
        ("sock_inode_cache", ends, true),
        ("dentry", ends, true),
        ("filp", ends, true),
        ("lsm_inode_cache", ends, false),
        ("lsm_file_cache", ends, false),
        ("eventpoll_epi", polled, true),
        ("eventpoll_pwq", polled, true),
        ("ep_head", polled, true),
        ("io_kiocb", direct, true),
        ("kmalloc-512", armed, false),
        ("kmalloc-96", armed, false),
        ("kmalloc-32", direct, false),
        ("tcp_bind2_bucket", clients, true),
        ("tcp_bind_bucket", clients.min(shape.ports), true),
        ("skbuff_head_cache", queued, false),
        ("skbuff_small_head", queued, false),
    ];
    let part = |name, count, bytes| Part { owner: Owner::Slab, name, count, bytes };
    let mut parts: Vec<Part> =
        counts.iter().map(|&(name, count, _)| part(name, count, slabs.bytes(name, count))).collect();
    let charged = counts.iter().filter(|(_, _, is_charged)| *is_charged);
    let (mut count, mut bytes) = (0u64, 0u64);
    for (name, objects, _) in charged {
        count = count.saturating_add(*objects);
        bytes = bytes.saturating_add(slabs.account_bytes(name, *objects));
    }
    parts.push(part("account of the memory cgroup", count, bytes));
    parts
}

/// Tables, rings and threads.
fn kernel(shape: &Shape) -> Vec<Part> {
    let part =
        |name, count: u64, each: u64| Part { owner: Owner::Kernel, name, count, bytes: count.saturating_mul(each) };
    let of_each_reactor = shape.connections.div_ceil(shape.reactors.max(1));
    let of_each_worker = shape.connections.div_ceil(shape.workers.max(1));
    let mut parts = if shape.backend.is_uring() {
        vec![
            part("tables of direct descriptors", shape.reactors, ring_table_bytes(shape.ring_descriptors)),
            part("rings", shape.reactors, budget::SERVER_RING_BYTES),
        ]
    } else {
        let descriptors = of_each_reactor.saturating_add(budget::REACTOR_DESCRIPTORS);
        vec![part("descriptor tables of the server", shape.reactors, table_bytes(descriptors))]
    };
    if shape.side == Side::Both && shape.ring_clients {
        parts.push(part("tables of the generator's rings", shape.workers, ring_table_bytes(of_each_worker)));
        parts.push(part("rings of the generator", shape.workers, budget::GENERATOR_RING_BYTES));
    } else if shape.side == Side::Both {
        let descriptors = of_each_worker.saturating_add(budget::WORKER_DESCRIPTORS);
        parts.push(part("descriptor tables of the generator", shape.workers, table_bytes(descriptors)));
    }
    let workers = if shape.side.has_generator() { shape.workers } else { 0 };
    parts.push(part("threads", shape.reactors.saturating_add(workers), budget::THREAD_BYTES));
    parts
}

/// User-space memory of the processes.
fn programs(shape: &Shape) -> Vec<Part> {
    let part = |owner, name, count: u64, each: u64| Part { owner, name, count, bytes: count.saturating_mul(each) };
    let slot = match shape.workload {
        Workload::Echo => budget::SERVER_ECHO_BYTES,
        Workload::Http => budget::SERVER_HTTP_BYTES,
    };
    let reactor = if shape.backend.is_uring() { budget::URING_REACTOR_BYTES } else { budget::REACTOR_BYTES };
    let mut parts = vec![
        part(Owner::Server, "server", 1, budget::SERVER_BYTES),
        part(Owner::Server, "reactors", shape.reactors, reactor),
        part(Owner::Server, "connections of the server", shape.connections, slot),
    ];
    if shape.side.has_generator() {
        let peer = if shape.side == Side::Tun { budget::TUN_PEER_BYTES } else { 0 };
        let each = budget::GENERATOR_CONNECTION_BYTES + peer;
        parts.extend([
            part(Owner::Generator, "generator", 1, budget::GENERATOR_BYTES),
            part(Owner::Generator, "workers", shape.workers, budget::WORKER_BYTES),
            part(Owner::Generator, "connections of the generator", shape.connections, each),
        ]);
    }
    parts
}

/// A table for `descriptors`, which doubles when it is full: a pointer and two bits for each, and a bit for
/// each 64 (linux fs/file.c, alloc_fdtable). The first 64 are in files_struct itself.
fn table_bytes(descriptors: u64) -> u64 {
    const INLINE: u64 = 64;
    if descriptors <= INLINE {
        return 0;
    }
    let Some(slots) = descriptors.checked_next_power_of_two() else {
        return u64::MAX;
    };
    slots.saturating_mul(8).saturating_add(slots / 4).saturating_add(slots.div_ceil(512))
}

/// A pointer and a bit for each direct descriptor; this table does not grow.
fn ring_table_bytes(descriptors: u64) -> u64 {
    descriptors.saturating_mul(8).saturating_add(descriptors / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn shape(connections: u64, backend: Backend, side: Side) -> Shape {
        Shape {
            connections,
            workload: Workload::Echo,
            backend,
            side,
            ring_clients: false,
            heartbeat_ms: None,
            reactors: 2,
            workers: 2,
            ring_descriptors: 100_000,
            ports: 28_232,
        }
    }

    fn bytes_of(prediction: &Prediction, name: &str) -> u64 {
        prediction.parts.iter().find(|part| part.name == name).map_or(0, |part| part.bytes)
    }

    /// Computed by hand. A count that fills whole slabs of every cache (13 × 19 × 21 × 170 × 256 × …) is too
    /// large, so each cache is checked on its own.
    #[test]
    fn each_cache_by_hand() {
        let prediction = predict(&shape(100_000, Backend::Epoll, Side::Both), &Slabs::measured());
        for (name, expected) in [
            ("TCP", 200_000u64.div_ceil(13) * 32_768),
            ("sock_inode_cache", 200_000u64.div_ceil(19) * 16_384),
            ("dentry", 200_000u64.div_ceil(21) * 4096),
            ("filp", 200_000u64.div_ceil(21) * 4096),
            ("lsm_inode_cache", 200_000u64.div_ceil(128) * 4096),
            ("lsm_file_cache", 200_000u64.div_ceil(170) * 4096),
            ("eventpoll_epi", 200_000 * 128),
            ("eventpoll_pwq", 200_000 * 64),
            ("ep_head", 782 * 4096),
            ("io_kiocb", 0),
            ("tcp_bind2_bucket", 100_000 * 128),
            ("tcp_bind_bucket", 883 * 4096),
            ("skbuff_head_cache", 0),
            // 65,536 slots: 512 KiB of pointers, 16 KiB of bits, 128 B over the bits.
            ("descriptor tables of the server", 2 * (524_288 + 16_384 + 128)),
            ("connections of the server", 6_400_000),
            ("connections of the generator", 5_600_000),
        ] {
            assert_eq!(bytes_of(&prediction, name), expected, "{name}");
        }
        assert_eq!(prediction.reclaimable_bytes, 10_527 * 16_384 + 9524 * 4096);
        assert_eq!(prediction.total_bytes, prediction.parts.iter().map(|part| part.bytes).sum::<u64>());
        assert_eq!(
            prediction.total_bytes,
            prediction.kernel_bytes + prediction.server_bytes + prediction.generator_bytes
        );
    }

    /// What was measured on Linux 6.18.44: 4,037 B a watched endpoint, 866 B for an armed receive.
    #[test]
    fn an_endpoint_takes_what_was_measured() {
        const MANY: u64 = 1_000_000;
        let slab =
            |backend, side| predict(&shape(MANY, backend, side), &Slabs::measured()).slab_bytes as f64 / MANY as f64;
        let watched = slab(Backend::Epoll, Side::Server);
        assert!((4036.0..4040.0).contains(&watched), "{watched}");
        let bare = watched - 208.0;
        for (backend, more) in [(Backend::UringMultishot, 866.0 + 32.0), (Backend::UringPoll, 256.0 + 32.0)] {
            let found = slab(backend, Side::Server) - bare;
            assert!((found - more).abs() < 2.0, "{backend:?}: {found}");
        }
        assert_eq!(slab(Backend::Mio, Side::Both), slab(Backend::Epoll, Side::Both));
        let rings = Shape { ring_clients: true, ..shape(MANY, Backend::UringMultishot, Side::Both) };
        let rings = predict(&rings, &Slabs::measured()).slab_bytes as f64 / MANY as f64;
        let more = rings - slab(Backend::UringMultishot, Side::Both);
        assert!((more - (866.0 + 32.0 - 208.0)).abs() < 2.0, "{more}");
        assert_eq!(slab(Backend::Epoll, Side::Tun), watched, "clients in user space have no sockets");
    }

    #[test]
    fn heartbeats_hold_data_in_proportion() {
        for (ends, heartbeat_ms, expected) in [
            (1_000_000, None, 0),
            (1_000_000, Some(60_000), 1667),
            (1_000_000, Some(100), 1_000_000),
            (1_000_000, Some(1), 1_000_000), // no more than all of them
            (u64::MAX, Some(1), u64::MAX),
        ] {
            assert_eq!(queued_at_once(ends, heartbeat_ms), expected, "{heartbeat_ms:?}");
        }
    }

    #[test]
    fn tables_double() {
        for (descriptors, expected) in [
            (0, 0),
            (64, 0),
            (65, 1024 + 32 + 1),
            (20_000, 32_768 * 8 + 8192 + 64),
            (10_000_064, (128 << 20) + (4 << 20) + 32_768),
        ] {
            assert_eq!(table_bytes(descriptors), expected, "{descriptors}");
        }
        assert_eq!(table_bytes(u64::MAX), u64::MAX);
    }

    #[test]
    fn absurd_numbers_saturate() {
        let mut absurd = shape(u64::MAX, Backend::UringMultishot, Side::Both);
        (absurd.reactors, absurd.workers, absurd.ring_descriptors) = (0, 0, u64::MAX);
        assert_eq!(predict(&absurd, &Slabs::measured()).total_bytes, u64::MAX);
    }
}
