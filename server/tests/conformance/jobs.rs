//! Requests whose replies wait for a job: in order, bounded, and without harm to anybody else, whichever loop serves them.

use std::io::Write;
use std::num::{NonZeroU16, NonZeroU32};
use std::thread;
use std::time::{Duration, Instant};

use protocol::Workload;
use server::{Blocking, CloseReason, Options, QueueLimit, Variant};
use socket2::SockRef;

use crate::harness::{Client, GET, Running};

/// Longer than any other part of a test takes on a slow machine, shorter than its patience.
const LONG: Duration = Duration::from_millis(1500);

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n")
}

/// Asks for a job that takes [`LONG`].
fn long_job() -> String {
    get(&format!("/offload/{}", LONG.as_millis()))
}

/// A server with one thread in its pool.
fn start(variant: Variant, change: impl FnOnce(&mut Options, &mut Blocking)) -> Running {
    Running::start(Workload::Http, variant, |options| {
        let mut blocking = Blocking { lab_routes: true, threads: NonZeroU16::MIN, ..Blocking::default() };
        change(options, &mut blocking);
        options.blocking = Some(blocking);
    })
}

fn status(client: &mut Client) -> String {
    let (head, _) = client.reply().expect("a reply");
    head.split(' ').nth(1).expect("a status line").to_owned()
}

/// Requests before and behind a job are answered in order, however many of them come at once.
pub(crate) fn job_in_a_pipeline(variant: Variant) {
    let server = start(variant, |_, _| {});
    let mut client = server.connect();
    let round = GET.to_owned() + &get("/offload/30") + GET + &get("/block/5") + &get("/work/100") + GET;
    client.write(round.repeat(3));
    for _ in 0..3 {
        for body in ["Hello, World!", "done\n", "Hello, World!", "done\n", "done\n", "Hello, World!"] {
            assert_eq!(client.reply().expect("a reply").1, body.as_bytes());
        }
    }
    // Bytes that come while it waits, a request in two parts among them, are read afterwards.
    let (first, second) = GET.split_at(20);
    client.write(get("/offload/100") + GET + first);
    assert_eq!(status(&mut client), "200");
    client.write(second);
    assert_eq!([status(&mut client), status(&mut client)], ["200", "200"]);
    client.get();
    drop(client);
    let totals = server.drain().totals;
    assert_eq!((totals.jobs, totals.jobs_refused, totals.stale_messages), (10, 0, 0));
    // Three sleeps of 5 ms and three times 0.1 ms of CPU time were the reactor's own; equal times have the least squares.
    assert_eq!((totals.blocks, totals.jobs_done), (6, 4));
    assert!((15_300..3_000_000).contains(&totals.block_us), "{}", totals.block_us);
    assert!(totals.block_us_squared * 6 >= totals.block_us.pow(2), "{}", totals.block_us_squared);
    assert!(totals.block_us_squared <= totals.block_us.pow(2), "{}", totals.block_us_squared);
}

/// Bytes that came while it waited have no event of their own afterwards, and neither has a FIN.
pub(crate) fn input_during_a_job(variant: Variant) {
    let server = start(variant, |_, _| {});
    let mut client = server.connect();
    client.write(get("/offload/200"));
    thread::sleep(Duration::from_millis(50));
    client.write(GET);
    thread::sleep(Duration::from_millis(50));
    client.write(GET);
    client.finish_writing();
    assert_eq!([status(&mut client), status(&mut client), status(&mut client)], ["200"; 3]);
    assert!(client.read_to_end().is_empty());
    assert_eq!(server.drain().totals.closed_for(CloseReason::PeerClosed), 1);
}

/// The pool is the place for what blocks: others are served meanwhile. In the reactor they wait.
pub(crate) fn others_meanwhile(variant: Variant) {
    // Longer than a busy machine stands still.
    const JOB: Duration = Duration::from_secs(5);
    let server = start(variant, |_, _| {});
    let (mut waiting, mut other) = (server.connect(), server.connect());
    other.get();
    let begun = Instant::now();
    waiting.write(get(&format!("/offload/{}", JOB.as_millis())));
    (0..10).for_each(|_| drop(other.get()));
    assert!(begun.elapsed() < JOB, "the pool kept the reactor");
    assert_eq!(status(&mut waiting), "200");
    assert!(begun.elapsed() >= JOB);
    waiting.write(get("/block/3000"));
    // Until it is read.
    thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    other.get();
    assert!(begun.elapsed() >= Duration::from_millis(150), "a reactor that sleeps serves nobody");
    assert_eq!(status(&mut waiting), "200");
    server.drain();
}

/// What finds no place in the queue, or waits there for too long, is told so.
pub(crate) fn full_queue(variant: Variant) {
    let server = start(variant, |_, blocking| {
        blocking.queue = QueueLimit::Places(NonZeroU32::MIN);
        blocking.deadline = Some(LONG / 3);
    });
    let mut clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    // One runs and one waits, each in its turn; there is no place for the third.
    for client in &mut clients {
        client.write(long_job());
        thread::sleep(Duration::from_millis(100));
    }
    let (head, body) = clients[2].reply().expect("a reply");
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nRetry-After: 1\r\n"), "{head}");
    assert_eq!(body, b"the queue of the pool is full\n");
    assert_eq!([status(&mut clients[0]), status(&mut clients[1])], ["200", "503"]);
    // They may go on.
    clients.iter_mut().for_each(|client| drop(client.get()));
    let totals = server.drain().totals;
    assert_eq!((totals.jobs, totals.jobs_refused, totals.jobs_expired, totals.jobs_queued_peak), (3, 1, 1, 1));
    assert!(totals.job_run_us >= LONG.as_micros() as u64 && totals.job_wait_us > 0);
}

/// A peer that dies while its job is under way is found out, ends once, and makes no loop spin.
pub(crate) fn peer_leaves_in_a_job(variant: Variant) {
    let server = start(variant, |_, blocking| blocking.threads = NonZeroU16::new(2).expect("not zero"));
    let (mut reset, mut other) = (server.connect(), server.connect());
    reset.write(long_job());
    other.get();
    thread::sleep(Duration::from_millis(100));
    SockRef::from(&reset.stream).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
    drop(reset);
    // One that closes has sent a FIN, which says only that it asks for no more.
    let mut closing = server.connect();
    closing.write(long_job());
    drop(closing);
    thread::sleep(2 * LONG);
    other.get();
    drop(other);
    let report = server.drain();
    // The reply to the one that closed may be answered by a reset, too.
    let resets = report.totals.closed_for(CloseReason::Reset);
    assert!((1..=2).contains(&resets) && report.totals.jobs == 2, "{:?}", report.totals);
    assert_eq!(report.totals.stale_messages, 1, "nobody waited for it any more");
    // Ticks and timers wake it some times a second.
    assert!(report.totals.turns < 300, "{} turns", report.totals.turns);
}

/// A drain waits for jobs; a stop does not, and not for threads that sleep either.
pub(crate) fn drain_in_a_job(variant: Variant) {
    let server = start(variant, |_, _| {});
    let mut client = server.connect();
    client.write(long_job());
    thread::sleep(Duration::from_millis(100));
    server.order(server::Order::Drain);
    let (head, _) = client.reply().expect("a reply");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("\r\nConnection: close\r\n"), "{head}");
    drop(client);
    assert_eq!(server.account().exit_code(), 0);

    let server = start(variant, |_, _| {});
    let mut client = server.connect();
    client.write(get("/offload/10000"));
    thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    server.order(server::Order::Stop);
    let report = server.account();
    assert_eq!((report.exit_code(), report.totals.jobs), (3, 1));
    assert!(begun.elapsed() < Duration::from_secs(8), "a thread that sleeps was waited for");
}

/// The stall timeout bounds the wait for a job; the idle timeout does not run meanwhile.
pub(crate) fn timers_of_a_job(variant: Variant) {
    let server = start(variant, |options, _| {
        options.idle_timeout = Duration::from_millis(200);
        options.stall_timeout = Duration::from_millis(800);
    });
    let mut patient = server.connect();
    patient.write(get("/offload/500"));
    assert_eq!(status(&mut patient), "200");
    let mut late = server.connect();
    late.write(get("/offload/3000") + GET);
    let (head, _) = late.reply().expect("a reply");
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nConnection: close\r\n"), "{head}");
    assert!(late.read_to_end().is_empty());
    drop(late);
    assert!(patient.read_to_end().is_empty());
    drop(patient);
    let report = server.drain();
    assert_eq!(report.totals.closed_for(CloseReason::StallTimeout), 1);
    assert_eq!(report.totals.closed_for(CloseReason::IdleTimeout), 1);
}

/// Whoever waits for a job is not read without end.
pub(crate) fn unread_during_a_job(variant: Variant) {
    let server = start(variant, |_, _| {});
    let mut client = server.connect();
    client.stream.set_nonblocking(true).expect("a socket");
    let mut unsent = long_job().into_bytes();
    unsent.extend(GET.repeat(4 * 1024 * 1024 / GET.len()).bytes());
    // What the kernel takes of it, and no more.
    let mut sent = 0;
    let begun = Instant::now();
    while begun.elapsed() < LONG / 2 {
        match client.stream.write(&unsent[sent..]) {
            Ok(count) => sent += count,
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
    drop(client);
    let report = server.drain();
    assert!(report.totals.unread_len_peak <= 1 << 20, "{} bytes", report.totals.unread_len_peak);
    assert!(report.totals.turns < 2000, "{} turns", report.totals.turns);
}

/// Every thread finishes what it has, and jobs of several reactors share the pool.
pub(crate) fn pool_of_several_reactors(variant: Variant) {
    let server = start(variant, |options, blocking| {
        options.reactors = 3;
        blocking.threads = NonZeroU16::new(8).expect("not zero");
        blocking.queue = QueueLimit::Connections;
    });
    let mut clients: Vec<Client> = (0..40).map(|_| server.connect()).collect();
    for _ in 0..3 {
        clients.iter_mut().for_each(|client| client.write(get("/offload/3") + GET));
        clients.iter_mut().for_each(|client| assert_eq!([status(client), status(client)], ["200", "200"]));
    }
    drop(clients);
    let totals = server.drain().totals;
    assert_eq!((totals.jobs, totals.jobs_refused, totals.stale_messages), (120, 0, 0));
}
