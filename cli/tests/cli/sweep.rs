//! The Nth call of each kind fails, N = 1, 2, … until a run meets the fault no more: whatever a system call
//! says, the server neither panics nor hangs, and serves on.
//!
//! The gate runs what has found faults. `C10M_SWEEP=all` runs every call of every variant; another value
//! runs the calls whose names contain it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::faults::{self, Fault, VARIANTS, arguments, is_available};
use crate::program::{PATIENCE, Server};
use crate::serve::GET;

/// A call, what it may say, and for whom: `-` all variants.
type Row = (&'static str, &'static [&'static str], &'static str);

/// Calls that can fail at all, and errors that come from outside: a shortage, or an interruption. Not among
/// them: close(2), because a call that strace lets fail does not happen and so leaks; and memory for the
/// process itself, whose want ends any Rust program.
const CALLS: &[Row] = &[
    ("socket", &["EMFILE", "ENOBUFS"], "-"),
    ("bind", &["ENOMEM"], "-"),
    ("listen", &["ENOMEM"], "-"),
    ("setsockopt", &["ENOMEM", "ENOBUFS"], "-"),
    ("getsockname", &["ENOBUFS"], "-"),
    ("getsockopt", &["ENOBUFS"], "-"),
    ("ioctl", &["ENOMEM"], "-"),
    ("eventfd2", &["EMFILE", "ENOMEM"], "-"),
    ("close_range", &["ENOMEM"], "-"),
    ("sched_setaffinity", &["ENOMEM"], "-"),
    ("clone3", &["EAGAIN"], "-"),
    ("poll", &["ENOMEM", "EINTR"], "-"),
    ("shutdown", &["ENOBUFS"], "-"),
    ("write", &["ENOMEM", "EINTR"], "-"),
    ("accept4", &["EMFILE", "ENOMEM", "ECONNABORTED", "EINTR", "EINVAL"], "epoll mio"),
    ("recvfrom", &["ENOMEM", "EINTR", "ECONNRESET"], "epoll mio"),
    ("sendto", &["ENOMEM", "EINTR", "EPIPE"], "epoll mio"),
    ("epoll_create1", &["EMFILE", "ENOMEM"], "epoll mio"),
    ("epoll_ctl", &["ENOSPC", "ENOMEM"], "epoll mio"),
    ("epoll_wait", &["EINTR", "ENOMEM"], "mio"),
    ("epoll_pwait2", &["EINTR", "ENOMEM"], "epoll"),
    ("io_uring_setup", &["ENOMEM", "EMFILE", "EPERM"], "io_uring"),
    ("io_uring_register", &["ENOMEM", "EMFILE"], "io_uring"),
    ("io_uring_enter", &["ENOMEM", "EAGAIN", "EBUSY", "EINTR", "EBADR"], "io_uring"),
];

/// Those of them that once ended a server, lost a connection, held a drain, or left a reader waiting.
const GATE: &[Row] = &[
    ("setsockopt", &["ENOMEM"], "-"),
    ("write", &["ENOMEM"], "-"),
    ("accept4", &["EINVAL"], "epoll mio"),
    ("epoll_ctl", &["ENOSPC"], "epoll mio"),
    ("io_uring_enter", &["ENOMEM"], "io_uring"),
];
/// Longest series of the gate.
const GATE_MAX: u32 = 6;
/// Longest series of all: the conversation makes fewer calls of any kind.
const SERIES_MAX: u32 = 400;
/// Runs at the same time: they wait most of the time.
const RUNS_AT_ONCE: usize = 6;

#[test]
fn whatever_call_fails_the_server_serves_on_and_ends() {
    if !is_available() {
        return;
    }
    let wish = std::env::var("C10M_SWEEP").unwrap_or_default();
    let (rows, series_max) = if wish.is_empty() { (GATE, GATE_MAX) } else { (CALLS, SERIES_MAX) };
    let all = wish.is_empty() || wish == "all";
    let series: Vec<(Fault, [&str; 2])> = rows
        .iter()
        .filter(|(call, ..)| all || call.contains(&wish))
        .flat_map(|(call, errors, backends)| errors.iter().map(move |error| (Fault::new(call, error, ""), *backends)))
        .flat_map(|(fault, backends)| VARIANTS.map(|variant| (fault.clone(), backends, variant)))
        .filter(|(_, backends, variant)| *backends == "-" || backends.contains(variant[0]))
        .map(|(fault, _, variant)| (fault, variant))
        .collect();
    let (next, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let found: Vec<String> = thread::scope(|scope| {
        let sweep = || {
            let mut found = Vec::new();
            while let Some((fault, variant)) = series.get(next.fetch_add(1, Ordering::Relaxed)) {
                for number in 1..=series_max {
                    runs.fetch_add(1, Ordering::Relaxed);
                    let fault = Fault { when: number.to_string(), ..fault.clone() };
                    match run(&fault, *variant) {
                        Ok(true) => {}
                        Ok(false) => break,
                        Err(what) => {
                            // At once, because all of it takes long.
                            let what = format!("{variant:?} {fault:?}: {what}");
                            eprintln!("{what}");
                            found.push(what);
                        }
                    }
                }
            }
            found
        };
        let threads: Vec<_> = (0..RUNS_AT_ONCE).map(|_| scope.spawn(sweep)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let runs = runs.into_inner();
    eprintln!("{} series, {runs} runs", series.len());
    assert!(runs > series.len(), "no fault was ever met");
    assert!(found.is_empty(), "{} of {runs} runs failed:\n{}", found.len(), found.join("\n"));
}

/// One run. Whether the fault was met; what went wrong.
fn run(fault: &Fault, variant: [&str; 2]) -> Result<bool, String> {
    let more = ["--idle-timeout", "200ms", "--drain-timeout", "3s"];
    let (server, log) = faults::start(fault, &arguments(variant, &more));
    let server = match server {
        Ok(server) => server,
        Err((code, stderr)) => {
            let is_said = code == Some(1) && stderr.contains("failed") || stderr.contains("os error");
            // The loader of the C library has its own way to say it.
            let is_loader = code == Some(127) && stderr.contains("shared libraries");
            let is_panic = stderr.contains("panicked");
            return if (is_said || is_loader || is_mute(fault, code)) && !is_panic {
                Ok(true)
            } else {
                Err(format!("{code:?}: {stderr}"))
            };
        }
    };
    let descriptors = descriptors(&server);
    converse(&server);
    // Whoever met the fault, the next are served.
    let mut answers = 0;
    let start = Instant::now();
    while answers < 2 {
        if start.elapsed() > PATIENCE / 4 {
            return Err("new requests are not answered".to_owned());
        }
        answers += u32::from(ask(&server).is_some());
    }
    let mut now = 0;
    let leaks = !holds(|| {
        now = self::descriptors(&server);
        now <= descriptors
    });
    if leaks {
        return Err(format!("{descriptors} descriptors became {now}"));
    }
    let process = server.child.id();
    match end(server) {
        Err((code, said)) if is_mute(fault, code) && said.is_empty() || said.contains("cannot write the account") => {
            Ok(true)
        }
        Err((code, said)) => Err(format!("exit code {code:?}: {said}")),
        Ok(exit) => check(&exit).map(|()| log.hits(process) > 0),
    }
}

/// Two connections: one asks, takes a long reply, and closes; the other asks and is closed for idleness.
fn converse(server: &Server) {
    let idle = ask(server);
    if let Some(mut long) = ask(server) {
        // Any of this may meet the fault.
        let _ = long.write_all(b"GET /bytes/300000 HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut left = vec![0; 300_000];
        let _ = long.read_exact(&mut left);
    }
    if let Some(mut idle) = idle {
        let _ = idle.read(&mut [0]);
    }
}

/// A connection that got an answer.
fn ask(server: &Server) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(server.address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(GET).ok()?;
    let mut reply = [0; 500];
    let len = stream.read(&mut reply).ok()?;
    reply[..len].starts_with(b"HTTP/1.1 200").then_some(stream)
}

/// A server that cannot write says all that is left to say with its exit code.
fn is_mute(fault: &Fault, code: Option<i32>) -> bool {
    fault.call == "write" && code == Some(1)
}

/// The account, or the exit code and what was said without one.
fn end(server: Server) -> Result<Value, (Option<i32>, String)> {
    // In the drain there is somebody who has asked, and somebody who has not.
    let guests = (ask(&server), TcpStream::connect(server.address).ok());
    server.signal(Signal::TERM);
    drop(guests);
    let pid = server.pid();
    let (sender, over) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            // A signal whose way to the server was the call that failed is sent again, as people do.
            for _ in 0..3 {
                if over.recv_timeout(PATIENCE / 6).is_ok() {
                    return;
                }
                let _ = rustix::process::kill_process(pid, Signal::TERM);
            }
            if over.recv_timeout(PATIENCE / 6).is_err() {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        });
        let ended = server.ended();
        let _ = sender.send(());
        match ended {
            Ok((0 | 3, exit)) => Ok(exit),
            Ok((code, exit)) => Err((Some(code), exit.to_string())),
            Err(no_account) => Err(no_account),
        }
    })
}

/// What must hold however it ended.
fn check(exit: &Value) -> Result<(), String> {
    let totals = &exit["totals"];
    let closes: u64 = totals["closes"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
    let buffers = exit["reactors"].as_array().into_iter().flatten().any(|reactor| reactor["buffers_in_use"] != 0);
    if totals["accepts"].as_u64() != Some(closes) || buffers {
        return Err(format!("the account does not add up: {exit}"));
    }
    Ok(())
}

/// Descriptors of all threads: reactors have tables of their own. Workers of io_uring share one of them.
fn descriptors(server: &Server) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.child.id())).into_iter().flatten().flatten();
    let is_worker = |thread: &Path| std::fs::read_to_string(thread.join("comm")).is_ok_and(|it| it.starts_with("iou-"));
    let threads = threads.map(|thread| thread.path()).filter(|thread| !is_worker(thread));
    threads.filter_map(|thread| std::fs::read_dir(thread.join("fd")).ok()).map(Iterator::count).sum()
}

/// Whether `done` comes true in time.
fn holds(mut done: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE / 4 {
        if done() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
}
