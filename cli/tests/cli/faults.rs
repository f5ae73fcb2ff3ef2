//! Servers whose system calls fail: strace(1) lets calls of one kind fail, by their number in each thread.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::program::{Server, eventually};

/// Which calls fail, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) call: &'static str,
    pub(crate) errno: &'static str,
    /// As strace has it: `3` the third call of each thread, `3..5` three calls, `3+` all from the third.
    pub(crate) when: String,
}

impl Fault {
    pub(crate) fn new(call: &'static str, errno: &'static str, when: impl Into<String>) -> Fault {
        Fault { call, errno, when: when.into() }
    }
}

/// Where strace writes down what it did; removed at the end.
pub(crate) struct Log {
    path: PathBuf,
}

impl Log {
    /// Whether a call was made to fail yet.
    pub(crate) fn has_hits(&self) -> bool {
        std::fs::read_to_string(&self.path).unwrap_or_default().contains("(INJECTED)")
    }

    /// How often a call was made to fail in a process that has ended.
    pub(crate) fn hits(&self, process: u32) -> usize {
        // strace is not our child; it has written everything once it has written down the end.
        let process = process.to_string();
        let mut text = String::new();
        eventually("the end of strace's log", || {
            text = std::fs::read_to_string(&self.path).unwrap_or_default();
            text.lines().rev().any(|line| line.split_whitespace().take(2).eq([process.as_str(), "+++"]))
        });
        text.matches("(INJECTED)").count()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // It is in the target's directory of temporary files: one that stays is no harm.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A server under a fault; `Err` has the exit code and the message of one that did not start.
pub(crate) fn start(fault: &Fault, arguments: &[&str]) -> (Result<Server, (Option<i32>, String)>, Log) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}-{number}", std::process::id()));
    // -D: the server is our child, and strace the server's; so its signals and its exit code are its own.
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "--seccomp-bpf", "--quiet=attach,personality", "--output"]).arg(&path);
    command.arg(format!("--trace={}", fault.call));
    command.arg(format!("--inject={}:error={}:when={}", fault.call, fault.errno, fault.when));
    command.args([env!("CARGO_BIN_EXE_c10m"), "serve"]);
    command.args(arguments).args(["--listen", "127.0.0.1:0"]).stdin(Stdio::null());
    (Server::try_of(&mut command), Log { path })
}

/// Whether there is an strace. Where there has to be one (`CI` is set), it fails without.
pub(crate) fn is_available() -> bool {
    match Command::new("strace").arg("--version").output() {
        Ok(_) => true,
        Err(error) if std::env::var_os("CI").is_some() => panic!("strace is needed: {error}; run scripts/strace.sh"),
        Err(error) => {
            eprintln!("skipped, there is no strace: {error}; run scripts/strace.sh");
            false
        }
    }
}

/// The ways of using a kernel interface that differ in their system calls.
pub(crate) const VARIANTS: [[&str; 2]; 5] =
    [["epoll", "level"], ["epoll", "edge"], ["mio", "edge"], ["io_uring", "multishot"], ["io_uring", "inline"]];

/// `http`, one reactor, this variant, and `more`.
pub(crate) fn arguments<'a>([backend, variant]: [&'a str; 2], more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["http", "--reactors", "1", "--backend", backend, "--variant", variant];
    arguments.extend(more);
    arguments
}
