//! What a shard promises its backend: when it takes connections, what starts a clock, what a connection
//! costs.

use super::*;
use protocol::server::{Echo, Http, HttpLimits};

#[test]
fn accept_rests_while_only_the_reserve_of_the_pool_is_left() {
    let timeouts = Timeouts::new(Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut shard = Shard::<Echo, ()>::new(Resources::new(Echo, timeouts, pool::MEMORY_LEN_MIN), 1).unwrap();
    assert_eq!(shard.trouble(), None);
    let hogs: Vec<_> = std::iter::from_fn(|| shard.shared.pool.take(&[], SCRATCH_LEN).ok()).collect();
    assert_eq!(shard.trouble(), Some(Trouble::Buffers));
    hogs.into_iter().for_each(|buffer| shard.shared.pool.give_back(buffer));
    assert_eq!(shard.trouble(), None);
    shard.admit(()).unwrap();
    assert_eq!(shard.trouble(), Some(Trouble::Full));
}

/// Not only after the pause.
#[test]
fn the_end_of_a_connection_ends_a_pause_for_want_of_room() {
    let timeouts = Timeouts::new(Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut shard = Shard::<Echo, ()>::new(Resources::new(Echo, timeouts, pool::MEMORY_LEN_MIN), 1).unwrap();
    let id = shard.admit(()).unwrap();
    let trouble = shard.trouble().unwrap();
    assert!(shard.meet(trouble) && !shard.is_pause_over() && !shard.resume());
    shard.remove(id, CloseReason::PeerClosed).unwrap();
    assert!(shard.is_pause_over() && shard.wait_max() == Some(Duration::ZERO));
    assert!(shard.resume() && shard.trouble().is_none());
}

/// The figures that docs/backends.md gives.
#[test]
fn an_idle_connection_takes_what_the_documentation_says() {
    let lens = [connection_len::<Echo, std::os::fd::OwnedFd>(), connection_len::<Http, std::os::fd::OwnedFd>()];
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/backends.md")).unwrap();
    let sentence = format!("An idle connection takes {} B of user memory for echo, {} B for HTTP.", lens[0], lens[1]);
    assert!(document.contains(&sentence), "{sentence}");
}

/// Ten connections that came in ten ticks, of which some got busy in one way or another.
#[test]
fn those_that_were_idle_longest_are_found() {
    let timeouts = Timeouts::new(crate::Admission::EVICT_IDLE_TIMEOUT_MAX, Duration::from_secs(10), Duration::ZERO);
    let resources = Resources::new(Http::new(HttpLimits::default()), timeouts, pool::MEMORY_LEN_MIN);
    let mut shard = Shard::<Http, ()>::new(resources, 200).unwrap();
    let at = |shard: &mut Shard<Http, ()>, now: u32| shard.shared.now = Tick(now);
    let receive = |shard: &mut Shard<Http, ()>, id: ConnectionId, bytes: &[u8]| {
        let (connection, shared) = shard.find(id).unwrap();
        if connection.received(bytes, shared) == Want::Write {
            let len = connection.unsent(shared).len();
            connection.sent(len, shared);
        }
        shard.settle(id);
    };
    let mut ids = Vec::new();
    for now in 0..10 {
        at(&mut shard, now);
        ids.push(shard.admit(()).unwrap());
    }
    at(&mut shard, 500);
    receive(&mut shard, ids[0], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    receive(&mut shard, ids[2], b"GET / HTTP/1.1\r\n");
    let found = |shard: &mut Shard<Http, ()>| shard.longest_idle().map(|(id, _)| id.index).collect::<Vec<_>>();
    assert_eq!(found(&mut shard), [1], "an eighth of ten");
    let (id, deadline) = shard.longest_idle().next().unwrap();
    assert!(shard.is_idle_until(id, deadline));
    receive(&mut shard, ids[1], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!shard.is_idle_until(id, deadline), "it had a request in hand");
    assert_eq!(found(&mut shard), [3]);
    for _ in 10..100 {
        shard.admit(()).unwrap();
    }
    let eighth = found(&mut shard);
    assert_eq!(eighth, [3, 4, 5, 6, 7, 8, 9], "those of this tick are not idle yet");
    at(&mut shard, 502);
    assert_eq!(found(&mut shard).len(), 100 / 8);
}

/// Only a complete request restarts the idle timeout; what follows its reply gets its own clock.
#[test]
fn an_empty_line_is_no_progress() {
    let timeouts = Timeouts::new(Duration::from_secs(60), Duration::from_secs(10), Duration::ZERO);
    let resources = Resources::new(Http::new(HttpLimits::default()), timeouts, pool::MEMORY_LEN_MIN);
    let mut shard = Shard::<Http, ()>::new(resources, 1).unwrap();
    let id = shard.admit(()).unwrap();
    let mut receive = |now: u32, bytes: &[u8]| {
        shard.shared.now = Tick(now);
        let (connection, shared) = shard.find(id).unwrap();
        if connection.received(bytes, shared) == Want::Write {
            let len = connection.unsent(shared).len();
            assert_eq!(connection.sent(len, shared), Want::Read);
        }
        connection.deadline().0
    };
    let idle = receive(0, b"");
    assert_eq!(receive(50, b"\r"), idle);
    assert_eq!(receive(90, b"\n"), idle);
    let request = receive(100, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(request, idle + 100);
    assert_eq!(receive(200, b"\r\n"), request);
    let head = receive(300, b"GET / HTTP/1.1\r\n");
    assert!(head < request, "a head has less time");
    assert_eq!(receive(350, b"Host: a"), head);
    assert_eq!(receive(360, b"\r\n\r\n"), idle + 360);
    // An empty line in two parts is no progress either, and the head after it gets its own time.
    assert_eq!(receive(400, b"\r"), idle + 360);
    assert_eq!(receive(410, b"\n"), idle + 360);
    assert_eq!(receive(420, b"G"), head + 120);
}

/// A body that is sent back piece by piece has its time from its head on, even if no reply is ever taken and more is always
/// there: neither a reply under way nor the rest of the body starts another clock.
#[test]
fn an_unread_body_has_its_time_from_its_head_on() {
    const BODY_TICKS: u32 = 10;
    let hour = Duration::from_secs(3600);
    let timeouts = Timeouts::new(hour, hour, hour).with_body(Duration::from_secs(1));
    let limits = HttpLimits { body_len_max: 1 << 30, ..HttpLimits::default() };
    let resources = Resources::new(Http::new(limits), timeouts, 64 << 20);
    let mut shard = Shard::<Http, ()>::new(resources, 1).unwrap();
    let id = shard.admit(()).unwrap();
    let (connection, shared) = shard.find(id).unwrap();
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n";
    let pieces = [&head[..], &[b'a'; 1000]].concat();
    shared.now = Tick(100);
    assert_eq!(connection.received(&pieces, shared), Want::Write);
    let due = connection.deadline();
    assert!((100 + BODY_TICKS..100 + BODY_TICKS + 3).contains(&due.0), "{due:?}");
    // The first reply is taken whole, and the next piece was there before: no moment is without a reply.
    assert_eq!(connection.keep(shared), Ok(()));
    assert_eq!(connection.received(&[b'a'; 1000], shared), Want::Wait);
    shared.now = Tick(105);
    let len = connection.unsent(shared).len();
    assert_eq!(connection.sent(len, shared), Want::Write);
    assert_eq!(connection.keep(shared), Ok(()));
    assert_eq!(connection.deadline(), due);
    // The second is taken in part.
    assert_eq!(connection.sent(10, shared), Want::Wait);
    assert_eq!(connection.deadline(), due);
    shared.now = due;
    assert_eq!(connection.timed_out(shared), Want::Close(CloseReason::BodyTimeout));
}
