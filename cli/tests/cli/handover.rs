//! Hot restart as a user meets it: processes that take over from each other, and sockets that a service manager passes.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::net::{AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::program::{Server, c10m, eventually, refused, refuses};
use crate::serve::{connect, get};

/// A path for a hand-over, and its directory.
struct Door(PathBuf);

impl Door {
    fn new(name: &str) -> Door {
        let directory = std::env::temp_dir().join(format!("c10m-handover-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory for temporary files");
        Door(directory)
    }

    fn path(&self) -> String {
        self.0.join("door").to_str().expect("UTF-8").to_owned()
    }

    fn serve(&self, places: &str, more: &[&str]) -> Server {
        let path = self.path();
        Server::start_at(places, &[&["http", "--handover", &path], more].concat())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn processes_take_over_from_each_other_under_load() {
    let door = Door::new("load");
    let mut server = door.serve("127.0.0.1:0", &["--reactors", "2"]);
    let address = server.address.to_string();
    let target = format!("http://{address}/");
    // Half of the connections carry one request each, half as many as they can.
    let loads: Vec<std::process::Child> = ["1", "0"]
        .map(|each| {
            let mut load =
                c10m(&["load", &target, "--connections", "8", "--rate", "1000", "--requests-per-connection"]);
            load.args([each, "--warmup", "0s", "--duration", "3s", "--json"]).stdout(Stdio::piped());
            load.spawn().expect("the program starts")
        })
        .into();
    for reactors in ["2", "1", "3", "2"] {
        std::thread::sleep(std::time::Duration::from_millis(300));
        let successor = door.serve(&address, &["--reactors", reactors]);
        assert_eq!(successor.ready["inherited"], json!({"from": "predecessor", "pid": server.child.id()}));
        assert_eq!(server.line(), json!({"event": "handover", "successor_pid": successor.child.id(), "done": true}));
        // It ends by itself.
        let (code, exit) = server.account();
        assert_eq!((code, exit["totals"]["queue_resets"].as_u64()), (0, Some(0)));
        server = successor;
    }
    for load in loads {
        let output = load.wait_with_output().expect("it runs");
        let record: Value = serde_json::from_slice(&output.stdout).expect("a record");
        let (requests, connections) = (&record["requests"], &record["connections"]);
        for lost in [&requests["failed"], &requests["timed_out"], &requests["censored"], &connections["failed"]] {
            assert_eq!(lost, 0, "{requests} {connections}");
        }
        assert!(requests["completed"].as_u64() > Some(1000), "{requests}");
    }
    assert_eq!(server.drain().0, 0);
    assert!(!fs::exists(door.path()).expect("readable"));
}

/// A successor that dies before it is ready, and one that is killed afterwards: the first costs nothing, the second only
/// itself.
#[test]
fn whoever_dies_on_the_way_takes_nobody_along() {
    let door = Door::new("dies");
    let mut old = door.serve("127.0.0.1:0", &[]);
    let dying = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("a socket");
    rustix::net::connect(&dying, &SocketAddrUnix::new(door.path()).expect("short")).expect("the door is open");
    let (len, _) = rustix::net::recv(&dying, &mut [0; 1000], RecvFlags::empty()).expect("an offer");
    assert!(len > 0);
    drop(dying);
    let told = old.line();
    assert_eq!((&told["event"], &told["done"]), (&json!("handover"), &json!(false)));
    assert!(told["failure"].as_str().is_some_and(|cause| cause.contains("gone")), "{told}");
    get(&mut connect(&old));
    let address = old.address.to_string();
    let mut new = door.serve(&address, &[]);
    assert_eq!(old.line()["done"], true);
    assert_eq!(old.account().0, 0);
    new.child.kill().expect("it runs");
    new.child.wait().expect("it was killed");
    // What it left at the path is replaced, since nobody listens there.
    let next = door.serve(&address, &[]);
    assert_eq!(next.ready["inherited"], Value::Null);
    get(&mut connect(&next));
    assert_eq!(next.drain().0, 0);
}

#[test]
fn what_cannot_be_handed_over_is_refused_with_cause_and_fix() {
    let door = Door::new("refused");
    let path = door.path();
    let _other = UnixDatagram::bind(&path).expect("a socket");
    refuses(&["serve", "http", "--listen", "0", "--handover", &path], 1, &[&path, "another type", "another path"]);
    fs::remove_file(&path).expect("ours");
    fs::write(&path, "precious").expect("writable");
    refuses(&["serve", "http", "--listen", "0", "--handover", &path], 1, &[&path, "no socket", "another path"]);
    fs::remove_file(&path).expect("ours");
    refuses(
        &["serve", "http", "--listen", "0", "--handover", "/nonexistent/door"],
        1,
        &["/nonexistent/door", "exists"],
    );
    refuses(&["serve", "http", "--handover", &"x".repeat(108)], 2, &["--handover", "room for 107"]);
    refuses(&["serve", "http", "--handover", ""], 2, &["--handover"]);

    let old = door.serve("127.0.0.1:0", &["--reactors", "2"]);
    let address = old.address.to_string();
    let pid = old.child.id().to_string();
    let other = ["serve", "echo", "--listen", &address, "--handover", &path];
    refuses(&other, 1, &[&pid, "serves http", "echo"]);
    let elsewhere = ["serve", "http", "--listen", "127.0.0.1:1", "--handover", &path];
    refuses(&elsewhere, 1, &[&pid, &address, &format!("--listen {address}")]);
    let uneven = ["serve", "http", "--listen", &address, "--handover", &path, "--balance", "cpu", "--reactors", "3"];
    refuses(&uneven, 1, &["2 sockets", "3 reactors", "--reactors 2"]);
    get(&mut connect(&old));
    old.signal(Signal::TERM);
    // They were told, too.
    let (code, said) = old.ended().expect_err("lines between the first and the last");
    assert_eq!((code, said.matches("\"done\":false").count()), (Some(0), 3), "{said}");
}

#[test]
fn who_never_answers_is_not_waited_for_without_end() {
    let door = Door::new("silent");
    let silent = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("a socket");
    rustix::net::bind(&silent, &SocketAddrUnix::new(door.path()).expect("short")).expect("a free path");
    rustix::net::listen(&silent, 8).expect("it is bound");
    let us = std::process::id().to_string();
    refuses(
        &["serve", "http", "--listen", "0", "--handover", &door.path()],
        1,
        &[&us, "no answer within 10 s", "choose another path"],
    );
}

/// Both listen at the same port, each with sockets of its own.
#[test]
fn a_port_is_shared_on_request_only() {
    let one = Server::start(&["http"]);
    let address = one.address.to_string();
    refuses(&["serve", "http", "--listen", &address], 1, &["in use"]);
    let other = Server::start_at(&address, &["http", "--share-port"]);
    let shared = one.address;
    assert_eq!((other.address, one.drain().0), (shared, 0));
    get(&mut connect(&other));
    assert_eq!(other.drain().0, 0);
    refuses(&["serve", "http", "--listen", "unix:x", "--share-port"], 2, &["--share-port", "TCP"]);
}

/// Starts the program as a service manager does: with `socket` as descriptor 3.
fn passed(socket: OwnedFd, count: &str, arguments: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS={count} exec \"$0\" \"$@\"");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_c10m"), "serve", "http"]).args(arguments).stdin(socket);
    shell
}

#[test]
fn sockets_of_a_service_manager_are_served() {
    for backend in ["epoll", "mio", "io_uring"] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        // This connection was there before the server.
        let mut early = TcpStream::connect(address).expect("it listens");
        let keeper = listener.try_clone().expect("a descriptor");
        let server = Server::of(&mut passed(listener.into(), "1", &["--backend", backend, "--reactors", "2"]));
        assert_eq!((server.address, &server.ready["inherited"]), (address, &json!({"from": "environment"})));
        get(&mut early);
        get(&mut connect(&server));
        let child = fs::read(format!("/proc/{}/environ", server.child.id())).expect("ours");
        assert!(String::from_utf8_lossy(&child).contains("LISTEN_FDS=1"), "it was started with it");
        drop(early);
        let (code, exit) = server.drain();
        assert_eq!((code, exit["totals"]["requests"].as_u64()), (0, Some(2)), "{backend}");
        // The manager still listens, and who comes meanwhile is served by the next server that it starts.
        let mut between = TcpStream::connect(address).expect("the manager listens");
        let next = Server::of(&mut passed(keeper.into(), "1", &["--backend", backend]));
        get(&mut between);
        drop(between);
        assert_eq!(next.drain().0, 0);
    }
}

#[test]
fn what_a_service_manager_passes_wrongly_is_refused() {
    let refused = |socket: OwnedFd, count: &str, arguments: &[&str], code: i32, words: &[&str]| {
        let output = passed(socket, count, arguments).stderr(Stdio::piped()).output().expect("the shell runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let result = (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr));
        refused(result, arguments, code, words);
    };
    let listener = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let deaf = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket");
    refused(deaf, "1", &[], 1, &["LISTEN_FDS", "descriptor 3 does not listen", "sd_listen_fds(3)"]);
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    refused(datagrams.into(), "1", &[], 1, &["descriptor 3"]);
    refused(fs::File::open("/dev/null").expect("it is there").into(), "1", &[], 1, &["descriptor 3"]);
    refused(listener(), "2", &[], 1, &["descriptor 4"]);
    refused(listener(), "many", &[], 1, &["\"many\"", "no number"]);
    refused(listener(), "99999999999", &[], 1, &["at most 1024"]);
    refused(listener(), "0", &[], 1, &["LISTEN_FDS is 0"]);
    refused(listener(), "1", &["--listen", "0"], 2, &["--listen", "LISTEN_FDS"]);
    refused(listener(), "1", &["--handover", "x"], 2, &["--handover", "LISTEN_FDS"]);
    // Meant for another process: an ordinary start.
    let mut command = c10m(&["serve", "http", "--listen", "127.0.0.1:0"]);
    let server = Server::of(command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1"));
    assert_eq!(server.ready["inherited"], Value::Null);
    eventually("it serves", || TcpStream::connect(server.address).is_ok());
    assert_eq!(server.drain().0, 0);
}
