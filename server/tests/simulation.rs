//! Plays the kernel for a `Connection`: random cuts, short sends, bytes that arrive while a reply is
//! under way, resets, timeouts. Whatever happens, the replies are a prefix of what the protocol says
//! to the same bytes, a connection ends exactly once, and every buffer comes back.
//!
//! A failure prints its seed; `C10M_SEED=<seed> cargo test -p server --test simulation` repeats it.

use std::time::Duration;

use protocol::Output;
use protocol::server::{Echo, Http, HttpLimits, Protocol, Then, Waiting};
use server::{CloseReason, Connection, Resources, Tick, Timeouts, Want};

const SEEDS: u64 = 10_000;

/// SplitMix64 (Steele, Lea, Flood 2014): a few lines, and every seed is a good one.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Between 0 and `most`, both possible.
    fn up_to(&mut self, most: usize) -> usize {
        (self.next() % (most as u64 + 1)) as usize
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }
}

/// What the protocol answers when nothing is cut, and whether it closes.
fn reference<P: Protocol>(mut protocol: P, input: &[u8]) -> (Vec<u8>, bool) {
    let mut state = P::State::default();
    let (mut replies, mut at) = (Vec::new(), 0);
    let mut space = vec![0u8; 1 << 17];
    loop {
        let mut output = Output::new(&mut space);
        let step = protocol.on_bytes(&mut state, &input[at..], &mut output);
        at += step.consumed;
        replies.extend_from_slice(output.written());
        match step.then {
            Then::More => {}
            Then::KeepOpen => return (replies, false),
            Then::CloseAfterReply | Then::Abort(_) => return (replies, true),
        }
    }
}

/// What the protocol says when a request head did not arrive in time.
fn late_answer<P: Protocol>(mut protocol: P) -> Vec<u8> {
    let mut space = [0u8; 1024];
    let mut output = Output::new(&mut space);
    protocol.on_timeout(&mut P::State::default(), Waiting::Head, &mut output);
    output.written().to_vec()
}

/// A peer that sends `input`, and a kernel in between that does what it likes.
struct Kernel<'a> {
    random: Random,
    input: &'a [u8],
    at: usize,
    received: Vec<u8>,
    /// Completion model: a reply is kept until its send completes, and bytes may arrive meanwhile.
    completes: bool,
    /// Bytes arrive unasked while a reply is under way.
    multishot: bool,
    fin_delivered: bool,
    shut: bool,
    disturbed: bool,
}

impl<'a> Kernel<'a> {
    fn new(seed: u64, input: &'a [u8]) -> Self {
        let mut random = Random(seed);
        let completes = random.one_in(2);
        let multishot = completes && random.one_in(2);
        let (fin_delivered, shut, disturbed) = (false, false, false);
        Kernel { random, input, at: 0, received: Vec::new(), completes, multishot, fin_delivered, shut, disturbed }
    }

    fn piece(&mut self) -> &'a [u8] {
        let left = self.input.len() - self.at;
        let most = if self.random.one_in(4) { left } else { left.min(40) };
        let len = 1 + self.random.up_to(most.max(1) - 1);
        let piece = &self.input[self.at..(self.at + len).min(self.input.len())];
        self.at += piece.len();
        piece
    }

    fn take(&mut self, bytes: &[u8]) {
        assert!(!self.shut, "a reply behind the shutdown");
        self.received.extend_from_slice(bytes);
    }

    /// Runs the connection to its end.
    fn run<P: Protocol>(&mut self, shared: &mut Resources<P>, timeouts: &Timeouts) -> CloseReason {
        let mut connection = Connection::<(), P::State>::new((), Tick(0), timeouts);
        let mut want = Want::Read;
        for _ in 0..100_000 {
            connection.check();
            want = match want {
                Want::Close(reason) => return reason,
                Want::Shutdown => {
                    self.shut = true;
                    Want::Read
                }
                Want::Read => self.on_read(&mut connection, shared),
                Want::Write => self.on_write(&mut connection, shared),
                // The socket takes more again.
                Want::Wait => self.on_write(&mut connection, shared),
            };
        }
        panic!("the connection does not end");
    }

    fn on_read<P: Protocol>(&mut self, connection: &mut Connection<(), P::State>, shared: &mut Resources<P>) -> Want {
        if self.random.one_in(400) {
            self.disturbed = true;
            return connection.timed_out(shared);
        }
        if self.random.one_in(400) {
            self.disturbed = true;
            return connection.give_up(CloseReason::Reset, shared);
        }
        if self.at < self.input.len() {
            return connection.received(self.piece(), shared);
        }
        assert!(!self.fin_delivered, "reads behind the end");
        self.fin_delivered = true;
        connection.peer_closed(shared)
    }

    fn on_write<P: Protocol>(&mut self, connection: &mut Connection<(), P::State>, shared: &mut Resources<P>) -> Want {
        if !self.completes {
            let unsent = connection.unsent(shared);
            let count = if self.random.one_in(3) { self.random.up_to(unsent.len()) } else { unsent.len() };
            if self.random.one_in(400) {
                self.disturbed = true;
                return connection.give_up(CloseReason::Reset, shared);
            }
            let sent = unsent[..count].to_vec();
            self.take(&sent);
            return connection.sent(count, shared);
        }
        if let Err(close) = connection.keep(shared) {
            return close;
        }
        let address = connection.unsent(shared).as_ptr();
        while self.multishot && self.at < self.input.len() && self.random.one_in(2) {
            match connection.received(self.piece(), shared) {
                Want::Wait => {}
                want => return want,
            }
        }
        if self.multishot && self.at == self.input.len() && !self.fin_delivered && self.random.one_in(2) {
            self.fin_delivered = true;
            assert_eq!(connection.peer_closed(shared), Want::Wait);
        }
        assert_eq!(connection.unsent(shared).as_ptr(), address, "the kernel's bytes moved");
        let unsent = connection.unsent(shared);
        let count = if self.random.one_in(9) { self.random.up_to(unsent.len()) } else { unsent.len() };
        let sent = unsent[..count].to_vec();
        self.take(&sent);
        connection.sent(count, shared)
    }
}

fn check<P: Protocol>(seed: u64, make: impl Fn() -> P, input: &[u8]) {
    let timeouts = Timeouts::new(Duration::from_secs(60), Duration::from_secs(10), Duration::from_secs(30));
    let mut shared = Resources::new(make(), timeouts, 64 << 20);
    let (expected, closes) = reference(make(), input);
    let mut kernel = Kernel::new(seed, input);
    let reason = kernel.run(&mut shared, &timeouts);
    let received = &kernel.received;
    if kernel.disturbed {
        // A part of what was due, then perhaps a part of the answer to a head that came too late.
        let late = late_answer(make());
        let same = received.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        let fits = |at: usize| late.starts_with(&received[at..]);
        assert!((0..=same).rev().take(late.len() + 1).any(fits), "replies differ at {same}");
    } else {
        assert_eq!(received.len(), expected.len(), "ended as {reason:?}");
        assert!(*received == expected, "replies differ");
        let by_peer = matches!(reason, CloseReason::PeerClosed | CloseReason::PeerClosedMidRequest);
        assert_eq!(by_peer, !closes, "ended as {reason:?}");
    }
    assert_eq!(shared.buffer_usage().0, 0, "buffers were not given back ({reason:?})");
    assert_eq!(shared.counters().bytes_out, received.len() as u64);
}

/// A random conversation of well-formed requests, sometimes ended by a broken one.
fn http_input(random: &mut Random) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..random.up_to(12) {
        let body = "b".repeat(random.up_to(300));
        input.extend_from_slice(
            match random.up_to(7) {
                0 => format!("GET /bytes/{} HTTP/1.1\r\nHost: a\r\n\r\n", random.up_to(200_000)),
                1 => format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
                2 => format!(
                    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\nx{body}\r\n0\r\n\r\n",
                    body.len() + 1
                ),
                3 => "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
                4 => "PUT /none HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".into(),
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
            let mut random = Random(seed);
            if random.one_in(2) {
                let input: Vec<u8> = (0..random.up_to(200_000)).map(|n| (n * 31) as u8).collect();
                check(seed, || Echo, &input);
            } else {
                let input = http_input(&mut random);
                check(seed, || Http::new(HttpLimits::default()), &input);
            }
        });
        if let Err(panic) = result {
            eprintln!("failed with C10M_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
