//! `c10m serve --when-short`: what accept does when descriptors run out under a running server.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;

use crate::faults::arguments;
use crate::program::Server;
use crate::serve::{GET, connect, get};

const READINESS: [[&str; 2]; 3] = [["epoll", "level"], ["epoll", "edge"], ["mio", "edge"]];
/// Longer than a connection must be silent to count as idle, which is at most two ticks of 100 ms.
const SILENCE: Duration = Duration::from_millis(300);
/// Long enough for a hot loop to make many thousands of system calls, and for a pause to end some times.
const A_WHILE: Duration = Duration::from_millis(700);

/// A server whose descriptors end at this number. The reactor needs less than ten for itself.
fn limited(variant: [&str; 2], way: &str, descriptors: u64) -> Server {
    let server = Server::start(&arguments(variant, &["--when-short", way, "--idle-timeout", "60s"]));
    limit(&server, descriptors);
    server
}

fn limit(server: &Server, descriptors: u64) {
    let limit = Rlimit { current: Some(descriptors), maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(Some(server.pid()), Resource::Nofile, limit).expect("a child of ours");
}

fn total(exit: &Value, name: &str) -> u64 {
    exit["totals"][name].as_u64().unwrap_or_else(|| panic!("no counter {name}"))
}

/// How many connections closed for this reason, which is left out where none did.
fn closed(exit: &Value, reason: &str) -> u64 {
    exit["totals"]["closes"].get(reason).map_or(0, |count| count.as_u64().expect("a number"))
}

fn closes(exit: &Value) -> u64 {
    exit["totals"]["closes"].as_object().expect("closes").values().filter_map(Value::as_u64).sum()
}

/// Whether the connection has ended: by FIN, or else by RST.
fn ended(stream: &mut TcpStream) -> Option<bool> {
    stream.set_nonblocking(true).expect("a socket");
    let result = stream.read(&mut [0; 1000]);
    stream.set_nonblocking(false).expect("a socket");
    match result {
        Ok(0) => Some(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(_) => Some(false),
        Ok(_) => panic!("nobody asked"),
    }
}

/// With this many descriptors forty connections cannot all be open. `way` sees a while of that; then there are more.
fn forty_at_a_limit(variant: [&str; 2], way: &str) -> Value {
    let server = limited(variant, way, 24);
    let mut streams: Vec<TcpStream> = (0..40).map(|_| connect(&server)).collect();
    streams.iter_mut().for_each(|stream| stream.write_all(GET).expect("the kernel reads"));
    thread::sleep(A_WHILE);
    limit(&server, 1000);
    for stream in &mut streams {
        stream.read_exact(&mut [0; 12]).expect("every connection is served in the end");
    }
    drop(streams);
    let (code, exit) = server.drain();
    let numbers = ["accepts", "requests"].map(|name| total(&exit, name));
    assert_eq!((code, numbers, closes(&exit)), (0, [40, 40], 40), "{variant:?} {way}");
    assert_eq!((closed(&exit, "evicted"), closed(&exit, "turned_away")), (0, 0), "{variant:?} {way}");
    exit
}

#[test]
fn a_loop_that_does_not_pause_fails_again_and_again() {
    let exit = forty_at_a_limit(["epoll", "level"], "spin");
    let failures = total(&exit, "emfile_failures");
    assert!(failures > 1000 && total(&exit, "syscalls") > failures, "{failures} failures");
    assert_eq!(total(&exit, "emfile_pauses"), 0);
    for variant in READINESS {
        let exit = forty_at_a_limit(variant, "pause");
        let numbers = ["emfile_failures", "emfile_pauses"].map(|name| total(&exit, name));
        assert!(numbers[0] == numbers[1] && (1..100).contains(&numbers[0]), "{variant:?}: {numbers:?}");
        assert!(total(&exit, "syscalls") < 5000, "{variant:?}: {} system calls", total(&exit, "syscalls"));
    }
}

#[test]
fn what_finds_no_descriptor_is_reset_at_once() {
    for variant in READINESS {
        let server = limited(variant, "shed", 24);
        let mut streams: Vec<TcpStream> = (0..40).map(|_| connect(&server)).collect();
        let served = streams.iter_mut().filter_map(|stream| {
            // The reset may come before the request.
            stream.write_all(GET).ok()?;
            match stream.read(&mut [0; 1000]) {
                Ok(0) => panic!("{variant:?}: a FIN instead of a reset"),
                result => result.ok(),
            }
        });
        let served = served.count() as u64;
        let (code, exit) = {
            streams.clear();
            server.drain()
        };
        let numbers = ["accepts", "requests", "emfile_pauses"].map(|name| total(&exit, name));
        assert_eq!((code, numbers, closes(&exit)), (0, [40, served, 0], 40), "{variant:?}");
        assert_eq!((served + closed(&exit, "turned_away"), closed(&exit, "evicted")), (40, 0), "{variant:?}");
        assert!((10..24).contains(&served), "{variant:?}: {served} were served");
        assert!(total(&exit, "syscalls") < 5000, "{variant:?}: {} system calls", total(&exit, "syscalls"));
    }
}

/// Who was idle longest goes, whoever came first.
#[test]
fn those_idle_longest_make_room() {
    for variant in READINESS {
        let server = limited(variant, "evict", 40);
        let group = |count| -> Vec<TcpStream> {
            let mut streams: Vec<TcpStream> = (0..count).map(|_| connect(&server)).collect();
            streams.iter_mut().for_each(get);
            streams
        };
        let mut old = group(10);
        thread::sleep(SILENCE);
        let mut later = group(10);
        get(&mut old[0]);
        thread::sleep(SILENCE);
        let mut last = group(18);
        let ends: Vec<Option<bool>> = old.iter_mut().map(ended).collect();
        let evicted = ends.iter().flatten().count() as u64;
        assert!(ends[0].is_none() && evicted > 0, "{variant:?}: {ends:?}");
        assert!(ends.iter().flatten().all(|by_fin| *by_fin), "{variant:?}: {ends:?}");
        later.iter_mut().chain(&mut last).chain(old.first_mut()).for_each(get);
        drop((old, later, last));
        let (code, exit) = server.drain();
        assert_eq!((code, total(&exit, "accepts"), closes(&exit)), (0, 38, 38), "{variant:?}");
        assert_eq!(total(&exit, "emfile_pauses"), 0, "{variant:?}: it has made room and rests all the same");
        assert_eq!((closed(&exit, "evicted"), closed(&exit, "turned_away")), (evicted, 0), "{variant:?}");
    }
}

/// A request in hand is no idleness.
#[test]
fn nobody_is_evicted_who_is_not_idle() {
    for variant in READINESS {
        let server = limited(variant, "evict", 24);
        let mut streams: Vec<TcpStream> = (0..40).map(|_| connect(&server)).collect();
        streams.iter_mut().for_each(|stream| stream.write_all(&GET[..20]).expect("the kernel reads"));
        thread::sleep(A_WHILE);
        limit(&server, 1000);
        for stream in &mut streams {
            stream.write_all(&GET[20..]).expect("it reads");
            stream.read_exact(&mut [0; 12]).expect("every connection is served in the end");
        }
        drop(streams);
        let (code, exit) = server.drain();
        assert_eq!((code, total(&exit, "requests"), closed(&exit, "evicted")), (0, 40, 0), "{variant:?}");
        assert!(total(&exit, "emfile_pauses") > 0, "{variant:?} never ran out");
    }
}

/// Its limit on connections would keep a server from running out; who asks what happens then has no such limit.
#[test]
fn all_but_pause_use_the_fd_limit_up() {
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let most = |way| Server::start(&["http", "--when-short", way]).ready["connections_max_per_reactor"].as_u64();
    if hard < 4_000_000 {
        assert_eq!(["pause", "shed", "evict"].map(most), [Some(hard - 65), Some(hard), Some(hard)]);
    }
}

/// Most programs do not raise their soft limit. One that keeps it fails there, rests, and serves all in the end.
#[test]
fn a_soft_limit_that_is_kept_is_met() {
    let start = |more: &str| {
        let line = format!(
            "ulimit -Sn 60; exec {} serve echo --listen 127.0.0.1:0 --reactors 1 --idle-timeout 0s {more} \"$@\"",
            env!("CARGO_BIN_EXE_c10m")
        );
        Server::of(std::process::Command::new("sh").args(["-c", &line, "sh"]))
    };
    for (more, is_met) in [("--keep-soft-limit", true), ("", false)] {
        let server = start(more);
        let mut streams: Vec<TcpStream> =
            (0..100).map(|_| TcpStream::connect(server.address).expect("the kernel takes it")).collect();
        streams.iter_mut().for_each(|stream| stream.write_all(b"hello").expect("it was taken"));
        let mut served = 0;
        for mut stream in streams {
            stream.set_read_timeout(Some(crate::program::PATIENCE)).expect("valid");
            stream.read_exact(&mut [0; 5]).expect("its turn comes when others have gone");
            served += 1;
        }
        let (code, exit) = server.drain();
        assert_eq!((code, served), (0, 100));
        let met = ["emfile_failures", "emfile_pauses"].map(|counter| total(&exit, counter) > 0);
        assert_eq!(met, [is_met; 2], "{more:?}");
    }
}
