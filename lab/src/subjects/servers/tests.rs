//! Starts, asks and ends every peer that this host has. Checks that the tables agree with `peers/`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use protocol::Workload;

use super::about::{availability, configuration};
use super::kind::{Crate, Kind};
use super::running::Running;
use crate::session::local::Local;
use crate::session::places;

/// Long enough for a busy machine. Nothing waits that long when all is well.
const REPLY_MAX: Duration = Duration::from_secs(20);
/// A peer needs many reads for it, and the buffers of a loopback connection can hold it.
const ECHO_LEN: usize = 50_000;

fn root(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads until there is one whole reply. Only for peers: this project's variants have their own tests.
fn exchange(server: &Running, request: &[u8], is_whole: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.started.address).expect("it listens");
    stream.set_read_timeout(Some(REPLY_MAX)).expect("a timeout");
    stream.write_all(request).expect("it reads");
    let mut reply = Vec::new();
    while !is_whole(&reply) {
        let mut piece = [0; 4096];
        let len = stream.read(&mut piece).expect("a reply");
        assert!(len > 0, "it closed after {:?}", String::from_utf8_lossy(&reply));
        reply.extend_from_slice(&piece[..len]);
    }
    reply
}

#[test]
fn every_peer_of_this_host_serves_and_ends() {
    let places = places::here().expect("a CPU");
    let several: Vec<usize> = places.all.iter().copied().take(2).collect();
    for kind in Kind::peers() {
        let version = match availability(&Local, kind) {
            Ok(version) => version,
            Err(reason) => {
                assert!(!reason.is_empty());
                eprintln!("left out: {}: {reason}", kind.name());
                continue;
            }
        };
        assert!(configuration(&Local, kind).starts_with(&version), "{}: {}", kind.name(), configuration(&Local, kind));
        for cpus in [&[places.server][..], &several] {
            serves_and_ends(kind, cpus);
        }
    }
}

fn serves_and_ends(kind: Kind, cpus: &[usize]) {
    let name = kind.name();
    let workload = if kind.serves(Workload::Http) { Workload::Http } else { Workload::Echo };
    let server = Running::start(&Local, kind, workload, cpus, None).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    assert!(!server.workers().is_empty(), "{name}");
    match workload {
        Workload::Echo => {
            let sent: Vec<u8> = (0..=255).cycle().take(ECHO_LEN).collect();
            let came_back = exchange(&server, &sent, |reply| reply.len() >= ECHO_LEN);
            assert!(came_back == sent, "{name} changed the bytes");
        }
        Workload::Http => {
            let request = b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n";
            let reply = exchange(&server, request, |reply| reply.ends_with(b"\r\n\r\nHello, World!"));
            let text = String::from_utf8(reply).expect("text").to_lowercase();
            assert!(text.starts_with("http/1.1 200"), "{name}: {text}");
            for header in ["\r\ncontent-length: 13\r\n", "\r\ncontent-type: text/plain"] {
                assert!(text.contains(header), "{name}: {text}");
            }
            assert!(!text.contains("connection: close"), "{name}: {text}");
        }
    }
    let exit = server.finish().unwrap_or_else(|error| panic!("{name}: {error:#}"));
    assert_eq!(exit.printed["event"], "exit");
}

#[test]
fn a_peer_refuses_what_it_does_not_serve() {
    for (kind, workload) in [(Kind::Nginx, Workload::Echo), (Kind::Crate(Crate::ALL[0]), Workload::Echo)] {
        assert!(!kind.serves(workload));
        let error = Running::start(&Local, kind, workload, &[0], None).err().expect("a refusal");
        assert!(error.to_string().contains("serves no echo"), "{error}");
    }
}

#[test]
fn the_programs_of_peers_are_those_that_are_built_and_compared() {
    assert!(root("Cargo.toml").lines().any(|line| line.starts_with("exclude = ") && line.contains("\"peers\"")));
    let manifest = root("peers/Cargo.toml");
    let built: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("name = \"peer-"))
        .map(|name| name.trim_end_matches('"'))
        .collect();
    assert_eq!(built, Crate::ALL.map(|peer| peer.name));
    let script = root("scripts/peers.sh");
    let listed = script.lines().find_map(|line| line.strip_prefix("for peer in ")).expect("the list");
    assert_eq!(listed.trim_end_matches("; do").split(' ').collect::<Vec<_>>(), built);
    for peer in Crate::ALL {
        let folder = peer.workload.name();
        assert!(manifest.contains(&format!("path = \"src/{folder}/{}.rs\"", peer.name.replace('-', "_"))));
    }
}
