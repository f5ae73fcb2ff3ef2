//! What `c10m serve` says: to readers who do not read, to full disks, at intervals, and in its help.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use server::Variant;

use crate::program::{PATIENCE, Server, c10m, eventually, full_pipe, refuses, run};

/// A server that is seen to serve by its unix socket, because what it says may reach nobody.
struct Quiet {
    child: Child,
    path: PathBuf,
}

impl Quiet {
    fn start(name: &str, arguments: &[&str], stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Quiet {
        let path = std::env::temp_dir().join(format!("c10m-output-{name}-{}", std::process::id()));
        let listen = format!("unix:{}", path.display());
        let mut command = c10m(&["serve", "http", "--reactors", "1", "--listen", &listen]);
        let child = command.args(arguments).stdout(stdout).stderr(stderr).spawn().expect("the program starts");
        let server = Quiet { child, path };
        eventually("a server that listens", || UnixStream::connect(&server.path).is_ok());
        server
    }

    /// Its exit code after one SIGTERM.
    fn drain(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        self.child.wait().expect("it ends").code()
    }

    fn stderr(&mut self) -> impl Read + use<> {
        self.child.stderr.take().expect("piped")
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Errors mean that it has ended, and taken its socket away.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.path);
    }
}

fn text(mut stream: impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("UTF-8");
    text
}

/// The announcement waits in a full pipe; a signal must not wait behind it.
#[test]
fn a_reader_that_does_not_read_holds_up_no_signal() {
    let (reader, writer) = full_pipe();
    let mut server = Quiet::start("full", &["--json"], writer, Stdio::piped());
    let stderr = server.stderr();
    assert_eq!(server.drain(), Some(1), "the account is lost");
    let said = text(stderr);
    assert!(said.contains("cannot write the account to stdout: nobody reads it"), "{said}");
    drop(reader);

    // The same for people: their line is on stderr.
    let (reader, writer) = full_pipe();
    let server = Quiet::start("full-stderr", &[], Stdio::null(), writer);
    assert_eq!(server.drain(), Some(1), "the account is lost");
    drop(reader);
}

#[test]
fn an_account_that_cannot_be_written_is_a_failure_that_is_said() {
    let full = || File::options().write(true).open("/dev/full").expect("every Linux has it");
    let mut server = Quiet::start("devfull", &["--json"], full(), Stdio::piped());
    let stderr = server.stderr();
    assert_eq!(server.drain(), Some(1));
    let said = text(stderr);
    assert!(said.contains("cannot write to stdout: No space left"), "it is said at once: {said}");
    assert!(said.contains("cannot write the account to stdout: No space left"), "{said}");

    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let mut server = Quiet::start("gone", &["--json"], writer, Stdio::piped());
    let stderr = server.stderr();
    assert_eq!(server.drain(), Some(1));
    assert!(text(stderr).contains("cannot write the account to stdout: Broken pipe"));

    // Where stderr is no better the exit code is all there is, and it is not that of a panic.
    for (name, arguments) in [("both", &["--json"][..]), ("people", &[])] {
        assert_eq!(Quiet::start(name, arguments, full(), full()).drain(), Some(1));
    }
}

#[test]
fn a_closed_stderr_is_no_panic() {
    let closed = || io::pipe().expect("a pipe").1;
    // Its account is on stdout, so nothing is missing.
    assert_eq!(Quiet::start("closed", &["--json"], Stdio::null(), closed()).drain(), Some(0));
    assert_eq!(Quiet::start("closed-people", &[], Stdio::null(), closed()).drain(), Some(1));
    for (arguments, code) in [
        (&["serve", "http", "--listen", "192.0.2.1:1"][..], 1),
        (&["serve", "http", "--backend", "kqueue"], 2),
        (&["report", "/nonexistent"], 2),
    ] {
        let status = c10m(arguments).stdout(Stdio::null()).stderr(closed()).status().expect("the program starts");
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn live_counters_come_at_intervals_until_the_end() {
    let mut server = Server::start(&["http", "--reactors", "2", "--stats", "100ms"]);
    let mut streams: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(server.address).expect("it listens")).collect();
    let mut requests = 0.0;
    let mut before = server.ready["elapsed_s"].as_f64().unwrap_or(0.0);
    loop {
        let line = server.line();
        assert_eq!((&line["event"], &line["reactors"]), (&"stats".into(), &2.into()), "{line}");
        let elapsed = line["elapsed_s"].as_f64().expect("seconds");
        requests += line["requests_per_s"].as_f64().expect("a rate") * (elapsed - before);
        before = elapsed;
        if line["connections"] == 5 && requests > 0.0 {
            break;
        }
        for stream in &mut streams {
            stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("it reads");
            stream.read_exact(&mut [0; 12]).expect("it answers");
        }
    }
    drop(streams);
    let mut closed = 0;
    while closed < 5 {
        let line = server.line();
        closed +=
            line["closes"].as_object().expect("an object").values().filter_map(|count| count.as_u64()).sum::<u64>();
    }
    let (code, exit) = server.drain();
    assert_eq!((code, exit["totals"]["accepts"].as_u64(), exit["lines_lost"].as_u64()), (0, Some(5), Some(0)));
}

/// One connection is busy until the end, so the drain takes some lines' time.
#[test]
fn live_counters_go_on_while_it_drains() {
    let mut server = Server::start(&["http", "--reactors", "1", "--stats", "100ms", "--drain-timeout", "1h"]);
    let mut stuck = TcpStream::connect(server.address).expect("it listens");
    stuck.write_all(b"GET /bytes/900000000 HTTP/1.1\r\nHost: a\r\n\r\n").expect("it reads");
    stuck.read_exact(&mut [0; 100]).expect("it answers");
    while server.line()["connections"] != 1 {}
    server.signal(Signal::TERM);
    while server.line()["draining"] != true {}
    server.signal(Signal::TERM);
    assert_eq!(server.account().0, 3);
}

#[test]
fn people_read_live_counters_on_stderr() {
    let mut server = Quiet::start("people-stats", &["--stats", "100ms"], Stdio::null(), Stdio::piped());
    let mut stderr = server.stderr();
    let mut said = String::new();
    while !said.contains(" requests/s, ") {
        let mut byte = [0];
        stderr.read_exact(&mut byte).expect("it goes on");
        said.push(char::from(byte[0]));
    }
    assert_eq!(server.drain(), Some(0));
}

/// One list names what there is: the parser's, the help's, the table in docs/ and the refusals say the same.
#[test]
fn help_names_every_backend_and_variant() {
    let (code, help, _) = run(&["serve", "--help"]);
    assert_eq!(code, 0);
    let help: String = help.split_whitespace().collect::<Vec<&str>>().join(" ");
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/backends.md");
    let document = std::fs::read_to_string(document).expect("it is there");
    // Rows of `| backend | variants | what |`; where the backend is left out, it is that of the row above.
    let mut table: Vec<(String, &str)> = Vec::new();
    for row in document.lines().skip_while(|line| !line.starts_with("| `--backend` | `--variant`")).skip(2) {
        let mut cells = row.split('|').skip(1).map(str::trim);
        let (Some(backend), Some(variants)) = (cells.next(), cells.next()) else { break };
        let backend = backend.trim_matches('`').to_owned();
        let above = table.last().map(|(backend, _)| backend.clone()).unwrap_or_default();
        table.push((if backend.is_empty() { above } else { backend }, variants));
    }
    for backend in Variant::backends() {
        let names: Vec<&str> = Variant::variants_of(backend).map(Variant::variant).collect();
        let listed = format!("{backend}: {}.", names.join(", "));
        assert!(help.contains(&listed), "{listed:?} is not in the help: {help}");
        for name in &names {
            let is_there = table.iter().any(|(of, row)| of == backend && row.contains(&format!("`{name}`")));
            assert!(is_there, "docs/backends.md does not know {backend} {name}");
        }
        refuses(&["serve", "http", "--backend", backend, "--variant", "best"], 2, &[&names.join(", ")]);
    }
    assert!(help.contains(&format!("{}, or auto", Variant::backends().join(", "))), "{help}");
}
