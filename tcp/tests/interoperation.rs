//! Talks to another implementation, smoltcp, over a link that loses, repeats, reorders and damages packets.
//! Whatever the link does, every byte comes back once and in order, and every connection ends exactly once.
//!
//! A failure prints its seed; `C10M_SEED=<seed> cargo test -p tcp --test interoperation` repeats it.

mod support;

use random::Random;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpCidr};
use std::collections::{HashMap, VecDeque};
use support::{at_ms, client, sent};
use tcp::Sequence;
use tcp::client::{Client, Ending, Received};
use tcp::wire::{Checksums, Flags, Packet, Segment};

const SEEDS: u64 = 150;
/// Simulated time after which everything must be over.
const END_MS: u64 = 900_000;
/// Connections of each peer, one after the other.
const ROUNDS: usize = 3;

/// What the link does to packets, in permille.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    lost: u64,
    repeated: u64,
    late: u64,
    damaged: u64,
}

/// One direction of the link.
#[derive(Default)]
struct Link {
    faults: Faults,
    /// When each packet arrives.
    under_way: Vec<(u64, Vec<u8>)>,
}

impl Link {
    fn carry(&mut self, packet: Vec<u8>, now_ms: u64, random: &mut Random) {
        for _ in 0..1 + usize::from(random.permille(self.faults.repeated)) {
            let mut packet = packet.clone();
            if random.permille(self.faults.damaged) {
                let at = random.up_to(packet.len() - 1);
                packet[at] ^= 1 << random.up_to(7);
            }
            let late_ms = if random.permille(self.faults.late) { random.up_to(60) as u64 } else { 0 };
            if !random.permille(self.faults.lost) {
                self.under_way.push((now_ms + late_ms, packet));
            }
        }
    }

    fn arrived(&mut self, now_ms: u64) -> VecDeque<Vec<u8>> {
        let (due, later) = std::mem::take(&mut self.under_way).into_iter().partition(|(due_ms, _)| *due_ms <= now_ms);
        self.under_way = later;
        let due: Vec<(u64, Vec<u8>)> = due;
        due.into_iter().map(|(_, packet)| packet).collect()
    }
}

/// The server's side of the link.
#[derive(Default)]
struct Port {
    arrived: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

struct Arrived(Vec<u8>);
struct Departing<'a>(&'a mut Vec<Vec<u8>>);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Departing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut packet = vec![0; len];
        let result = write(&mut packet);
        self.0.push(packet);
        result
    }
}

impl Device for Port {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Departing<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived, Departing<'_>)> {
        self.arrived.pop_front().map(|packet| (Arrived(packet), Departing(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Departing<'_>> {
        Some(Departing(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = usize::from(support::MSS) + 40;
        capabilities
    }
}

/// An echo server that reads at random moments, so its window closes now and then.
struct Server {
    port: Port,
    interface: Interface,
    sockets: SocketSet<'static>,
    handles: Vec<SocketHandle>,
    reads_permille: u64,
    closes_first: bool,
}

impl Server {
    fn new(sockets_count: usize, random: &mut Random) -> Server {
        let mut port = Port::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = random.next_u64();
        let mut interface = Interface::new(config, &mut port, Instant::ZERO);
        interface.update_ip_addrs(|addresses| addresses.push("198.18.0.1/15".parse::<IpCidr>().unwrap()).unwrap());
        let mut sockets = SocketSet::new(Vec::new());
        let (receive_len, send_len) = (200 + random.up_to(20_000), 200 + random.up_to(20_000));
        let buffer = |len: usize| SocketBuffer::new(vec![0; len]);
        let handles =
            (0..sockets_count).map(|_| sockets.add(Socket::new(buffer(receive_len), buffer(send_len)))).collect();
        let reads_permille = [30, 300, 1000][random.up_to(2)];
        Server { port, interface, sockets, handles, reads_permille, closes_first: random.permille(500) }
    }

    /// Takes a packet from the link, unless it is a SYN for an existing connection: smoltcp would give it to
    /// a listening socket instead of the one that has the connection.
    fn take(&mut self, packet: Vec<u8>) {
        let Ok(parsed) = Packet::parse(&packet, Checksums::Ours) else { return self.port.arrived.push_back(packet) };
        let is_known = self.handles.iter().any(|&handle| {
            let socket = self.sockets.get::<Socket<'_>>(handle);
            let port = socket.remote_endpoint().map(|remote| remote.port);
            port == Some(parsed.source.port()) && !matches!(socket.state(), State::Closed | State::TimeWait)
        });
        if !parsed.segment.flags.has(Flags::SYN) || !is_known {
            self.port.arrived.push_back(packet);
        }
    }

    fn turn(&mut self, now_ms: u64, random: &mut Random) {
        for &handle in &self.handles {
            let socket = self.sockets.get_mut::<Socket<'_>>(handle);
            if matches!(socket.state(), State::Closed) {
                socket.listen(7).unwrap();
                socket.set_nagle_enabled(random.permille(500));
                socket.set_ack_delay(random.permille(500).then_some(Duration::from_millis(10)));
            }
            let room = socket.send_capacity() - socket.send_queue();
            if random.permille(self.reads_permille) && socket.can_recv() && room > 0 {
                let mut buffer = vec![0; room];
                let len = socket.recv_slice(&mut buffer).unwrap();
                // A zero byte asks for the end.
                let asks_for_end = self.closes_first && buffer[..len].contains(&0);
                assert_eq!(socket.send_slice(&buffer[..len]), Ok(len));
                if asks_for_end {
                    socket.close();
                }
            }
            if socket.state() == State::CloseWait && !socket.can_recv() {
                socket.close();
            }
        }
        self.interface.poll(Instant::from_millis(now_ms as i64), &mut self.port, &mut self.sockets);
    }
}

/// A peer's user: sends messages, expects them back, closes.
#[derive(Default)]
struct User {
    /// Messages of this connection joined, the last byte a zero.
    bytes: Vec<u8>,
    /// Where each message ends.
    ends: VecDeque<usize>,
    sent: usize,
    received: usize,
    is_open: bool,
    has_closed: bool,
    rounds_done: usize,
}

impl std::fmt::Debug for User {
    fn fmt(&self, output: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let User { sent, received, is_open, has_closed, rounds_done, .. } = self;
        write!(output, "{sent} sent and {received} received of {} bytes, open {is_open}, ", self.bytes.len())?;
        write!(output, "closed {has_closed}, {rounds_done} rounds done")
    }
}

struct World {
    client: Client,
    users: Vec<User>,
    to_server: Link,
    to_client: Link,
    now_ms: u64,
}

impl World {
    fn open(&mut self, index: usize, random: &mut Random) {
        let user = &mut self.users[index];
        *user = User { rounds_done: user.rounds_done, ..User::default() };
        for _ in 0..1 + random.up_to(4) {
            let len = if random.permille(200) { random.up_to(30_000) } else { random.up_to(200) };
            user.bytes.extend((0..len).map(|at| (at * 7 + index + user.rounds_done) as u8 | 1));
            user.ends.push_back(user.bytes.len());
        }
        user.bytes.push(0);
        user.ends.push_back(user.bytes.len());
        self.client.open(index as u32, at_ms(self.now_ms));
    }

    /// Sends what may be sent: up to the end of the current message.
    fn send(&mut self, index: usize) {
        let user = &mut self.users[index];
        while user.ends.front().is_some_and(|&end| end <= user.received) {
            user.ends.pop_front();
        }
        let end = user.ends.front().copied().unwrap_or(user.bytes.len());
        if user.is_open && !user.has_closed && user.sent < end {
            user.sent += self.client.send(index as u32, &user.bytes[user.sent..end], at_ms(self.now_ms));
        }
    }

    fn close(&mut self, index: usize, random: &mut Random) {
        let user = &mut self.users[index];
        if !std::mem::replace(&mut user.has_closed, true) && self.client.close(index as u32, at_ms(self.now_ms)) {
            self.on_ending(index, Ending::Closed, random);
        }
    }

    fn on_ending(&mut self, index: usize, ending: Ending, random: &mut Random) {
        let user = &mut self.users[index];
        // smoltcp ignores SYNs for the 10 s of its TIME-WAIT, which leaves the last three of seven. A link that
        // loses 6 % loses all three once in 5,000 calls.
        if ending == Ending::TimedOut && !user.is_open && self.to_server.faults.lost > 0 {
            return self.open(index, random);
        }
        assert_eq!(ending, Ending::Closed, "peer {index}: {user:?}");
        assert!(user.has_closed && user.received == user.bytes.len(), "peer {index} ended early: {user:?}");
        assert!(self.client.is_free(index as u32));
        user.rounds_done += 1;
        (user.is_open, user.has_closed) = (false, false);
        if user.rounds_done < ROUNDS {
            self.open(index, random);
        }
    }

    fn on_received(&mut self, received: Received<'_>, closes_first: bool, random: &mut Random) {
        let index = received.peer as usize;
        let user = &mut self.users[index];
        if received.is_established {
            assert!(!std::mem::replace(&mut user.is_open, true), "established twice");
        }
        let expected = &user.bytes[user.received..user.sent.min(user.received + received.data.len())];
        assert_eq!(received.data, expected, "peer {index}");
        user.received += received.data.len();
        let has_all = user.received == user.bytes.len();
        assert!(!received.has_finished || has_all, "the server closed early");
        if received.has_finished || (has_all && user.is_open && !closes_first) {
            self.close(index, random);
        } else {
            self.send(index);
        }
        if let Some(ending) = received.ending {
            self.on_ending(index, ending, random);
        }
    }

    fn turn(&mut self, closes_first: bool, random: &mut Random) {
        for packet in self.to_client.arrived(self.now_ms) {
            if let Some(received) = self.client.on_packet(&packet, Checksums::Ours, at_ms(self.now_ms)) {
                self.on_received(received, closes_first, random);
            }
            if random.permille(700) {
                self.client.acknowledge();
            }
        }
        self.client.acknowledge();
        while let Some((index, ending)) = self.client.on_time(at_ms(self.now_ms)) {
            self.on_ending(index as usize, ending, random);
        }
        for packet in sent(&mut self.client) {
            self.to_server.carry(packet, self.now_ms, random);
        }
    }
}

fn play(seed: u64) {
    let random = &mut Random::new(seed);
    let faults = match seed % 4 {
        0 => Faults::default(),
        1 => Faults { lost: random.up_to(60) as u64, ..Faults::default() },
        2 => Faults { repeated: 100, late: 300, ..Faults::default() },
        _ => Faults { lost: 30, repeated: 30, late: 100, damaged: 30 },
    };
    let peers = 1 + random.up_to(5);
    let mut server = Server::new(peers * 2, random);
    let link = || Link { faults, ..Link::default() };
    let mut world = World {
        client: client(peers as u32, random.next_u64()),
        users: (0..peers).map(|_| User::default()).collect(),
        to_server: link(),
        to_client: link(),
        now_ms: 0,
    };
    server.turn(0, random);
    (0..peers).for_each(|index| world.open(index, random));
    while world.users.iter().any(|user| user.rounds_done < ROUNDS) {
        world.now_ms += 2;
        assert!(world.now_ms < END_MS, "not over in {END_MS} ms: {:?}", world.client.counters());
        world.turn(server.closes_first, random);
        world.to_server.arrived(world.now_ms).into_iter().for_each(|packet| server.take(packet));
        server.turn(world.now_ms, random);
        for packet in server.port.sent.drain(..) {
            world.to_client.carry(packet, world.now_ms, random);
        }
    }
    let counters = world.client.counters();
    assert!(faults.damaged > 0 || counters.rejected == 0, "{counters:?}");
}

/// A client is killed, and another with the same addresses connects while the server still has the connections. The
/// test itself sends the challenges, because smoltcp 0.14 does not answer a SYN for an existing connection. smoltcp
/// checks the rest: the reset must end that connection, and the next SYN must begin another.
#[test]
fn a_client_that_is_started_again_gets_its_connections_back_at_once() {
    const PEERS: u32 = 20;
    let random = &mut Random::new(7);
    // Listening sockets come after connected ones, so that connected ones get their own segments first.
    let mut server = Server::new(PEERS as usize * 2, random);
    // For each port, the number that the server's connection sends next and the one it expects.
    let mut numbers = HashMap::new();
    let mut now_ms = 0;
    for is_second in [false, true] {
        server.turn(now_ms, random);
        let mut client = client(PEERS, 1);
        (0..PEERS).for_each(|index| client.open(index, at_ms(now_ms)));
        let mut established = 0;
        // 100 ms: a SYN that waited for its timer would be sent after a second.
        for _ in 0..50 {
            now_ms += 2;
            let mut replies = Vec::new();
            for bytes in sent(&mut client) {
                let packet = Packet::parse(&bytes, Checksums::Ours).unwrap();
                let (port, flags) = (packet.source.port(), packet.segment.flags);
                if flags == Flags::RST {
                    numbers.remove(&port);
                }
                match numbers.get(&port).filter(|_| flags == Flags::SYN) {
                    Some(&(sequence, acknowledgement)) => replies.push(challenge(&packet, sequence, acknowledgement)),
                    None => server.port.arrived.push_back(bytes),
                }
            }
            server.turn(now_ms, random);
            replies.append(&mut server.port.sent);
            for bytes in replies {
                let Packet { destination, segment, .. } = Packet::parse(&bytes, Checksums::Ours).unwrap();
                numbers.insert(destination.port(), (segment.sequence.plus(segment.len()), segment.acknowledgement));
                let received = client.on_packet(&bytes, Checksums::Ours, at_ms(now_ms));
                established += u32::from(received.is_some_and(|received| received.is_established));
            }
            client.acknowledge();
            assert_eq!(client.on_time(at_ms(now_ms)), None);
        }
        assert_eq!(established, PEERS, "within 100 ms: {:?}", client.counters());
        assert_eq!(client.counters().replaced, if is_second { u64::from(PEERS) } else { 0 });
        now_ms += 5000;
    }
}

/// A connection's answer to a SYN (RFC 5961 §4.2).
fn challenge(syn: &Packet<'_>, sequence: Sequence, acknowledgement: Sequence) -> Vec<u8> {
    let segment = Segment { sequence, acknowledgement, flags: Flags::ACK, window: 1000, ..Segment::default() };
    let mut bytes = Vec::new();
    Packet { source: syn.destination, destination: syn.source, segment }.write(Checksums::Ours, &mut bytes);
    bytes
}

#[test]
fn every_byte_comes_back_in_order() {
    let given = std::env::var("C10M_SEED").ok().map(|seed| seed.parse::<u64>().expect("C10M_SEED is a number"));
    for seed in given.map_or(0..SEEDS, |seed| seed..seed + 1) {
        let outcome = std::panic::catch_unwind(|| play(seed));
        if let Err(panic) = outcome {
            eprintln!("failed with C10M_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
