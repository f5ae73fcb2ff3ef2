//! The tun engine: TCP in user space over a TUN device, so that the kernel holds only the server's sockets.
//!
//! Every worker has a device of its own, with a route for the addresses of its peers. One device with a queue
//! per worker would not work: the kernel remembers 4,096 flows for 3 s each (drivers/net/tun.c) and spreads
//! all other packets over the queues by hash, to workers that do not know the peer.
//!
//! A written packet runs through the kernel's receive path within write(2). TUN has no batched calls, so
//! every packet costs one system call in either direction.

mod device;

use super::connection::Phase;
use super::fleet::Fleet;
use super::job::Job;
use super::sockets::Sockets;
use super::token::Token;
use super::turn::{Engine, Wait};
use crate::LoadError;
use crate::plan::grain::CHECK_NS;
use crate::plan::tun::{SERVER, block, server as server_of};
use crate::recording::causes::Cause;
use crate::recording::counters::Traffic;
use device::{BUFFER_LEN, Device, MSS};
use protocol::client::Client;
use rustix::io::Errno;
use std::net::SocketAddr;
use sys::clock;
use tcp::client::{Client as Peers, Config, Ending, Received, Tick};
use tcp::wire::Checksums;

/// Packets taken per turn in a closed loop, and in an open loop, as of epoll's events.
const PACKETS_MAX_CLOSED: usize = 256;
const PACKETS_MAX_OPEN: usize = 64;
/// Resets queued in a row at the end before the outbox is written.
const RESETS_PER_BATCH: u32 = 256;

/// The same for every run, so that a run's numbers begin above those of the last one, which servers may have
/// in TIME_WAIT. Nobody in this namespace must be kept from guessing the numbers.
const SEQUENCE_KEY: u64 = 0xc10;

/// A pending operation of a connection: our FIN waits for the server's.
const CLOSING: u8 = 1;

/// A socket of this engine carries no data: the peers know everything by the connection's index.
#[derive(Debug)]
pub(super) struct Simulated;

/// One device and the peers behind it.
pub(super) struct Tun {
    peers: Peers,
    device: Device,
    scratch: Vec<u8>,
    /// As of the beginning of the turn.
    now: Tick,
    /// Whether the last turn left packets unread.
    has_more: bool,
}

impl Sockets for Tun {
    type Socket = Simulated;

    fn connect(
        &mut self,
        token: Token,
        _: usize,
        _: Option<SocketAddr>,
        _: &mut u8,
        traffic: &mut Traffic,
    ) -> Result<Simulated, Errno> {
        self.peers.open(token.index, self.now);
        self.flush(traffic);
        Ok(Simulated)
    }

    #[inline]
    fn send(
        &mut self,
        _: &Simulated,
        token: Token,
        bytes: &[u8],
        _: bool,
        _: &mut u8,
        traffic: &mut Traffic,
    ) -> Result<usize, Errno> {
        let sent = self.peers.send(token.index, bytes, self.now);
        traffic.bytes_out += sent as u64;
        self.flush(traffic);
        Ok(sent)
    }

    fn close(&mut self, _: Simulated, token: Token, under_way: &mut u8, traffic: &mut Traffic) {
        if !self.peers.close(token.index, self.now) {
            *under_way |= CLOSING;
        }
        self.flush(traffic);
    }

    fn is_free(&self, under_way: u8) -> bool {
        under_way == 0
    }
}

impl Engine for Tun {
    fn new(job: &Job<'_>, worker: usize) -> Result<Self, LoadError> {
        let Some(server) = server_of(&job.plan.routes[0].address) else {
            return Err(LoadError::Usage("--engine tun needs an IPv4 target".into()));
        };
        let peers = block(worker);
        // Each device carries the server's address: a device disappears with its worker, and the last replies
        // and resets of other workers must still reach the server.
        let device = Device::open(worker, peers, (*server.ip() == SERVER).then_some(SERVER))?;
        let now = Tick::of_ns(clock::now_ns());
        let config = Config {
            server,
            block: peers,
            peers_max: job.plan.connections[worker],
            mss: MSS,
            key: SEQUENCE_KEY,
            checksums: Checksums::Offloaded,
            prefix: Device::prefix().to_vec(),
        };
        Ok(Tun { peers: Peers::new(config, now), device, scratch: vec![0; BUFFER_LEN], now, has_more: false })
    }

    #[inline]
    fn turn<C: Client, const OPEN: bool>(&mut self, fleet: &mut Fleet<'_, C, Simulated, OPEN>, wait: Wait) -> usize {
        self.wait(wait, &mut fleet.tally.traffic);
        self.now = Tick::of_ns(clock::now_ns());
        // Taken out during the turn because the handlers borrow the whole engine.
        let mut scratch = std::mem::take(&mut self.scratch);
        let packets_max = if OPEN { PACKETS_MAX_OPEN } else { PACKETS_MAX_CLOSED };
        let mut count = 0;
        self.has_more = true;
        while count < packets_max {
            fleet.tally.traffic.read += 1;
            // EAGAIN: all packets are read. Any other error would mean that the device is gone, which shows
            // as timeouts.
            let Ok((packet, checksums)) = self.device.read(&mut scratch) else {
                self.has_more = false;
                break;
            };
            count += 1;
            if let Some(received) = self.peers.on_packet(packet, checksums, self.now) {
                self.on_received(fleet, received);
            }
        }
        self.scratch = scratch;
        self.peers.acknowledge();
        while let Some((index, ending)) = self.peers.on_time(self.now) {
            self.on_ending(fleet, index as usize, ending);
        }
        self.flush(&mut fleet.tally.traffic);
        let counters = self.peers.counters();
        fleet.tally.traffic.retransmits = counters.retransmitted;
        fleet.tally.connects.replaced = counters.replaced;
        count
    }
}

impl Tun {
    fn wait(&mut self, wait: Wait, traffic: &mut Traffic) {
        let timeout = match wait {
            _ if self.has_more => return,
            // The read itself shows whether there is a packet.
            Wait::Poll => return,
            Wait::Until(until_ns) => clock::until(until_ns, clock::now_ns()),
            Wait::Loosely => clock::until(CHECK_NS, 0),
        };
        traffic.poll += 1;
        self.device.wait(&timeout);
    }

    /// Writes what waits in the outbox.
    #[inline]
    fn flush(&mut self, traffic: &mut Traffic) {
        if self.peers.outbox.is_empty() {
            return;
        }
        for packet in self.peers.outbox.packets() {
            traffic.write += 1;
            // ENOBUFS and the like: the packet is lost, as packets may be, and will be retransmitted.
            let _ = self.device.write(packet);
        }
        self.peers.outbox.clear();
    }

    #[inline]
    fn on_received<C: Client, const OPEN: bool>(
        &mut self,
        fleet: &mut Fleet<'_, C, Simulated, OPEN>,
        received: Received<'_>,
    ) {
        let index = received.peer as usize;
        if received.is_established && fleet.connections[index].phase == Phase::Opening {
            fleet.on_connected(self, index);
        }
        if !received.data.is_empty() && is_open(fleet, index) {
            fleet.on_bytes(self, index, received.data);
        }
        if received.has_room && is_open(fleet, index) && fleet.has_unsent(index) {
            fleet.send_rest(self, index);
        }
        if received.has_finished && is_open(fleet, index) {
            fleet.on_peer_close(self, index);
        }
        if let Some(ending) = received.ending {
            self.on_ending(fleet, index, ending);
        }
    }

    /// A peer is free again.
    #[cold]
    fn on_ending<C: Client, const OPEN: bool>(
        &mut self,
        fleet: &mut Fleet<'_, C, Simulated, OPEN>,
        index: usize,
        ending: Ending,
    ) {
        let connection = &mut fleet.connections[index];
        let errno = match ending {
            Ending::Refused => Errno::CONNREFUSED,
            Ending::Closed | Ending::Reset => Errno::CONNRESET,
            Ending::TimedOut => Errno::TIMEDOUT,
        };
        match connection.phase {
            Phase::Closed => {
                connection.under_way = 0;
                fleet.on_forgotten(self, index);
            }
            Phase::Opening => fleet.fail_to_open(self, index, errno, clock::now_ns()),
            Phase::Idle | Phase::Busy => fleet.lose(self, index, Cause::Error(errno)),
        }
    }
}

/// Whether the engine can work on this host: makes a network namespace and a device, and removes them again.
///
/// # Errors
/// What is missing, and what mends it.
pub fn probe() -> Result<(), LoadError> {
    let attempt = || {
        sys::namespace::enter_new().map_err(|source| LoadError::Setup {
            what: "make a network namespace (CAP_SYS_ADMIN: run as root, or in `unshare --user --map-root-user --net`)",
            source,
        })?;
        Device::open(0, block(0), Some(SERVER)).map(drop)
    };
    // On a separate thread; the namespace ends with it.
    let thread = std::thread::Builder::new().name("probe".into()).spawn(attempt);
    let thread = thread.map_err(|source| LoadError::Setup { what: "start a thread", source })?;
    thread.join().unwrap_or(Err(LoadError::WorkerDied(0)))
}

fn is_open<C: Client, const OPEN: bool>(fleet: &Fleet<'_, C, Simulated, OPEN>, index: usize) -> bool {
    matches!(fleet.connections[index].phase, Phase::Idle | Phase::Busy)
}

impl Drop for Tun {
    /// Resets open connections: otherwise the server would keep them for minutes after the device is gone.
    fn drop(&mut self) {
        let mut traffic = Traffic::default();
        for index in 0..self.peers.peers_opened() {
            self.peers.abort(index);
            if index % RESETS_PER_BATCH == 0 {
                self.flush(&mut traffic);
            }
        }
        self.flush(&mut traffic);
    }
}
