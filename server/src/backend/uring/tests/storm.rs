//! Seeded storms over a real kernel: peers connect, flood, send little, read or do not, reset, while the ring
//! takes turns at random moments. After the storm, every peer that still waits for bytes gets them: no receive
//! stays unarmed, no reply stays unsettled, no buffer is lost.
//!
//! A failure prints its seed; `C10M_SEED=<seed> cargo test -p server storm` repeats what the peers do. The
//! kernel's timing is not repeatable.

use std::io::ErrorKind;
use std::thread::sleep;

use super::*;
use random::Random;

/// Storms of each way of using a ring.
const SEEDS: u64 = 12;
const ACTIONS: usize = 400;
const PEERS_MAX: usize = 40;
/// Turns in a row, a millisecond apart, without a byte for any waiting peer. After that many, none will ever
/// come.
const FUTILE_TURNS_MAX: u32 = 5_000;

struct Peer {
    stream: TcpStream,
    /// Bytes that its socket took; below, bytes that came back.
    sent: usize,
    echoed: usize,
}

impl Peer {
    fn connect(address: SocketAddr) -> Peer {
        let stream = TcpStream::connect(address).expect("a listener");
        stream.set_nonblocking(true).expect("a socket");
        stream.set_nodelay(true).expect("a TCP socket");
        Peer { stream, sent: 0, echoed: 0 }
    }

    /// Sends as many of `len` bytes as the socket takes. Each byte encodes its position.
    fn send(&mut self, len: usize) {
        let bytes: Vec<u8> = (self.sent..self.sent + len).map(|at| (at % 251) as u8).collect();
        match self.stream.write(&bytes) {
            Ok(count) => self.sent += count,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
    }

    /// Reads what has come, at most `len` bytes; true if there was any.
    fn read(&mut self, len: usize) -> bool {
        let mut bytes = vec![0; len];
        match self.stream.read(&mut bytes) {
            Ok(0) => panic!("closed after {} of {} bytes", self.echoed, self.sent),
            Ok(count) => {
                let places = self.echoed..self.echoed + count;
                assert!(places.zip(&bytes).all(|(at, byte)| *byte == (at % 251) as u8), "other bytes");
                self.echoed += count;
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "after {} of {}: {error}", self.echoed, self.sent);
                false
            }
        }
    }

    /// Ends the connection with a reset.
    fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
    }
}

/// One turn that does not sleep.
fn turn<S: Style>(backend: &mut Uring<Echo, S>) {
    sys::doorbell::ring(&backend.doorbell).expect("a doorbell");
    backend.turn().expect("a turn");
}

fn storm<S: Style>(seed: u64) {
    let Some((mut backend, address)) = open::<S>() else { return };
    let mut random = Random::new(seed);
    let mut peers: Vec<Peer> = Vec::new();
    for _ in 0..ACTIONS {
        let place = (!peers.is_empty()).then(|| random.up_to(peers.len() - 1));
        match (random.up_to(9), place) {
            (0, _) | (_, None) => {
                if peers.len() < PEERS_MAX {
                    peers.push(Peer::connect(address));
                }
            }
            (1 | 2, Some(place)) => peers[place].send(1 + random.up_to(100)),
            (3, Some(place)) => peers[place].send(1 + random.up_to(300_000)),
            (4, Some(place)) => drop(peers[place].read(1 + random.up_to(100_000))),
            (5, Some(place)) if random.one_in(2) => peers.swap_remove(place).reset(),
            (6, Some(place)) if random.one_in(4) => drop(peers.swap_remove(place)),
            _ => (0..1 + random.up_to(3)).for_each(|_| turn(&mut backend)),
        }
    }
    let mut futile = 0;
    while peers.iter().any(|peer| peer.echoed < peer.sent) {
        turn(&mut backend);
        let came =
            peers.iter_mut().filter(|peer| peer.echoed < peer.sent).fold(false, |came, it| it.read(1 << 20) | came);
        futile = if came { 0 } else { futile + 1 };
        let late = peers.iter().filter(|peer| peer.echoed < peer.sent).count();
        assert!(futile < FUTILE_TURNS_MAX, "{late} of {} peers wait in vain", peers.len());
        if !came {
            sleep(Duration::from_millis(1));
        }
    }
    peers.clear();
    turns(&mut backend, |backend| backend.shard.len() == 0);
    let shared = &backend.shard.shared;
    assert_eq!(shared.buffer_usage().used, 0, "buffers were not given back");
    assert_eq!(shared.counters.accepts, shared.counters.closed_total());
}

fn storms<S: Style>() {
    let given = std::env::var("C10M_SEED").ok().map(|seed| seed.parse::<u64>().expect("C10M_SEED is a number"));
    for seed in given.map_or(0..SEEDS, |seed| seed..seed + 1) {
        if let Err(panic) = std::panic::catch_unwind(|| storm::<S>(seed)) {
            eprintln!("failed with C10M_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn multishot_survives_storms() {
    storms::<style::Multishot>();
}

#[test]
fn poll_survives_storms() {
    storms::<style::Poll>();
}

#[test]
fn inline_survives_storms() {
    storms::<style::Inline>();
}

#[test]
fn gathering_survives_storms() {
    storms::<style::Gathering>();
}
