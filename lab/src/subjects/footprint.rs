//! Memory of a run: what connections add to the server's own memory and to the kernel's slabs.
//!
//! Reads both before the load generator starts, and again when all connections are open. That is before the window, so
//! that reading does not disturb it. Reads the server's memory once more when the generator has ended, to include what
//! the load touched first. The growth includes memory that does not depend on the connections, such as rings of
//! buffers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use host::kernel::sockets;
use host::{SlabCache, process};

/// With fewer connections, only pages and rings of buffers would show.
pub(crate) const CONNECTIONS_MIN: u32 = 1000;
/// One socket in so many may have been closing when the watch began.
const UNCERTAIN_SHARE: u64 = 50;
/// Time between two checks whether all connections are open.
const PERIOD: Duration = Duration::from_millis(20);

/// Bytes at one moment. What cannot be read is absent.
#[derive(Debug, Clone, Copy, Default)]
struct Bytes {
    server: Option<u64>,
    kernel: Option<f64>,
}

impl Bytes {
    fn read(workers: &[u32]) -> Bytes {
        Bytes { server: server_bytes(workers), kernel: SlabCache::all_bytes() }
    }
}

/// Growth over the connections of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Footprint {
    pub(crate) server_bytes_per_connection: Option<f64>,
    pub(crate) kernel_bytes_per_connection: Option<f64>,
}

/// Watches one run.
pub(crate) struct Watch {
    workers: Vec<u32>,
    connections: u32,
    before: Bytes,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Bytes>,
}

impl Watch {
    /// Begins before the load generator starts. `None` when there are too few connections. The watch runs on `cpu`,
    /// which should not be the server's.
    pub(crate) fn start(workers: &[u32], connections: u32, cpu: usize) -> Option<Watch> {
        if connections < CONNECTIONS_MIN {
            return None;
        }
        let (workers, before) = (workers.to_vec(), Bytes::read(workers));
        // Over loopback both ends of a connection count. Some sockets of the first count may be closing, so do not
        // wait for the very last.
        let both_ends = 2 * u64::from(connections);
        let awaited = tcp_in_use()? + both_ends - both_ends / UNCERTAIN_SHARE;
        let stop = Arc::new(AtomicBool::new(false));
        let (its_stop, its_workers) = (stop.clone(), workers.clone());
        let thread = thread::spawn(move || {
            let mut set = rustix::thread::CpuSet::new();
            set.set(cpu);
            // If this fails, the watch disturbs a little more.
            let _ = rustix::thread::sched_setaffinity(None, &set);
            let mut open_before = 0;
            while !its_stop.load(Ordering::Relaxed) {
                let open = tcp_in_use().unwrap_or(0);
                if open >= awaited && open <= open_before {
                    return Bytes::read(&its_workers);
                }
                open_before = open;
                thread::sleep(PERIOD);
            }
            Bytes::default()
        });
        Some(Watch { workers, connections, before, stop, thread })
    }

    /// Call it after the load generator has ended and before the server ends.
    pub(crate) fn finish(self) -> Footprint {
        self.stop.store(true, Ordering::Relaxed);
        // A watch that panicked has seen nothing.
        let held = self.thread.join().unwrap_or_default();
        let server = held.server.map(|bytes| bytes.max(server_bytes(&self.workers).unwrap_or(0)));
        let each = |growth: f64| growth / f64::from(self.connections);
        Footprint {
            server_bytes_per_connection: server
                .zip(self.before.server)
                .map(|(held, before)| each(held as f64 - before as f64)),
            kernel_bytes_per_connection: held.kernel.zip(self.before.kernel).map(|(held, before)| each(held - before)),
        }
    }
}

fn server_bytes(workers: &[u32]) -> Option<u64> {
    workers.iter().map(|pid| process::anonymous_bytes(*pid).ok()).sum()
}

fn tcp_in_use() -> Option<u64> {
    sockets()?.tcp_inuse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_connections_are_not_watched() {
        assert!(Watch::start(&[std::process::id()], CONNECTIONS_MIN - 1, 0).is_none());
    }

    #[test]
    fn a_run_that_never_has_its_connections_has_no_figures() {
        let watch = Watch::start(&[std::process::id()], 1_000_000, 0).expect("enough connections");
        assert_eq!(watch.finish(), Footprint::default());
    }
}
