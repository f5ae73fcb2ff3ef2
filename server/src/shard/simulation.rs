//! Plays the kernel, the clock and the peers for a shard: random cuts, short sends, bytes that arrive while a
//! reply is pending, lent or pinned replies, resets, silence, hurried and slow readers.
//!
//! Whatever happens: the replies are a prefix of what the protocol answers to the same bytes, no timer beats
//! input that has arrived, no address the kernel knows changes, a connection ends exactly once, none holds
//! its slot for ever, and every buffer comes back.
//!
//! A failure prints its seed; `C10M_SEED=<seed> cargo test -p server simulation` repeats it.

mod peer;

use std::time::Duration;

use protocol::server::{Echo, Http, HttpLimits, Message, Protocol};

use self::peer::{Peer, Way};
use super::connection::{PINNED, Want};
use super::counters::CloseReason;
use super::slab::ConnectionId;
use super::{Resources, Shard, Timeouts, pool};
use random::Random;

const SEEDS: u64 = 6_000;
/// Idle, head and stall timeouts of the simulated shard. With the linger of 2 s and a look per quarter of the
/// stall timeout, a silent connection must be gone after their sum and some ticks.
const TIMEOUTS: [Duration; 3] = [Duration::from_secs(6), Duration::from_secs(1), Duration::from_secs(3)];
const ALL_GONE_TICKS: u32 = 60 + 10 + 2 * 30 + 20 + 20;

/// Flag of a connection: it closes once its send has completed.
const CLOSING: u16 = 1;

struct World<P: Protocol> {
    shard: Shard<P, ()>,
    peers: Vec<Peer>,
    random: Random,
    drained: bool,
    is_patient: bool,
}

impl<P: Protocol> World<P> {
    fn new(seed: u64, make: &impl Fn() -> P, input: &mut dyn FnMut(&mut Random) -> Vec<u8>) -> World<P> {
        let mut random = Random::new(seed);
        let [mut idle, head, stall] = TIMEOUTS;
        // Without an idle timeout silence is no reason to close; an unread reply still is.
        let is_patient = random.one_in(4);
        if is_patient {
            idle = Duration::ZERO;
        }
        let memory = if random.one_in(3) { pool::MEMORY_LEN_MIN } else { 64 << 20 };
        let mut shard =
            Shard::new(Resources::new(make(), Timeouts::new(idle, head, stall), memory), 8).expect("memory");
        // The same date in every reply and in the reference.
        shard.shared.protocol.set_time(0);
        let peers = (0..1 + random.up_to(4)).map(|_| {
            let input = input(&mut random);
            let id = shard.admit(()).expect("a place");
            Peer::new(id, input, &mut random)
        });
        let peers = peers.collect();
        World { shard, peers, random, drained: false, is_patient }
    }

    fn run(&mut self) {
        for _ in 0..40 + self.random.up_to(400) {
            match self.random.up_to(19) {
                0 => self.pass_time(1),
                1 => {
                    let ticks = 1 + self.random.up_to(12) as u32;
                    self.pass_time(ticks);
                }
                2 if self.random.one_in(20) => self.drain(),
                _ => {
                    let place = self.random.up_to(self.peers.len() - 1);
                    self.event(place);
                }
            }
            self.shed();
            self.peers.iter().for_each(|peer| self.shard.check(peer.id));
        }
        // The kernel consumes lent replies within a turn, whatever the peer does.
        for place in 0..self.peers.len() {
            if matches!(self.peers[place].in_flight, Some(peer::Send::Lent(_))) {
                self.complete(place);
            }
        }
        // From here on every peer is silent and stays connected.
        self.peers.iter_mut().for_each(|peer| peer.falls_silent());
        (0..ALL_GONE_TICKS).for_each(|_| self.pass_time(1));
        if self.is_patient {
            for place in 0..self.peers.len() {
                let is_replying = self.shard.find(self.peers[place].id).is_some_and(|(it, _)| it.is_replying());
                assert!(!is_replying, "a reply that nobody reads holds its place for ever");
                self.give_up(place, CloseReason::DrainForced);
            }
        }
        assert_eq!(self.shard.len(), 0, "a silent connection holds its place for ever");
    }

    fn drain(&mut self) {
        self.shard.drain();
        self.drained = true;
    }

    fn pass_time(&mut self, ticks: u32) {
        self.shard.shared.now = self.shard.shared.now.after(ticks);
        while let Some(id) = self.shard.next_expired() {
            let place = self.place(id);
            if self.shard.waits_for_input(id) {
                self.receive(place, true);
            }
            let waits = self.shard.waits_for_input(id);
            if let Some(want) = self.shard.expire(id) {
                let peer = &mut self.peers[place];
                assert!(!waits || peer.in_hand().is_empty(), "a timer beat input that was in hand");
                peer.is_disturbed = true;
                self.act(place, want);
            }
        }
    }

    fn shed(&mut self) {
        if self.shard.is_pressed() {
            for id in self.shard.victims() {
                let place = self.place(id);
                self.give_up(place, CloseReason::Shed);
            }
        }
    }

    fn place(&self, id: ConnectionId) -> usize {
        self.peers.iter().position(|peer| peer.id == id).expect("a peer for each connection")
    }

    fn give_up(&mut self, place: usize, reason: CloseReason) {
        self.peers[place].is_disturbed = true;
        if let Some(want) = self.shard.give_up(self.peers[place].id, reason) {
            self.act(place, want);
        }
    }

    /// Something happens to one connection.
    fn event(&mut self, place: usize) {
        let peer = &mut self.peers[place];
        if peer.end.is_some() {
            return;
        }
        peer.sends_more(&mut self.random);
        if self.random.one_in(300) {
            return self.give_up(place, CloseReason::Reset);
        }
        if peer.in_flight.is_some() && self.random.one_in(2) {
            return self.complete(place);
        }
        if self.shard.find(peer.id).is_some_and(|(connection, _)| connection.is_awaiting()) {
            // Nothing is received but what comes unasked.
            match self.random.one_in(3) {
                true => self.answer(place),
                false if self.peers[place].way == Way::Multishot => self.receive(place, false),
                false => {}
            }
            return;
        }
        if peer.awaits_room {
            if !peer.is_stuck && self.random.one_in(2) {
                peer.awaits_room = false;
                self.act(place, Want::Write);
            }
            return;
        }
        if peer.in_flight.is_none() || peer.way == Way::Multishot {
            self.receive(place, false);
        }
    }

    /// Delivers input that has arrived, all of it or a piece; or the FIN after it.
    fn receive(&mut self, place: usize, everything: bool) {
        loop {
            let peer = &mut self.peers[place];
            let Some((connection, shared)) = self.shard.find(peer.id) else { return };
            if connection.flags & CLOSING != 0 || peer.fin_delivered {
                return;
            }
            let piece = peer.piece(&mut self.random);
            let want = if piece.is_empty() {
                if !peer.is_finished() {
                    return;
                }
                peer.fin_delivered = true;
                connection.peer_closed(shared)
            } else {
                connection.received(&piece, shared)
            };
            self.act(place, want);
            if !everything || !self.shard.waits_for_input(self.peers[place].id) {
                return;
            }
        }
    }

    /// Does what the connection wants, as a backend does.
    fn act(&mut self, place: usize, mut want: Want) {
        loop {
            let peer = &mut self.peers[place];
            let Some((connection, shared)) = self.shard.find(peer.id) else { return };
            want = match want {
                Want::Read => return self.shard.settle(peer.id),
                Want::Wait => {
                    peer.awaits_room = peer.way == Way::Ready;
                    return self.shard.settle(peer.id);
                }
                Want::Await => {
                    connection.await_job(shared);
                    return self.shard.settle(peer.id);
                }
                Want::Shutdown => {
                    peer.shut = true;
                    Want::Read
                }
                Want::Look => connection.looked(peer.queued(&mut self.random), shared),
                Want::Write if peer.way == Way::Ready => {
                    let count = peer.takes(connection.unsent(shared).len(), &mut self.random);
                    peer.take(&connection.unsent(shared)[..count]);
                    connection.sent(count, shared)
                }
                Want::Write => {
                    assert!(peer.in_flight.is_none(), "two sends at a time");
                    let mut space = vec![0; if peer.way == Way::Inline { 70_000 } else { 0 }];
                    if let Some(len) = connection.lend(&mut space, shared).filter(|_| peer.way == Way::Inline) {
                        space.truncate(len);
                        peer.in_flight = Some(peer::Send::Lent(space));
                        return self.shard.settle(peer.id);
                    }
                    match connection.keep(shared) {
                        Err(close) => close,
                        Ok(()) => {
                            connection.pin();
                            let unsent = connection.unsent(shared);
                            peer.in_flight = Some(peer::Send::Pinned(unsent.as_ptr() as usize, unsent.to_vec()));
                            return self.shard.settle(peer.id);
                        }
                    }
                }
                Want::Close(reason) => {
                    if peer.in_flight.is_some() {
                        connection.flags |= CLOSING;
                        self.shard.stop_timer(peer.id);
                        return self.complete(place);
                    }
                    return self.remove(place, reason);
                }
            };
        }
    }

    /// The job that a connection awaits has ended.
    fn answer(&mut self, place: usize) {
        let Some((connection, shared)) = self.shard.find(self.peers[place].id) else { return };
        let want = connection.answered(&Message::Done, shared);
        self.act(place, want);
    }

    /// The kernel has finished with a send.
    fn complete(&mut self, place: usize) {
        let peer = &mut self.peers[place];
        let Some((connection, shared)) = self.shard.find(peer.id) else { return };
        let Some(send) = peer.in_flight.take() else { return };
        if connection.flags & CLOSING != 0 {
            if connection.flags & PINNED != 0 {
                connection.unpin(shared);
            }
            let reason = connection.reason();
            return self.remove(place, reason);
        }
        if peer.is_stuck && matches!(send, peer::Send::Pinned(..)) {
            peer.in_flight = Some(send);
            return;
        }
        let want = match send {
            peer::Send::Lent(reply) => {
                let count = peer.takes(reply.len(), &mut self.random);
                peer.take(&reply[..count]);
                connection.lent(&reply, count, shared)
            }
            peer::Send::Pinned(address, bytes) => {
                let unsent = connection.unsent(shared);
                assert_eq!((unsent.as_ptr() as usize, unsent == bytes), (address, true), "the kernel's bytes moved");
                let count = peer.takes(bytes.len(), &mut self.random);
                peer.take(&bytes[..count]);
                connection.unpin(shared);
                connection.sent(count, shared)
            }
        };
        self.act(place, if want == Want::Wait { Want::Write } else { want });
    }

    fn remove(&mut self, place: usize, reason: CloseReason) {
        let peer = &mut self.peers[place];
        assert_eq!(peer.end.replace(reason), None, "a connection ended twice");
        self.shard.remove(peer.id, reason).expect("it was there");
    }
}

fn check<P: Protocol>(seed: u64, make: impl Fn() -> P, mut input: impl FnMut(&mut Random) -> Vec<u8>) {
    let mut world = World::new(seed, &make, &mut input);
    world.run();
    for peer in &world.peers {
        peer.check(&make, world.drained);
    }
    let usage = world.shard.shared.buffer_usage();
    assert_eq!(usage.used, 0, "buffers were not given back");
    assert_eq!(world.shard.shared.pool.pressure(), 0);
    let counters = world.shard.shared.counters();
    assert_eq!(counters.accepts, counters.closed_total());
    assert_eq!(counters.bytes_out, world.peers.iter().map(|peer| peer.received.len() as u64).sum::<u64>());
}

/// A random conversation of well-formed requests, sometimes ended by a broken one.
fn http_input(random: &mut Random) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..random.up_to(12) {
        let body = "b".repeat(random.up_to(300));
        input.extend_from_slice(
            match random.up_to(9) {
                0 => format!("GET /bytes/{} HTTP/1.1\r\nHost: a\r\n\r\n", random.up_to(400_000)),
                1 => format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
                2 => format!(
                    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\nx{body}\r\n0\r\n\r\n",
                    body.len() + 1
                ),
                3 => "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
                4 => "PUT /none HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".into(),
                5 => "GET /offload/9 HTTP/1.1\r\nHost: a\r\n\r\n".into(),
                _ => "GET / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            }
            .as_bytes(),
        );
    }
    match random.up_to(5) {
        0 => input.extend_from_slice(b"GET / HTTP/1.1\r\n\r\nrest"),
        1 => input.extend_from_slice(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nrest"),
        2 => input.extend_from_slice(b"GET / HTTP/1.1\r\nHo"),
        _ => {}
    }
    input
}

#[test]
fn any_kernel_will_do() {
    let given = std::env::var("C10M_SEED").ok().map(|seed| seed.parse::<u64>().expect("C10M_SEED is a number"));
    let seeds = given.map_or(0..SEEDS, |seed| seed..seed + 1);
    for seed in seeds {
        let result = std::panic::catch_unwind(|| {
            if seed.is_multiple_of(2) {
                let input = |random: &mut Random| (0..random.up_to(200_000)).map(|n| (n * 31) as u8).collect();
                check(seed, || Echo, input);
            } else {
                let limits = HttpLimits { lab_routes: true, ..HttpLimits::default() };
                check(seed, || Http::new(limits), http_input);
            }
        });
        if let Err(panic) = result {
            eprintln!("failed with C10M_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
