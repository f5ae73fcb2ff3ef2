//! The keeper of a made-up nginx, which treats signals and the files with its number as nginx does, slowly.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::*;

/// Every number goes to `all`. Each takes half a second until it has written its own. A shell would not do: those that a
/// shell starts in the background ignore SIGQUIT, and a shell cannot change that (2.11, sh(1p)).
const NGINX: &str = r#"#!/usr/bin/env python3
import os, signal, subprocess, sys, time
def own(file):
    return os.path.exists(file) and open(file).read() == f"{os.getpid()}\n"
def end(*_):
    for file in filter(own, ("nginx.pid", "nginx.pid.oldbin")):
        os.remove(file)
    os._exit(0)
def renew(*_):
    if not os.path.exists("deaf"):
        os.rename("nginx.pid", "nginx.pid.oldbin")
        subprocess.Popen(sys.argv)
for number, action in ((signal.SIGQUIT, end), (signal.SIGTERM, end), (signal.SIGUSR2, renew)):
    signal.signal(number, action)
print(os.getpid(), file=open("all", "a"), flush=True)
time.sleep(0.5)
print(os.getpid(), file=open("nginx.pid", "w"), flush=True)
while True:
    time.sleep(0.02)  # not pause(), which misses a signal just before it
"#;

/// A directory with such a program, and its keeper.
struct Kept {
    directory: PathBuf,
    keeper: Child,
}

impl Kept {
    fn start(name: &str) -> Kept {
        let directory = std::env::temp_dir().join(format!("c10m-keeper-{}-{name}", std::process::id()));
        fs::create_dir(&directory).expect("a new directory");
        let nginx = directory.join("nginx");
        fs::write(&nginx, NGINX).expect("writable");
        fs::set_permissions(&nginx, fs::Permissions::from_mode(0o755)).expect("ours");
        let text = script("").replace("{directory}", directory.to_str().expect("UTF-8"));
        let path = format!("{}:{}", directory.display(), std::env::var("PATH").expect("a path"));
        // A pipe would not end before all that have it.
        let said = fs::File::create(directory.join("said")).expect("writable");
        let keeper = Command::new("sh").args(["-c", &text]).env("PATH", path).stderr(said).spawn();
        Kept { directory, keeper: keeper.expect("every host has a shell") }
    }

    fn running(name: &str) -> Kept {
        let kept = Kept::start(name);
        kept.wait_until("it runs", |kept| kept.number("nginx.pid").is_some());
        kept
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The number in a file. Absent while there is none.
    fn number(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.file(file)).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn tell(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.keeper), signal).expect("it runs");
    }

    fn wait_until(&self, what: &str, mut is: impl FnMut(&Kept) -> bool) {
        let begun = Instant::now();
        while !is(self) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{what} never happened");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the keeper's end; its exit code and what it said. Nothing that it started may be left.
    fn ends(mut self) -> (Option<i32>, String) {
        let status = self.keeper.wait().expect("a child");
        self.wait_until("the end of all", |kept| kept.all().iter().all(|pid| !is_alive(pid)));
        (status.code(), fs::read_to_string(self.file("said")).expect("UTF-8"))
    }

    /// The numbers of all that ever ran.
    fn all(&self) -> Vec<String> {
        let text = fs::read_to_string(self.file("all")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Of a test that failed.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
        for pid in self.all().iter().filter(|pid| is_alive(pid)) {
            let _ = pid.parse().ok().and_then(Pid::from_raw).map(|pid| kill_process(pid, Signal::KILL));
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Whether a process runs. Whoever inherits an orphan may not have noticed its end.
fn is_alive(pid: &str) -> bool {
    let is_there = pid.parse().ok().and_then(Pid::from_raw).is_some_and(|pid| test_kill_process(pid).is_ok());
    let status = fs::read_to_string(Path::new("/proc").join(pid).join("status")).unwrap_or_default();
    is_there && !status.contains("State:\tZ")
}

#[test]
fn a_program_is_replaced_as_often_as_it_is_asked_for() {
    let kept = Kept::running("replaced");
    for _ in 0..2 {
        let before = kept.number("nginx.pid");
        kept.tell(Signal::USR2);
        kept.wait_until("a new one", |kept| kept.number("nginx.pid").is_some_and(|pid| Some(pid) != before));
        let old = before.expect("it ran");
        kept.wait_until("the end of the old one", |_| !is_alive(&old));
    }
    // It is asked again before it is done; nobody is forgotten.
    kept.tell(Signal::USR2);
    kept.wait_until("the fourth", |kept| kept.all().len() == 4);
    kept.tell(Signal::USR2);
    kept.wait_until("the fifth", |kept| kept.all().len() == 5);
    kept.tell(Signal::TERM);
    assert_eq!(kept.ends(), (Some(0), String::new()));
}

#[test]
fn none_is_left_when_the_end_comes_between_two() {
    let kept = Kept::running("between");
    kept.tell(Signal::USR2);
    kept.wait_until("the moment between two", |kept| kept.all().len() == 2 && kept.number("nginx.pid").is_none());
    kept.tell(Signal::TERM);
    assert_eq!(kept.ends(), (Some(0), String::new()));
}

#[test]
fn none_is_left_when_the_end_comes_before_the_first_is_ready() {
    let kept = Kept::start("early");
    kept.wait_until("a beginning", |kept| kept.all().len() == 1);
    kept.tell(Signal::TERM);
    assert_eq!(kept.ends(), (Some(0), String::new()));
}

#[test]
fn one_that_does_not_listen_is_ended_and_named() {
    let kept = Kept::running("deaf");
    fs::write(kept.file("deaf"), "").expect("writable");
    kept.tell(Signal::USR2);
    let (code, said) = kept.ends();
    assert_eq!(code, Some(1));
    assert!(said.contains("nginx was not replaced: [ -e nginx.pid.oldbin ]"), "{said}");
}
