//! Starting the program and looking at what it does.

use std::fs;
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Ends a test that hangs; measures nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn c10m(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_c10m"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Exit code, stdout, stderr.
pub(crate) fn run(arguments: &[&str]) -> (i32, String, String) {
    finish(&mut c10m(arguments))
}

pub(crate) fn finish(command: &mut Command) -> (i32, String, String) {
    let output = command.output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

/// The program refuses with this code and one line that has all of `words`; it neither panics nor
/// prints anything on stdout.
pub(crate) fn refuses(arguments: &[&str], code: i32, words: &[&str]) {
    refused(run(arguments), arguments, code, words);
}

pub(crate) fn refused(result: (i32, String, String), arguments: &[&str], code: i32, words: &[&str]) {
    let (found, stdout, stderr) = result;
    assert_eq!((found, stdout.as_str()), (code, ""), "{arguments:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    // clap's usage errors take several lines, all others one.
    assert!(stderr.starts_with("error: ") || stderr.trim_end().lines().count() == 1, "{arguments:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?} does not say {word:?}: {stderr}");
    }
}

/// A server in a process of its own, killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) ready: Value,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Server {
        Server::start_at("127.0.0.1:0", arguments)
    }

    /// At these places; its address is the first of TCP.
    pub(crate) fn start_at(places: &str, arguments: &[&str]) -> Server {
        let mut command = c10m(&["serve"]);
        Server::of(command.args(arguments).args(["--listen", places]))
    }

    /// What the command starts, without its --json.
    pub(crate) fn of(command: &mut Command) -> Server {
        Server::try_of(command).unwrap_or_else(|(code, stderr)| panic!("it ended with {code:?}: {stderr}"))
    }

    /// Like `of`. When it ends before it serves, its exit code and what it said.
    pub(crate) fn try_of(command: &mut Command) -> Result<Server, (Option<i32>, String)> {
        command.arg("--json");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("UTF-8");
        if line.is_empty() {
            // Either it has ended, or it serves and could not say so.
            kill_process(Pid::from_child(&child), Signal::TERM).expect("nobody has waited for it");
            let mut stderr = String::new();
            child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("UTF-8");
            return Err((child.wait().expect("it runs").code(), stderr));
        }
        let ready: Value = serde_json::from_str(&line).expect("a JSON line");
        assert_eq!(ready["event"], "ready");
        let addresses = ready["addresses"].as_array().expect("addresses");
        assert_eq!(ready["address"], addresses[0]);
        let mut texts = addresses.iter().filter_map(Value::as_str);
        let address = texts.find_map(|text| text.parse().ok()).unwrap_or_else(|| ([0; 4], 0).into());
        Ok(Server { child, address, ready, stdout })
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// The next line, which is JSON.
    pub(crate) fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("UTF-8");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Waits for its end: the exit code and the last line. What comes before it are live counters.
    pub(crate) fn account(self) -> (i32, Value) {
        self.ended().unwrap_or_else(|(code, said)| panic!("{code:?}, no account: {said}"))
    }

    /// Like `account`; its exit code and all that it said when there was no account.
    pub(crate) fn ended(mut self) -> Result<(i32, Value), (Option<i32>, String)> {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("UTF-8");
        let code = self.child.wait().expect("it runs").code();
        let lines: Result<Vec<Value>, _> = rest.lines().map(serde_json::from_str).collect();
        match (code, lines.unwrap_or_default().as_slice()) {
            (Some(code), [stats @ .., exit])
                if exit["event"] == "exit" && stats.iter().all(|line| line["event"] == "stats") =>
            {
                Ok((code, exit.clone()))
            }
            _ => {
                self.child.stderr.take().expect("piped").read_to_string(&mut rest).expect("UTF-8");
                Err((code, rest))
            }
        }
    }

    pub(crate) fn drain(self) -> (i32, Value) {
        self.signal(Signal::TERM);
        self.account()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors mean that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pipe that has no room for another byte, and a reader that reads none.
pub(crate) fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("an option");
    for piece in [4096, 1] {
        while writer.write(&vec![b'x'; piece]).is_ok() {}
    }
    rustix::io::ioctl_fionbio(&writer, false).expect("an option");
    (reader, writer)
}

/// What any thread of a process has started.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what} never happened");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A server that has `answer` serve each connection, in a thread of its own, until the test process ends.
pub(crate) fn answering(answer: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            thread::spawn(move || answer(stream));
        }
    });
    address
}
