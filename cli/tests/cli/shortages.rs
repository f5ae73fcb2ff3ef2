//! `c10m serve` where the kernel is short of something: it rests, counts and recovers, and its drain ends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Signal;
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};
use serde_json::Value;

use crate::faults::{self, Fault, VARIANTS, arguments, is_available};
use crate::program::{Server, eventually};
use crate::serve::{GET, SETSOCKOPT, X86_64, connect, get, under};

/// The numbers on x86_64, and those that all later architectures share.
const ACCEPT4: i64 = if X86_64 { 288 } else { 242 };
/// asm-generic/socket.h.
const SO_ATTACH_FILTER: u64 = 26;
const SO_BINDTOIFINDEX: u64 = 62;

const READINESS: [[&str; 2]; 3] = [["epoll", "level"], ["epoll", "edge"], ["mio", "edge"]];
const COMPLETION: [[&str; 2]; 2] = [["io_uring", "multishot"], ["io_uring", "inline"]];

/// Long enough for a hot loop to make millions of system calls.
const A_WHILE: Duration = Duration::from_millis(700);

fn total(exit: &Value, name: &str) -> u64 {
    exit["totals"][name].as_u64().unwrap_or_else(|| panic!("no counter {name}"))
}

/// Nothing of the kind happens on a healthy host, and what lasts is no reason to turn or to stay for ever.
#[test]
fn accepts_that_never_succeed_rest_and_a_drain_ends() {
    for (error, pauses) in
        [(Errno::INVAL, "error_pauses"), (Errno::MFILE, "emfile_pauses"), (Errno::NOMEM, "memory_pauses")]
    {
        for variant in READINESS {
            let (code, exit) = under((ACCEPT4, vec![]), error, move || {
                let server = Server::start(&arguments(variant, &["--drain-timeout", "300ms"]));
                let _waiting: Vec<TcpStream> = (0..3).map(|_| connect(&server)).collect();
                thread::sleep(A_WHILE);
                server.drain()
            });
            let numbers = ["queue_resets", "accepts"].map(|name| total(&exit, name));
            assert_eq!((code, exit["forced_closes"].as_u64(), numbers), (3, Some(3), [3, 0]), "{variant:?} {error:?}");
            assert!(total(&exit, pauses) >= 1, "{variant:?} did not count {pauses}");
            assert!(total(&exit, "syscalls") < 5000, "{variant:?}: {} system calls", total(&exit, "syscalls"));
        }
    }
}

/// What stops new handshakes is one setsockopt(2), which needs memory.
#[test]
fn a_drain_is_not_cut_short_where_handshakes_cannot_be_stopped() {
    let of_option = |option| {
        let condition = SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, option);
        SeccompRule::new(vec![condition.expect("a valid condition")]).expect("a valid rule")
    };
    let rules = vec![of_option(SO_ATTACH_FILTER), of_option(SO_BINDTOIFINDEX)];
    for (variant, error) in VARIANTS.into_iter().flat_map(|it| [(it, Errno::NOMEM), (it, Errno::PERM)]) {
        let (code, exit) = under((SETSOCKOPT, rules.clone()), error, move || {
            let server = Server::start(&arguments(variant, &[]));
            let mut stream = connect(&server);
            stream.write_all(b"GET /bytes/30000000 HTTP/1.1\r\nHost: a\r\n\r\n").expect("it reads");
            stream.read_exact(&mut [0; 100]).expect("it answers");
            server.signal(Signal::TERM);
            thread::sleep(Duration::from_millis(100));
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).expect("a FIN");
            assert!(rest.len() > 30_000_000, "the drain cut a reply after {} bytes", rest.len());
            drop(stream);
            server.account()
        });
        assert_eq!((code, exit["forced_closes"].as_u64()), (0, Some(0)), "{variant:?} {error:?}");
        assert!(total(&exit, "refusal_errors") >= 1);
    }
}

fn served_under(fault: &Fault, variant: [&str; 2]) -> (i32, Value) {
    let (server, log) = faults::start(fault, &arguments(variant, &[]));
    let server = server.unwrap_or_else(|(code, stderr)| panic!("{fault:?}: {code:?} {stderr}"));
    let mut streams: Vec<TcpStream> = (0..5).map(|_| connect(&server)).collect();
    streams.iter_mut().for_each(|stream| stream.write_all(GET).expect("the kernel reads"));
    for stream in &mut streams {
        stream.read_exact(&mut [0; 12]).unwrap_or_else(|error| panic!("{variant:?} {fault:?}: {error}"));
    }
    drop(streams);
    let process = server.child.id();
    let result = server.drain();
    assert!(log.hits(process) > 0, "{variant:?} {fault:?} was never met");
    result
}

/// The limit (fs.epoll.max_user_watches) is one of the host, so a test has to feign it. The first two watches
/// are the doorbell's and the listener's.
#[test]
fn at_the_limit_of_epoll_watches_connections_wait_and_are_served() {
    if !is_available() {
        return;
    }
    for (variant, errno) in READINESS.into_iter().flat_map(|it| [(it, "ENOSPC"), (it, "ENOMEM")]) {
        for when in ["3", "4", "3..8", "5..6"] {
            let (code, exit) = served_under(&Fault::new("epoll_ctl", errno, when), variant);
            let numbers = ["accepts", "requests"].map(|name| total(&exit, name));
            assert_eq!((code, numbers), (0, [5, 5]), "{variant:?} {errno} {when}");
            assert!(total(&exit, "memory_pauses") >= 1 || when == "4", "{variant:?} {when}");
        }
    }
}

#[test]
fn a_ring_that_takes_and_tells_nothing_for_a_while_loses_nothing() {
    if !is_available() {
        return;
    }
    for (variant, errno) in COMPLETION.into_iter().flat_map(|it| ["ENOMEM", "EAGAIN", "EBUSY"].map(|e| (it, e))) {
        let (code, exit) = served_under(&Fault::new("io_uring_enter", errno, "3..30"), variant);
        let numbers = ["accepts", "requests"].map(|name| total(&exit, name));
        assert_eq!((code, numbers), (0, [5, 5]), "{variant:?} {errno}");
        assert!(total(&exit, "wait_pauses") >= 20, "{variant:?}: {}", exit["totals"]);
    }
}

/// The kernel says it once; strace says it without a loss.
#[test]
fn dropped_completions_are_said() {
    if !is_available() {
        return;
    }
    for variant in COMPLETION {
        let (code, exit) = served_under(&Fault::new("io_uring_enter", "EBADR", "3"), variant);
        let numbers = ["dropped_completion_reports", "dropped_completions", "requests"].map(|name| total(&exit, name));
        assert_eq!((code, numbers), (0, [1, 0, 5]), "{variant:?}");
    }
}

#[test]
fn a_wait_that_finds_no_memory_is_made_again() {
    if !is_available() {
        return;
    }
    for variant in READINESS {
        let call = if variant[0] == "mio" { "epoll_wait" } else { "epoll_pwait2" };
        let (code, exit) = served_under(&Fault::new(call, "ENOMEM", "2..9"), variant);
        assert_eq!((code, total(&exit, "requests"), total(&exit, "wait_pauses")), (0, 5, 8), "{variant:?}");
    }
}

/// A ring that never recovers ends nothing in order; the process ends all the same, and says why.
#[test]
fn a_ring_that_fails_for_good_cannot_hold_the_process() {
    if !is_available() {
        return;
    }
    for variant in COMPLETION {
        let fault = Fault::new("io_uring_enter", "ENOMEM", "8+");
        let (server, log) = faults::start(&fault, &arguments(variant, &["--drain-timeout", "200ms"]));
        let server = server.unwrap_or_else(|(code, stderr)| panic!("{code:?} {stderr}"));
        let mut streams: Vec<TcpStream> = (0..5).map(|_| connect(&server)).collect();
        streams.iter_mut().for_each(|stream| stream.write_all(GET).expect("the kernel reads"));
        // Until the ring has failed. Whether one was answered before is all the same.
        eventually("the fault", || {
            streams.push(connect(&server));
            log.has_hits()
        });
        thread::sleep(A_WHILE);
        let (code, exit) = server.drain();
        let error = exit["reactors"][0]["error"].as_str().expect("it failed").to_owned();
        assert_eq!(code, 1, "{variant:?}: {error}");
        assert!(error.contains("could not be closed") && error.contains("no memory"), "{error}");
        assert!(total(&exit, "syscalls") < 5000, "{variant:?}: {} system calls", total(&exit, "syscalls"));
    }
}

/// One connection's shortage is no other's.
#[test]
fn a_receive_without_memory_closes_its_connection_for_that_reason() {
    if !is_available() {
        return;
    }
    for (variant, call) in READINESS.into_iter().flat_map(|it| [(it, "recvfrom"), (it, "sendto")]) {
        // The twentieth: the threads that wait for signals make a few such calls.
        let (server, _log) = faults::start(&Fault::new(call, "ENOMEM", "20"), &arguments(variant, &[]));
        let server = server.unwrap_or_else(|(code, stderr)| panic!("{code:?} {stderr}"));
        let mut first = connect(&server);
        let mut answers = 0;
        while first.write_all(GET).is_ok() && first.read(&mut [0; 1000]).is_ok_and(|len| len > 0) {
            answers += 1;
            assert!(answers < 100, "{variant:?} {call} was not met");
        }
        get(&mut connect(&server));
        let (code, exit) = server.drain();
        assert_eq!((code, exit["totals"]["closes"]["kernel_memory"].as_u64()), (0, Some(1)), "{variant:?} {call}");
    }
}

/// The reactor wakes up to more connections than it takes in one go, and to the order to end at once.
#[test]
fn a_stop_accounts_for_what_was_never_looked_at() {
    for variant in VARIANTS {
        let server = Server::start(&arguments(variant, &[]));
        let mut first = connect(&server);
        get(&mut first);
        // Closed on both sides: otherwise the server may stop before it sees the end, and has one more to cut off.
        first.shutdown(Shutdown::Write).expect("connected");
        assert_eq!(first.read(&mut [0; 1]).expect("a close in order"), 0);
        server.signal(Signal::STOP);
        let _waiting: Vec<TcpStream> = (0..200).map(|_| connect(&server)).collect();
        // Two different signals: two of the same that wait are one (signal(7)).
        server.signal(Signal::TERM);
        server.signal(Signal::INT);
        server.signal(Signal::CONT);
        let (code, exit) = server.account();
        let numbers = (total(&exit, "accepts"), exit["forced_closes"].as_u64(), total(&exit, "queue_resets"));
        assert_eq!((code, numbers), (3, (201, Some(200), 0)), "{variant:?}");
    }
}
