//! `c10m serve`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, prlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

use crate::program::{PATIENCE, Server, c10m, eventually, finish, refused, refuses, run};

pub(crate) const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

pub(crate) fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    stream
}

pub(crate) fn get(stream: &mut TcpStream) {
    stream.write_all(GET).expect("it reads");
    let mut reply = [0; 12];
    stream.read_exact(&mut reply).expect("it answers");
    assert_eq!(&reply, b"HTTP/1.1 200");
    let mut rest = [0; 1000];
    assert!(stream.read(&mut rest).expect("it answers") > 0);
}

#[test]
fn wrong_words_are_usage_errors() {
    refuses(&["serve"], 2, &["<WORKLOAD>"]);
    refuses(&["serve", "gopher"], 2, &["echo", "http"]);
    refuses(&["serve", "echo", "--backend", "kqueue"], 2, &["kqueue", "epoll, mio, io_uring"]);
    refuses(&["serve", "echo", "--variant", "multishot"], 2, &["multishot", "level, edge"]);
    refuses(&["serve", "echo", "--backend", "auto", "--variant", "level"], 2, &["--backend auto"]);
    let auto = ["serve", "echo", "--backend", "auto", "--accepts-per-turn", "9"];
    refuses(&auto, 2, &["--accepts-per-turn", "--backend auto", "no turns"]);
    refuses(&["serve", "echo", "--listen", "nowhere"], 2, &["--listen"]);
    refuses(&["serve", "echo", "--idle-timeout", "soon"], 2, &["--idle-timeout"]);
    refuses(&["serve", "echo", "--reactors", "0"], 2, &["--reactors"]);
    refuses(&["serve", "echo", "--cpus", "3-1"], 2, &["3-1"]);
    refuses(&["serve", "echo", "--balance", "fair"], 2, &["fair", "hash, cpu, round-robin"]);
    for (handicap, words) in [("0", "0 is not in 1..="), ("soon", "a number"), ("1.5", "a number"), ("5G", "is not in")]
    {
        refuses(&["serve", "echo", "--handicap", handicap], 2, &["--handicap", words]);
    }
    for (cost, words) in [("0s", "leave the option out"), ("1001ms", "at most 1s"), ("soon", "number")] {
        refuses(&["serve", "echo", "--hello-cost", cost], 2, &["--hello-cost", words]);
    }
    refuses(&["serve", "echo", "--nonsense"], 2, &["--nonsense"]);
}

#[test]
fn what_cannot_be_had_is_refused_with_cause_and_fix() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    refuses(&["serve", "http", "--listen", &address], 1, &[&address, "in use", "ss -ltnp"]);
    refuses(&["serve", "http", "--listen", "192.0.2.1:0"], 1, &["192.0.2.1:0", "address of this host"]);
    refuses(&["serve", "http", "--listen", "127.0.0.1:0", "--cpus", "1023"], 1, &["CPU 1023", "--cpus"]);
    let hard = getrlimit(Resource::Nofile).maximum.expect("a limit");
    let too_many = hard.to_string();
    if hard < 4_000_000 {
        let arguments = ["serve", "http", "--listen", "127.0.0.1:0", "--max-connections", &too_many];
        refuses(&arguments, 1, &["hard fd limit", "--reactors", "ulimit -Hn"]);
    }
}

pub(crate) const X86_64: bool = cfg!(target_arch = "x86_64");
const IO_URING_SETUP: i64 = 425;
/// The numbers on x86_64, and those that all later architectures share.
const BPF: i64 = if X86_64 { 321 } else { 280 };
pub(crate) const SETSOCKOPT: i64 = if X86_64 { 54 } else { 208 };

/// Runs `job` on a thread, and in children of it, where the system call of this number fails with EPERM.
fn without<T: Send + 'static>(system_call: i64, job: impl FnOnce() -> T + Send + 'static) -> T {
    under((system_call, vec![]), Errno::PERM, job)
}

/// Runs `job` on a thread, and in children of it, where what `rule` describes fails with `error`.
pub(crate) fn under<T: Send + 'static>(
    rule: (i64, Vec<SeccompRule>),
    error: Errno,
    job: impl FnOnce() -> T + Send + 'static,
) -> T {
    let job = move || {
        let architecture = std::env::consts::ARCH.try_into().expect("an architecture seccomp knows");
        let refuse = SeccompAction::Errno(error.raw_os_error() as u32);
        let rules = [rule].into_iter().collect();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture).expect("a valid filter");
        apply_filter(&BpfProgram::try_from(filter).expect("a valid program")).expect("seccomp works");
        job()
    };
    thread::spawn(job).join().expect("no panic")
}

#[test]
fn without_io_uring_its_backend_fails_and_only_auto_chooses_another() {
    let arguments = ["serve", "echo", "--listen", "127.0.0.1:0", "--backend", "io_uring"];
    let result = without(IO_URING_SETUP, move || run(&arguments));
    let words = ["backend io_uring is unavailable", "not permitted", "kernel.io_uring_disabled=0", "--backend epoll"];
    refused(result, &arguments, 1, &words);
    let (backend, code) = without(IO_URING_SETUP, || {
        let server = Server::start(&["echo", "--backend", "auto"]);
        (server.ready["backend"].clone(), server.drain().0)
    });
    assert_eq!((backend.as_str(), code), (Some("epoll"), 0));
}

#[test]
fn without_bpf_round_robin_fails_and_nothing_else_needs_it() {
    let setcap = format!("setcap cap_bpf+ep '{}'", c10m(&[]).get_program().display());
    let words = ["--balance round-robin is unavailable", "not permitted", &setcap, "--balance hash"];
    let arguments = ["serve", "echo", "--listen", "127.0.0.1:0", "--balance", "round-robin"];
    refused(without(BPF, move || run(&arguments)), &arguments, 1, &words);
    for balance in ["hash", "cpu"] {
        let (ready, (code, exit)) = without(BPF, move || {
            let server = Server::start(&["http", "--reactors", "2", "--balance", balance]);
            get(&mut connect(&server));
            (server.ready.clone(), server.drain())
        });
        assert_eq!((&ready["balance"], &exit["balance"], code), (&balance.into(), &balance.into(), 0));
        // One connection is on one of two reactors, whoever chose.
        let spread = &exit["spread"];
        assert_eq!((&spread["accepts_max_over_mean"], exit["totals"]["accepts"].as_u64()), (&2.0.into(), Some(1)));
        assert_eq!(spread["accepts_coefficient_of_variation"], 1.0);
    }
}

/// A server with a handicap says so in its first line and in its last, and help does not offer it.
#[test]
fn a_handicap_is_no_secret() {
    for arguments in [&["echo"][..], &["echo", "--handicap", "15"]] {
        let planted = arguments.get(2).map(|_| serde_json::json!(15));
        let server = Server::start(arguments);
        let (ready, (_, exit)) = (server.ready.clone(), server.drain());
        assert_eq!((ready.get("handicap_ns"), exit.get("handicap_ns")), (planted.as_ref(), planted.as_ref()));
        let is_noted = ready["notes"].to_string().contains("--handicap 15");
        assert_eq!(is_noted, planted.is_some(), "{ready}");
    }
    let (code, help, _) = run(&["serve", "--help"]);
    assert!(code == 0 && help.contains("--max-body") && !help.contains("handicap"), "{help}");
}

#[test]
fn auto_says_what_it_chose_and_why() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let (_, _, stderr) = run(&["serve", "echo", "--backend", "auto", "--listen", &address]);
    assert!(stderr.starts_with("c10m: chose "), "{stderr}");
}

#[test]
fn a_signal_drains_and_the_account_adds_up() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::start(&["http", "--reactors", "2"]);
        let mut stream = connect(&server);
        (0..10).for_each(|_| get(&mut stream));
        server.signal(signal);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("a FIN");
        drop(stream);
        let (code, exit) = server.account();
        assert_eq!((code, exit["code"].as_i64(), exit["forced_closes"].as_u64()), (0, Some(0), Some(0)));
        assert_eq!(exit["totals"]["requests"], 10);
        assert_eq!(exit["totals"]["closes"]["drained"], 1);
        assert_eq!(exit["reactors"].as_array().map(Vec::len), Some(2));
    }
}

/// Recent kernels let only CAP_NET_ADMIN filter what a TCP socket receives, which is how a drain
/// stops new handshakes. Ordinary users drain as well.
#[test]
fn without_filters_a_drain_loses_nothing() {
    const SO_ATTACH_FILTER: u64 = 26;
    let is_filter = SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, SO_ATTACH_FILTER);
    let rule = SeccompRule::new(vec![is_filter.expect("a valid condition")]).expect("a valid rule");
    for backend in ["epoll", "mio"] {
        let (code, exit) = under((SETSOCKOPT, vec![rule.clone()]), Errno::PERM, move || {
            let server = Server::start(&["http", "--reactors", "3", "--backend", backend]);
            let mut streams: Vec<TcpStream> = (0..50).map(|_| connect(&server)).collect();
            streams.iter_mut().for_each(|stream| stream.write_all(GET).expect("the kernel reads"));
            server.signal(Signal::TERM);
            for stream in &mut streams {
                stream.read_exact(&mut [0; 12]).expect("a request was lost");
            }
            drop(streams);
            server.account()
        });
        assert_eq!((code, exit["totals"]["requests"].as_u64(), exit["forced_closes"].as_u64()), (0, Some(50), Some(0)));
    }
}

#[test]
fn a_drain_that_takes_too_long_is_forced_and_says_so() {
    let server = Server::start(&["http", "--drain-timeout", "300ms"]);
    let mut stuck = connect(&server);
    stuck.write_all(b"GET /bytes/900000000 HTTP/1.1\r\nHost: a\r\n\r\n").expect("it reads");
    stuck.read_exact(&mut [0; 100]).expect("it answers");
    let (code, exit) = server.drain();
    assert_eq!((code, exit["forced_closes"].as_u64()), (3, Some(1)));
}

#[test]
fn a_second_signal_stops_at_once() {
    let server = Server::start(&["http", "--drain-timeout", "1h"]);
    let mut stuck = connect(&server);
    stuck.write_all(b"GET /bytes/900000000 HTTP/1.1\r\nHost: a\r\n\r\n").expect("it reads");
    stuck.read_exact(&mut [0; 100]).expect("it answers");
    server.signal(Signal::TERM);
    // Two signals that meet before they are handled are one (signal(7)): let it see the first.
    eventually("the listener's end", || TcpStream::connect(server.address).is_err());
    server.signal(Signal::TERM);
    assert_eq!(server.account().0, 3);
}

/// Descriptors run out under a running server: accept rests instead of spinning, and recovers.
#[test]
fn running_out_of_descriptors_pauses_accept_and_recovers() {
    for backend in ["epoll", "mio"] {
        let server = Server::start(&["http", "--backend", backend, "--reactors", "1"]);
        let limit = getrlimit(Resource::Nofile);
        let tight = Rlimit { current: Some(24), maximum: limit.maximum };
        prlimit(Some(server.pid()), Resource::Nofile, tight).expect("a child of ours");
        let mut streams: Vec<TcpStream> = (0..40).map(|_| connect(&server)).collect();
        streams.iter_mut().for_each(|stream| stream.write_all(GET).expect("the kernel reads"));
        // Long enough for a hot loop to make millions of system calls.
        thread::sleep(std::time::Duration::from_millis(700));
        prlimit(Some(server.pid()), Resource::Nofile, limit).expect("a child of ours");
        for stream in &mut streams {
            stream.read_exact(&mut [0; 12]).expect("every connection is served in the end");
        }
        drop(streams);
        let (code, exit) = server.drain();
        let total = |name: &str| exit["totals"][name].as_u64().expect("a counter");
        assert_eq!((code, total("accepts"), total("requests")), (0, 40, 40), "{backend}");
        assert!(total("emfile_pauses") >= 1, "{backend} never ran out");
        assert!(total("syscalls") < 5000, "{backend} made {} system calls: a hot loop", total("syscalls"));
    }
}

/// A server that wakes up to 100 connections takes each in a turn of its own. The last one's reply says that it has taken
/// all: the accept queue is in order.
#[test]
fn accepts_per_turn_bound_the_turns() {
    for backend in ["epoll", "mio"] {
        let options = ["http", "--backend", backend, "--reactors", "1", "--accepts-per-turn", "1"];
        let server = Server::start(&options);
        server.signal(Signal::STOP);
        let mut streams: Vec<TcpStream> = (0..100).map(|_| connect(&server)).collect();
        server.signal(Signal::CONT);
        get(streams.last_mut().expect("a hundred"));
        // Two different signals: two of the same that wait are one (signal(7)).
        server.signal(Signal::TERM);
        server.signal(Signal::INT);
        let (_, exit) = server.account();
        let turns = exit["totals"]["turns"].as_u64().expect("a counter");
        assert!(turns >= 100, "{backend} took {} connections in {turns} turns", exit["totals"]["accepts"]);
    }
}

#[test]
fn people_get_sentences_instead_of_json() {
    let mut command = c10m(&["serve", "echo", "--listen", "127.0.0.1:0"]);
    command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stderr = child.stderr.take().expect("piped");
    let mut text = String::new();
    while !text.contains('\n') {
        let mut byte = [0];
        stderr.read_exact(&mut byte).expect("it says where it listens");
        text.push(char::from(byte[0]));
    }
    assert!(text.starts_with("c10m: serving echo on tcp://127.0.0.1:"), "{text}");
    assert!(text.contains("balanced by hash"), "{text}");
    let address = text.split("tcp://").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address");
    let mut client = TcpStream::connect(address).expect("it listens");
    client.write_all(b"a").expect("it reads");
    client.read_exact(&mut [0]).expect("it answers");
    // An echo connection cannot be told to end, and an open one would force the drain.
    drop(client);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT).expect("it runs");
    stderr.read_to_string(&mut text).expect("UTF-8");
    assert!(text.contains("served 1 requests over 1 connections"), "{text}");
    assert!(text.contains("spread by hash over "), "{text}");
    assert_eq!(child.wait().expect("it runs").code(), Some(0));
}

#[test]
fn help_is_there_and_fits_a_narrow_terminal() {
    for arguments in
        [&["--help"][..], &["serve", "--help"], &["load", "--help"], &["bench", "--help"], &["tune", "--help"]]
    {
        let (code, stdout, _) = finish(c10m(arguments).env("COLUMNS", "60"));
        assert_eq!(code, 0);
        assert!(stdout.contains("Usage: c10m"), "{stdout}");
        // A word without a blank cannot be wrapped.
        for line in stdout.lines().filter(|line| line.chars().count() > 60) {
            assert_eq!(line.split_whitespace().count(), 1, "{} is wider than the terminal: {line}", line.len());
        }
    }
    let (code, _, stderr) = run(&[]);
    assert_eq!(code, 2);
    assert!(stderr.contains("serve") && stderr.contains("bench"), "{stderr}");
}
