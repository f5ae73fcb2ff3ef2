//! What `c10m load` takes as a target, end to end: what reaches a server, and what is shown of it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{Server, c10m, refuses, run};

const SHORT: [&str; 6] = ["-c", "2", "-d", "100ms", "--warmup", "0s"];

/// Answers every request, and keeps the head of the last one.
struct Listener {
    address: SocketAddr,
    heads: std::sync::mpsc::Receiver<String>,
}

impl Listener {
    fn start() -> Listener {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (sender, heads) = std::sync::mpsc::channel();
        // Ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                thread::spawn(move || answer(stream, &sender));
            }
        });
        Listener { address, heads }
    }

    /// The head of the first request of a run against `target`, where ADDRESS stands for the listener's own; with
    /// what the run showed and recorded.
    fn head_of(&self, target: &str, arguments: &[&str]) -> (String, Value, String) {
        let target = target.replace("ADDRESS", &self.address.to_string());
        let (_, stdout, stderr) = run(&[&["load", "--json", &target], &SHORT[..], arguments].concat());
        let head = self.heads.try_iter().last().unwrap_or_else(|| panic!("{target}: no request: {stderr}"));
        let record = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
        (head, record, format!("{stdout}{stderr}"))
    }
}

fn answer(stream: TcpStream, heads: &std::sync::mpsc::Sender<String>) {
    let mut writer = stream.try_clone().expect("a descriptor");
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while matches!(reader.read_line(&mut head), Ok(1..)) {
        if head.ends_with("\r\n\r\n") {
            // The test that reads them may be over.
            let _ = heads.send(std::mem::take(&mut head));
            if writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    }
}

#[test]
fn what_is_asked_for_is_what_was_written() {
    let listener = Listener::start();
    let address = listener.address.to_string();
    for (target, line) in [
        ("http://ADDRESS?x=1", "GET /?x=1 HTTP/1.1"),
        ("http://ADDRESS/a b#fragment", "GET /a%20b HTTP/1.1"),
        ("http://ADDRESS/%0d%0aX:1", "GET /%0d%0aX:1 HTTP/1.1"),
        ("http://ADDRESS/\u{e9}", "GET /%C3%A9 HTTP/1.1"),
        ("ADDRESS/x", "GET /x HTTP/1.1"),
        ("ADDRESS", "GET / HTTP/1.1"),
    ] {
        let (head, record, _) = listener.head_of(target, &[]);
        let mut lines = head.lines();
        assert_eq!(lines.next(), Some(line), "{target}");
        assert_eq!(lines.next(), Some(format!("Host: {address}").as_str()), "{target}");
        assert_eq!(record["address"], address.as_str());
        assert_eq!(record["addresses"][0]["established"], 2, "{}", record["addresses"]);
    }
}

#[test]
fn credentials_are_sent_and_neither_recorded_nor_shown() {
    let listener = Listener::start();
    let (head, record, output) = listener.head_of("http://me:s%40cret@ADDRESS/x", &[]);
    // base64 of me:s@cret
    assert!(head.contains("\r\nAuthorization: Basic bWU6c0BjcmV0\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nHost: {}\r\n", listener.address)), "{head}");
    assert_eq!(record["target"], format!("http://{}/x", listener.address));
    let target = format!("http://me:s%40cret@{}/x", listener.address);
    let (_, table, stderr) = run(&[&["load", &target][..], &SHORT].concat());
    for text in [&output, &table, &stderr] {
        assert!(!text.contains("cret") && !text.contains("bWU6"), "{text}");
    }
    refuses(&[&["load", &target, "--header", "authorization: x"][..], &SHORT].concat(), 2, &["leave one of them out"]);
    refuses(&["load", "http://me:secret@::1:80/"], 2, &["http://[::1]:80/"]);
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_form_to_write() {
    for (target, words) in [
        ("http://::1:8090/", &["http://[::1]:8090/"][..]),
        ("https://127.0.0.1/", &["https://", "TLS"]),
        ("ws://127.0.0.1/", &["ws://"]),
        ("8080", &["127.0.0.1:8080"]),
        ("/run/x.sock", &["unix:/run/x.sock"]),
        ("unix:", &["a path is missing"]),
        ("tcp://u:p@127.0.0.1:7", &["http://"]),
        ("http://127.0.0.1:1/\n", &["control characters"]),
    ] {
        refuses(&["load", target], 2, words);
    }
    refuses(&["load", "unix:/x", "--source", "127.0.0.1"], 2, &["--source", "unix socket"]);
    refuses(&["load", "unix:/x", "--i-own", "x"], 2, &["--i-own", "unix socket"]);
    refuses(&["load", "unix:/x", "--engine", "tun"], 2, &["--engine tun", "unix:/x"]);
    refuses(&["load", "unix:/nonexistent/x"], 1, &["unix:/nonexistent/x", "ENOENT"]);
}

/// A directory for sockets, which goes with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("c10m-target-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory for temporary files");
        Place(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whoever copies a place from the line of a server that is ready must reach that server.
#[test]
fn load_takes_what_serve_says() {
    let place = Place::new("ready");
    for (workload, scheme) in [("http", "unix:"), ("echo", "tcp+unix:")] {
        let path = place.0.join(workload);
        let listen = format!("127.0.0.1:0,unix:{}", path.display());
        let mut command = c10m(&["serve", workload, "--reactors", "1", "--listen", &listen]);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let ready = lines.next().expect("a line").expect("UTF-8");
        let places: Vec<String> = ready
            .split_whitespace()
            .filter(|word| word.contains("://") || word.contains("unix:"))
            .map(str::to_owned)
            .collect();
        assert_eq!(places.len(), 2, "{ready}");
        assert_eq!(places[1], format!("{scheme}{}", path.display()));
        for target in &places {
            for engine in ["epoll", "io_uring"] {
                let (code, stdout, stderr) =
                    run(&[&["load", "--json", target, "--engine", engine], &SHORT[..]].concat());
                let record: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{code} {stderr}"));
                assert_eq!((&record["workload"], &record["target"]), (&workload.into(), &target.as_str().into()));
                assert_eq!(record["requests"]["failed"], 0, "{target} {engine}: {record}");
                assert!(record["requests"]["completed"].as_u64() > Some(0), "{target} {engine}: {record}");
                assert_eq!(record["connections"]["established"], 2, "{target} {engine}");
            }
        }
        kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
        // Read to its end, so that the server is not held up.
        lines.for_each(drop);
        assert_eq!(child.wait().expect("it runs").code(), Some(0), "{workload}");
    }
}

#[test]
fn a_unix_socket_has_a_path_of_http() {
    let place = Place::new("path");
    let path = place.0.join("x.sock");
    let server = Server::start_at(&format!("unix:{}", path.display()), &["http", "--reactors", "1"]);
    let encoded = path.display().to_string().replace('/', "%2F");
    let target = format!("http+unix://{encoded}/bytes/100");
    let (_, stdout, stderr) = run(&[&["load", "--json", &target], &SHORT[..]].concat());
    let record: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stderr}"));
    let completed = record["requests"]["completed"].as_u64().expect("a number");
    assert!(completed > 0 && record["bytes_in"].as_u64() > Some(100 * completed), "{record}");
    // TCP's counters are not about these connections, and no check may pretend so.
    let checks = record["verdict"]["checks"].as_array().expect("checks");
    let state = |id: &str| checks.iter().find(|check| check["id"] == id).expect("a check")["state"].clone();
    assert_eq!((state("V9"), state("V17")), ("VALID".into(), "SKIPPED".into()));
    assert_eq!(server.drain().0, 0);
}

/// `localhost` has both addresses on most hosts; what is not there is left out here, too.
#[test]
fn localhost_is_shared_by_those_of_its_addresses_that_answer() {
    let found: Vec<SocketAddr> = ("localhost", 0).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    let has_both = ["127.0.0.1:0", "[::1]:0"].iter().all(|text| found.contains(&text.parse().expect("an address")));
    if !has_both || TcpListener::bind("[::1]:0").is_err() {
        eprintln!("left out: localhost is {found:?} here");
        return;
    }
    let server = Server::start_at("127.0.0.1:0", &["http"]);
    let target = format!("http://localhost:{}/", server.address.port());
    let (code, stdout, stderr) = run(&[&["load", &target], &SHORT[..]].concat());
    assert!(code == 0 || code == 4, "{stderr}");
    assert!(stdout.contains("left out") && stdout.contains("[::1]"), "{stdout}");
    let both = Server::start_at("localhost:0", &["http"]);
    let port = both.address.port();
    let (_, stdout, _) = run(&[&["load", "--json", &format!("http://localhost:{port}/")], &SHORT[..]].concat());
    let record: Value = serde_json::from_str(&stdout).expect("a record");
    // With port 0 each of its addresses has a port of its own, so that one of them answers.
    assert_eq!(record["addresses"].as_array().map(Vec::len), Some(2), "{record}");
    assert_eq!(record["connections"]["established"], 2, "{record}");
}

#[test]
fn a_server_that_says_nothing_is_no_hang() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = format!("{}/?q", listener.local_addr().expect("bound"));
    let (code, stdout, stderr) =
        run(&["load", "--json", &target, "-d", "100ms", "--warmup", "0s", "--timeout", "20ms"]);
    assert!(matches!(code, 0 | 4), "{stderr}");
    let record: Value = serde_json::from_str(&stdout).expect("a record");
    assert!(record["requests"]["timed_out"].as_u64() > Some(0), "{record}");
    let mut byte = [0];
    // It was a request that timed out, and no connect.
    let (mut stream, _) = listener.accept().expect("a connection");
    assert_eq!((stream.read(&mut byte).expect("a request"), byte[0]), (1, b'G'));
}
