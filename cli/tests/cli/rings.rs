//! io_uring_enter(2) by the registered index, from the kernel's mouth: a filter refuses every other.

use std::io::{Read, Write};
use std::net::TcpStream;

use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use crate::program::{PATIENCE, Server, run};
use crate::serve::under;

/// On every architecture.
const IO_URING_ENTER: i64 = 426;
/// The argument with the flags.
const FLAGS: u8 = 3;
/// `IORING_ENTER_REGISTERED_RING` of linux/io_uring.h.
const REGISTERED_RING: u64 = 1 << 4;
const VARIANTS: [&str; 4] = ["multishot", "poll", "inline", "gather"];

/// Refuses enters in which the flag has this value.
fn enters_with(flag: u64) -> (i64, Vec<SeccompRule>) {
    let operator = SeccompCmpOp::MaskedEq(REGISTERED_RING);
    let condition = SeccompCondition::new(FLAGS, SeccompCmpArgLen::Dword, operator, flag).expect("a valid condition");
    (IO_URING_ENTER, vec![SeccompRule::new(vec![condition]).expect("a valid rule")])
}

/// Whether this host has io_uring at all; a machine that has to have it (`CI` is set) must.
fn is_available() -> bool {
    let (code, _, stderr) = run(&["serve", "echo", "--backend", "io_uring", "--listen", "192.0.2.1:0"]);
    assert_eq!(code, 1, "an address of another host");
    let is_available = !stderr.contains("io_uring is unavailable") && server::probe_io_uring().is_ok();
    assert!(is_available || std::env::var_os("CI").is_none(), "CI must be able to test it: {stderr}");
    if !is_available {
        eprintln!("skipped: no io_uring here");
    }
    is_available
}

fn serve(variant: &'static str) -> Server {
    Server::start(&["echo", "--backend", "io_uring", "--variant", variant])
}

#[test]
fn a_server_enters_by_index_only() {
    if !is_available() {
        return;
    }
    for variant in VARIANTS {
        let (code, exit) = under(enters_with(0), rustix::io::Errno::PERM, move || {
            let server = serve(variant);
            let mut stream = TcpStream::connect(server.address).expect("it listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
            for _ in 0..10 {
                stream.write_all(b"ping").expect("it reads");
                stream.read_exact(&mut [0; 4]).unwrap_or_else(|error| panic!("{variant}: {error}"));
            }
            drop(stream);
            server.drain()
        });
        assert_eq!((code, exit["totals"]["requests"].as_u64()), (0, Some(10)), "{variant}: {exit}");
        assert!(exit["totals"]["enters"].as_u64() > Some(10), "{variant}: {exit}");
    }
}

/// The filter of the other tests means what they think: turned round, it refuses what they do. Each reactor
/// fails in its first turn then, which may be before or after the next one has started.
#[test]
fn a_server_that_may_not_enter_by_index_fails_and_says_so() {
    if !is_available() {
        return;
    }
    for reactors in ["1", "8"] {
        let arguments = ["serve", "echo", "--backend", "io_uring", "--listen", "127.0.0.1:0", "--reactors", reactors];
        let (code, stdout, stderr) =
            under(enters_with(REGISTERED_RING), rustix::io::Errno::PERM, move || run(&arguments));
        assert!(code == 1 && !stderr.contains("panicked"), "{code}: {stdout} {stderr}");
        assert!(format!("{stdout}{stderr}").contains("not permitted"), "{stdout} {stderr}");
    }
}

#[test]
fn a_load_generator_enters_by_index_only() {
    if !is_available() {
        return;
    }
    let server = Server::start(&["echo"]);
    let target = format!("tcp://{}", server.address);
    for mode in [&["--rate", "200"][..], &[]] {
        let mut arguments: Vec<String> =
            ["load", &target, "--engine", "io_uring", "--duration", "500ms", "--connections", "4", "--json"]
                .map(str::to_owned)
                .to_vec();
        arguments.extend(mode.iter().map(|word| (*word).to_owned()));
        let (_, stdout, stderr) = under(enters_with(0), rustix::io::Errno::PERM, move || {
            run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        });
        let record: serde_json::Value =
            serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
        assert!(record["requests"]["completed"].as_u64() > Some(0), "{mode:?}: {stderr}");
    }
    server.drain();
}
