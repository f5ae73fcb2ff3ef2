//! `c10m serve --listen`: where it listens, what it refuses to share, and what it says of it.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use rustix::process::Signal;
use serde_json::Value;

use crate::program::{PATIENCE, Server, c10m, finish, refused, refuses, run};
use crate::serve::{SETSOCKOPT, X86_64, under as under_filter};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// A directory for a test, which goes with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("c10m-cli-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory for temporary files");
        Place(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    fn listen(&self) -> String {
        format!("unix:{}", self.socket().display())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn get(mut stream: impl Read + Write) {
    stream.write_all(GET).expect("it reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("it answers");
    assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with("Hello, World!"), "{reply}");
}

fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    stream
}

fn unix(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    stream
}

fn addresses(ready: &Value) -> Vec<String> {
    let addresses = ready["addresses"].as_array().expect("addresses");
    addresses.iter().map(|address| address.as_str().expect("text").to_owned()).collect()
}

fn notes(server: &Server) -> String {
    server.ready["notes"].to_string()
}

#[test]
fn wrong_places_are_usage_errors() {
    for (place, word) in [
        ("::1:8080", "[::1]:8080"),
        ("localhost", "localhost:8080"),
        ("70000", "70000 is no port"),
        ("127.0.0.1:80,*:80", "0.0.0.0:80,[::]:80"),
        ("0.0.0.0:80,127.0.0.1:80", "127.0.0.1:80 is a part of 0.0.0.0:80"),
        ("unix:", "unix:/tmp/c10m.sock"),
        ("127.0.0.1:8080,", "comma too many"),
        ("localhost:http", "is no port"),
    ] {
        refuses(&["serve", "http", "--listen", place], 2, &[word]);
    }
    let long = format!("unix:/{}", "x".repeat(107));
    refuses(&["serve", "http", "--listen", &long], 2, &["room for 107"]);
    // A label has at most 63 bytes, so no resolver is asked for this one.
    let nobody = format!("{}:80", "x".repeat(64));
    refuses(&["serve", "http", "--listen", &nobody], 1, &[&nobody[..64], "getent hosts"]);
    let unix = ["serve", "http", "--listen", "unix:/nonexistent/socket", "--balance", "cpu"];
    refuses(&unix, 2, &["--balance", "unix socket"]);
    refuses(&unix[..4], 1, &["unix:/nonexistent/socket", "directory that exists"]);
    for (option, value, word) in [
        ("--backlog", "0", "--backlog"),
        ("--rcvbuf", "0", "tune it"),
        ("--sndbuf", "2GiB", "at most"),
        ("--accepts-per-turn", "0", "--accepts-per-turn"),
        ("--buffer-memory", "1MiB", "at least 4.0 MiB"),
        ("--buffer-memory", "64MB", "64KiB"),
        ("--stats", "10ms", "at least 100ms"),
    ] {
        refuses(&["serve", "http", option, value], 2, &[word]);
    }
    refuses(&["serve", "http", "--backend", "io_uring", "--accepts-per-turn", "9"], 2, &["no turns"]);
}

#[test]
fn several_places_are_served_alike() {
    let place = Place::new("several");
    // The same file in other words is the same place.
    let again = format!("unix:{}", place.0.join("./socket").display());
    let places = format!("127.0.0.1:0,[::1]:0,{},127.0.0.1:0,{again}", place.listen());
    let server = Server::start_at(&places, &["http", "--reactors", "2", "--listen", "localhost:0"]);
    let found = addresses(&server.ready);
    let ports: Vec<SocketAddr> = found.iter().filter_map(|address| address.parse().ok()).collect();
    // The name has an address at least, and every one of them is served.
    assert!(ports.len() >= 4 && ports.iter().all(|address| address.port() != 0), "{found:?}");
    assert!(found.contains(&place.listen()), "{found:?}");
    ports.iter().for_each(|address| get(tcp(*address)));
    get(unix(&place.socket()));
    let (code, exit) = server.drain();
    assert_eq!((code, exit["totals"]["requests"].as_u64()), (0, Some(ports.len() as u64 + 1)));
    assert!(!place.socket().exists());
}

#[test]
fn a_port_alone_is_loopback_and_says_how_to_open_up() {
    for listen in ["0", ":0"] {
        let server = Server::start_at(listen, &["http"]);
        assert!(server.address.ip().is_loopback() && server.address.port() != 0, "{}", server.ready);
        let port = server.address.port();
        assert!(notes(&server).contains(&format!("--listen 0.0.0.0:{port},[::]:{port}")), "{}", server.ready);
        get(tcp(server.address));
    }
}

#[test]
fn the_ready_line_says_that_ipv4_does_not_reach_an_ipv6_wildcard() {
    let leaves_ipv4_alone = |_| {
        let server = Server::start_at("[::]:0", &["http"]);
        let port = server.address.port();
        assert!(notes(&server).contains(&format!("add --listen 0.0.0.0:{port}")), "{}", server.ready);
        get(tcp(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port))));
        TcpListener::bind(("0.0.0.0", port)).is_ok()
    };
    // Another process may have the same port with IPv4, but not each time.
    assert!((0..5).any(leaves_ipv4_alone), "it takes IPv4 as well");
}

/// A socket that no program inherits, which other tests start at the same time.
fn socket(family: AddressFamily) -> OwnedFd {
    socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket")
}

/// A listener of this process on `address`, which has these options of socket(7).
fn listener(address: SocketAddr, reuse_address: bool, reuse_port: bool) -> (OwnedFd, u16) {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket(family);
    sockopt::set_socket_reuseaddr(&socket, reuse_address).expect("an option");
    sockopt::set_socket_reuseport(&socket, reuse_port).expect("an option");
    bind(&socket, &address).expect("a free port");
    listen(&socket, 8).expect("it listens");
    let bound = SocketAddr::try_from(rustix::net::getsockname(&socket).expect("bound")).expect("an address");
    (socket, bound.port())
}

/// SO_REUSEPORT would give each of the two a share of the connections, and nobody would notice.
#[test]
fn another_listener_on_any_part_of_the_address_is_named() {
    let us = std::process::id();
    for (theirs, ours) in [
        ("127.0.0.1:0", "127.0.0.1"),
        ("127.0.0.1:0", "0.0.0.0"),
        ("0.0.0.0:0", "127.0.0.1"),
        ("0.0.0.0:0", "0.0.0.0"),
        ("[::1]:0", "[::]"),
        // Without IPV6_V6ONLY it takes IPv4 as well.
        ("[::]:0", "127.0.0.1"),
        ("[::]:0", "[::1]"),
    ] {
        for (reuse_address, reuse_port) in [(false, false), (true, false), (true, true)] {
            let theirs: SocketAddr = theirs.parse().expect("valid");
            let (held, port) = listener(theirs, reuse_address, reuse_port);
            let name = format!("({us}) listens on {}", SocketAddr::new(theirs.ip(), port));
            let listen = format!("{ours}:{port}");
            // It has inherited the listener, and must not name itself for that.
            let arguments = ["serve", "http", "--listen", &listen];
            let result = finish(c10m(&arguments).stdin(held));
            refused(result, &arguments, 1, &[&listen, "in use", &name, "SO_REUSEPORT"]);
        }
    }
}

#[test]
fn others_do_not_get_a_share_of_ours_either() {
    let server = Server::start_at("0.0.0.0:0", &["http"]);
    let port = server.address.port();
    for address in ["127.0.0.1", "0.0.0.0"] {
        let error = TcpListener::bind((address, port)).expect_err("it would take a share");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let listen = format!("{address}:{port}");
        let name = format!("c10m ({}) listens on 0.0.0.0:{port}", server.child.id());
        refuses(&["serve", "http", "--listen", &listen], 1, &[&name]);
    }
    get(tcp(SocketAddr::from(([127, 0, 0, 1], port))));
    assert_eq!(server.drain().0, 0);
}

/// Whether this host lets a tool of util-linux run a program; where it does not, that is a failure in CI.
pub(crate) fn is_allowed(tool: &[&str]) -> bool {
    let allowed = Command::new(tool[0]).args(&tool[1..]).arg("true").output();
    let is_allowed = allowed.as_ref().is_ok_and(|output| output.status.success());
    if !is_allowed {
        assert!(std::env::var_os("CI").is_none(), "CI must be able to run {tool:?}: {allowed:?}");
        eprintln!("skipped, {tool:?} does not run here: {allowed:?}");
    }
    is_allowed
}

/// Runs the program under a tool of util-linux; `None` where this host does not let it.
fn under(tool: &[&str], arguments: &[&str]) -> Option<(i32, String, String)> {
    if !is_allowed(tool) {
        return None;
    }
    let mut command = Command::new(tool[0]);
    command.args(&tool[1..]).arg(c10m(&[]).get_program()).args(arguments).stdin(std::process::Stdio::null());
    Some(finish(&mut command))
}

/// A network namespace of its own has ip_unprivileged_port_start of 1024, and a user that is not mapped has no capability.
#[test]
fn a_low_port_names_the_capability_and_the_setting() {
    let arguments = ["serve", "http", "--listen", "0.0.0.0:80"];
    if let Some(result) = under(&["unshare", "--user", "--net"], &arguments) {
        let program = c10m(&[]).get_program().display().to_string();
        let setcap = format!("setcap cap_net_bind_service+ep '{program}'");
        let words = ["0.0.0.0:80", "CAP_NET_BIND_SERVICE", &setcap, "start = 1024", "start=80", "from 1024 on"];
        refused(result, &arguments, 1, &words);
    }
}

/// A filter, a container's for one, may forbid a call; no port is to blame then.
#[test]
fn a_call_that_is_not_permitted_is_named() {
    let (socket, bind) = if X86_64 { (41, 49) } else { (198, 200) };
    let arguments = ["serve", "http", "--listen", "127.0.0.1:20778"];
    for (call, errno, words) in [
        (socket, Errno::PERM, ["socket(2) failed", "seccomp"]),
        (bind, Errno::PERM, ["bind(2) failed", "seccomp"]),
        (SETSOCKOPT, Errno::ACCESS, ["setsockopt(2) failed", "seccomp"]),
        (bind, Errno::ACCESS, ["bind(2) failed", "need no capability"]),
    ] {
        let result = under_filter((call, vec![]), errno, move || run(&arguments));
        assert!(!result.2.contains("setcap"), "{}", result.2);
        refused(result, &arguments, 1, &words);
    }
}

/// A socket that is bound, and does not listen.
#[test]
fn an_address_that_is_held_without_a_listener_says_so() {
    let held = socket(AddressFamily::INET);
    bind(&held, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let bound = SocketAddr::try_from(rustix::net::getsockname(&held).expect("bound")).expect("an address");
    let look = format!("ss -tanp 'sport = :{}'", bound.port());
    refuses(&["serve", "http", "--listen", &bound.to_string()], 1, &["does not listen", &look]);
}

/// /etc/hosts names ::1 almost everywhere, also where IPv6 is switched off.
#[test]
fn addresses_of_a_name_that_this_host_does_not_have_are_left_out() {
    let script = "set -e; printf '::1 localhost\\n127.0.0.1 localhost\\n::1 six\\n' > \"$HOSTS\"; \
                  mount --bind \"$HOSTS\" /etc/hosts; ip link set lo up; \
                  echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; exec \"$@\"";
    let place = Place::new("no-ipv6");
    let hosts = format!("HOSTS={}", place.0.join("hosts").display());
    let namespace =
        ["env", &hosts, "unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", script, "sh"];
    let literal = ["serve", "http", "--listen", "[::1]:8080"];
    let Some(result) = under(&namespace, &literal) else { return };
    refused(result, &literal, 1, &["[::1]:8080", "address of this host"]);
    let none_left = ["serve", "http", "--listen", "six:8080"];
    let result = under(&namespace, &none_left).expect("as before");
    refused(result, &none_left, 1, &["[::1]:8080", "address of this host"]);

    let mut command = Command::new(namespace[0]);
    command.args(&namespace[1..]).arg(c10m(&[]).get_program()).args(["serve", "http", "--listen", "localhost:8080"]);
    let server = Server::of(&mut command);
    assert_eq!(addresses(&server.ready), ["127.0.0.1:8080"]);
    assert!(notes(&server).contains("localhost:8080 is [::1]:8080 as well, which is left out"), "{}", server.ready);
    assert_eq!(server.drain().0, 0);
}

#[test]
fn a_unix_socket_that_a_dead_server_left_is_replaced_and_nothing_else_is() {
    let place = Place::new("unix");
    let mut dead = Server::start_at(&place.listen(), &["http"]);
    dead.child.kill().expect("it runs");
    dead.child.wait().expect("it ends");
    assert!(place.socket().exists(), "nobody took it away");

    let server = Server::start_at(&place.listen(), &["http", "--reactors", "2"]);
    assert_eq!(addresses(&server.ready), [place.listen()]);
    assert!(notes(&server).contains("umask, 7"), "{}", server.ready);
    get(unix(&place.socket()));
    refuses(&["serve", "http", "--listen", &place.listen()], 1, &[&place.listen(), "somebody listens", "ss -lxp"]);
    get(unix(&place.socket()));
    let (code, exit) = server.drain();
    // The second server knocked to see whether somebody is there.
    assert_eq!((code, exit["totals"]["requests"].as_u64(), exit["totals"]["accepts"].as_u64()), (0, Some(2), Some(3)));
    assert!(!place.socket().exists());

    fs::write(place.socket(), "precious").expect("a directory of ours");
    refuses(&["serve", "http", "--listen", &place.listen()], 1, &["no socket", "another path"]);
    assert_eq!(fs::read_to_string(place.socket()).expect("it is still there"), "precious");
}

/// A second signal, and a start that fails, leave no file behind.
#[test]
fn a_unix_socket_goes_however_the_server_ends() {
    let place = Place::new("ends");
    let server = Server::start_at(&place.listen(), &["http", "--drain-timeout", "1h"]);
    let mut stuck = unix(&place.socket());
    stuck.write_all(b"GET /bytes/900000000 HTTP/1.1\r\nHost: a\r\n\r\n").expect("it reads");
    stuck.read_exact(&mut [0; 100]).expect("it answers");
    server.signal(Signal::TERM);
    crate::program::eventually("the end of the file", || !place.socket().exists());
    // A successor takes the path while the other one still drains.
    let successor = UnixListener::bind(place.socket()).expect("the path is free");
    server.signal(Signal::TERM);
    assert_eq!(server.account().0, 3);
    assert!(unix(&place.socket()).peer_addr().is_ok(), "the successor's file was taken away");
    drop(successor);
    fs::remove_file(place.socket()).expect("the successor left it");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    refuses(&["serve", "http", "--listen", &format!("{},{address}", place.listen())], 1, &[&address]);
    refuses(&["serve", "http", "--listen", &place.listen(), "--cpus", "1023"], 1, &["CPU 1023"]);
    assert!(!place.socket().exists());
}

#[test]
fn sizes_and_backlog_are_set_and_what_the_kernel_cuts_is_said() {
    let server = Server::start(&["http", "--backlog", "5", "--rcvbuf", "32KiB", "--sndbuf", "65536"]);
    assert_eq!(server.ready["backlog"], 5);
    assert_eq!(
        (&server.ready["receive_buffer_bytes"], &server.ready["send_buffer_bytes"]),
        (&65_536.into(), &131_072.into())
    );
    assert_eq!(server.ready["notes"].as_array().map(Vec::len), Some(0), "{}", server.ready);
    let filter = format!("sport = :{}", server.address.port());
    match Command::new("ss").args(["-ltnH", &filter]).output() {
        Ok(output) => {
            let text = String::from_utf8(output.stdout).expect("UTF-8");
            // State, Recv-Q, and Send-Q, which is the backlog of a listener (ss(8)).
            assert!(text.lines().count() > 0, "nobody listens: {text}");
            assert!(text.lines().all(|line| line.split_whitespace().nth(2) == Some("5")), "{text}");
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI must have ss(8): {error}");
            eprintln!("skipped, there is no ss(8): {error}");
        }
    }
    get(tcp(server.address));
    drop(server);
    let server = Server::start(&["http", "--backlog", "2147483647", "--rcvbuf", "1023MiB", "--idle-timeout", "0s"]);
    for word in ["net.core.somaxconn", "net.core.rmem_max", "keep-alive"] {
        assert!(notes(&server).contains(word), "{word}: {}", server.ready);
    }
    get(tcp(server.address));
}

/// A control group of 64 MiB, as both versions show it, in a mount namespace of its own.
#[test]
fn the_default_of_buffer_memory_fits_the_control_group() {
    let place = Place::new("cgroup");
    let script = "set -e; mount -t tmpfs none /sys/fs/cgroup; mkdir /sys/fs/cgroup/memory; \
                  echo 67108864 > /sys/fs/cgroup/memory.max; echo 67108864 > /sys/fs/cgroup/memory/memory.limit_in_bytes; \
                  exec \"$@\"";
    let group = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"];
    let listen = place.listen();
    let many = ["serve", "http", "--listen", &listen, "--reactors", "9"];
    let Some(result) = under(&group, &many) else { return };
    refused(result, &many, 1, &["9 reactors need at least 4.0 MiB", "64.0 MiB", "--reactors 8", "--buffer-memory"]);
    for (reactors, asked, bytes, words) in [
        ("4", &[][..], 4 << 20, "a quarter of the control group's 64.0 MiB"),
        ("5", &[], 4 << 20, "more than a quarter of the control group's 64.0 MiB"),
        ("9", &["--buffer-memory", "4MiB"], 4 << 20, "together 36.0 MiB of the control group's 64.0 MiB"),
        ("5", &["--buffer-memory", "16MiB"], 16 << 20, "together 80.0 MiB of the control group's 64.0 MiB"),
    ] {
        let mut command = Command::new(group[0]);
        command.args(&group[1..]).arg(c10m(&[]).get_program()).args(&many[..4]).args(["--reactors", reactors]);
        let server = Server::of(command.args(asked));
        assert_eq!(server.ready["buffer_memory_bytes_per_reactor"], bytes);
        assert!(notes(&server).contains(words), "{}", server.ready);
        get(unix(&place.socket()));
        assert_eq!(server.drain().0, 0);
    }
}
