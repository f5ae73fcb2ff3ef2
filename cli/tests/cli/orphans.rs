//! Nothing that `bench` starts outlives it, however it ends; and what some other one has left is refused by name.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::interchange::python_command;
use crate::program::{Server, c10m, children, eventually, finish};
use crate::scratch::Scratch;
use crate::serve_listen::is_allowed;

/// A process, told from a later one of the same number by the time of its start.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    pid: u32,
    start_ticks: String,
}

impl Known {
    /// `None` when it has ended, whether or not somebody has waited for it.
    fn of(pid: u32) -> Option<Known> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // State and start are fields 3 and 22 (proc_pid_stat(5)).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        (fields[0] != "Z" && fields[0] != "X").then(|| Known { pid, start_ticks: fields[19].to_owned() })
    }

    fn is_gone(&self) -> bool {
        Known::of(self.pid).as_ref() != Some(self)
    }
}

fn start(arguments: &[&str]) -> Child {
    c10m(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

/// Those of `bench`, as soon as there are `count`.
fn children_of(bench: u32, count: usize) -> Vec<Known> {
    let mut found = Vec::new();
    eventually("the processes of a run", || {
        found = children(bench).into_iter().filter_map(Known::of).collect();
        found.len() >= count
    });
    found
}

fn all_end(children: &[Known]) {
    assert!(!children.is_empty());
    eventually("the end of what it started", || children.iter().all(Known::is_gone));
}

/// The tie is to a thread: in `c10m` that of the step, which is not the first one. Needs CAP_SYS_ADMIN, like that.
#[test]
fn a_killed_bench_takes_server_probe_and_generator_with_it() {
    for (experiment, count) in [("smoke", 2), ("c10m", 3)] {
        let scratch = Scratch::new(&format!("killed-{experiment}"));
        let mut bench = start(&["bench", experiment, "--noisy", "--out", &scratch.path("out")]);
        let children = children_of(bench.id(), count);
        bench.kill().expect("it runs");
        bench.wait().expect("ours");
        all_end(&children);
    }
}

/// A server with workers has to be asked to end: the kernel tells its master, and nobody tells the workers.
#[test]
fn a_killed_bench_takes_the_workers_of_a_foreign_server_with_it() {
    let scratch = Scratch::new("killed-workers");
    let (nginx, pids) = (scratch.path("nginx"), scratch.path("pids"));
    let script = format!(
        "#!/bin/sh\ncase $1 in -v|-V) echo 'nginx version: none/1' >&2; exit;; esac\n\
         sleep 1000 & worker=$!\ntrap 'kill $worker; exit' TERM\necho $$ $worker >'{pids}.new'; mv '{pids}.new' '{pids}'\nwait\n"
    );
    fs::write(&nginx, script).expect("writable");
    fs::set_permissions(&nginx, fs::Permissions::from_mode(0o755)).expect("ours");
    let path = format!("{}:{}", scratch.0.display(), std::env::var("PATH").expect("a path"));
    let out = scratch.path("out");
    let arguments = ["bench", "generator", "--repeats", "1", "--seconds", "0.1", "--noisy", "--out", &out];
    let mut command = c10m(&arguments);
    let mut bench = command
        .env("PATH", path)
        .env("TMPDIR", &scratch.0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut found = Vec::new();
    eventually("the server and its worker", || {
        let text = fs::read_to_string(&pids).unwrap_or_default();
        found = text.split_whitespace().filter_map(|pid| Known::of(pid.parse().ok()?)).collect();
        found.len() == 2
    });
    bench.kill().expect("it runs");
    bench.wait().expect("ours");
    all_end(&found);
}

/// The terminal goes, and stderr with it: an interruption like any other, and no panic.
#[test]
fn a_terminal_that_goes_interrupts() {
    const HANG_UP: &str = "
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
print(pid, flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    if select.select([terminal], [], [], 0.05)[0]:
        os.read(terminal, 65536)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";
    let scratch = Scratch::new("hang-up");
    let out = scratch.path("out");
    let mut command = python_command();
    command.args(["-c", HANG_UP, env!("CARGO_BIN_EXE_c10m")]);
    command.args(["bench", "smoke", "--profile", "full", "--noisy", "--out", &out]).env("TERM", "xterm");
    let mut terminal = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    let mut said = BufReader::new(terminal.stdout.take().expect("piped")).lines().map(|line| line.expect("UTF-8"));
    let bench: u32 = said.next().expect("a line").parse().expect("a number");
    let children = children_of(bench, 2);
    terminal.stdin.take().expect("piped").write_all(b"\n").expect("it reads");
    assert_eq!(said.next().as_deref(), Some("1"), "the exit code of an interruption");
    terminal.wait().expect("ours");
    all_end(&children);
    let journal = format!("{out}/.smoke-full.unfinished/journal.jsonl");
    assert!(fs::metadata(journal).is_ok(), "what is finished is kept");
}

/// SIGHUP twice, as from a terminal and from the shell on it, is one order to end.
#[test]
fn a_hang_up_drains_a_server_and_ends_a_load_in_order() {
    let mut server = Server::start(&["echo", "--stats", "100ms"]);
    let target = format!("tcp://{}", server.address);
    let arguments = ["load", &target, "-c", "2", "-d", "1h", "--warmup", "0s", "--json"];
    let load = c10m(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
    while server.line()["requests_per_s"].as_f64() == Some(0.0) {}
    for _ in 0..2 {
        kill_process(Pid::from_child(&load), Signal::HUP).expect("it runs");
    }
    let output = load.wait_with_output().expect("ours");
    let record: Value = serde_json::from_slice(&output.stdout).expect("the record of an interrupted run");
    assert_eq!(record["interrupted"], true);
    for _ in 0..2 {
        server.signal(Signal::HUP);
    }
    let (code, exit) = server.account();
    assert_eq!((code, &exit["event"]), (0, &Value::from("exit")));
}

/// nohup(1) ignores SIGHUP for what it starts, and that is meant.
#[test]
fn what_nohup_starts_stays() {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(c10m(&[]).get_program());
    command.args(["serve", "echo", "--listen", "127.0.0.1:0", "--reactors", "1", "--stats", "100ms"]);
    let mut server = Server::of(&mut command);
    server.signal(Signal::HUP);
    // Whatever a signal does, it has done after some turns of the clock.
    for _ in 0..5 {
        assert_ne!(server.line()["draining"], true);
    }
    assert_eq!(server.drain().0, 0);
}

/// A PID namespace of its own, so that other tests see nothing of what is planted.
const ALONE: [&str; 6] = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];

/// Runs a script in there; its first argument is `out`.
fn planted(script: &str, out: &str) -> (i32, String, String) {
    let mut command = Command::new(ALONE[0]);
    command.args(&ALONE[1..]).args(["sh", "-c", script, env!("CARGO_BIN_EXE_c10m"), out]).stdin(Stdio::null());
    finish(&mut command)
}

#[test]
fn what_a_killed_bench_has_left_is_refused_by_name() {
    if !is_allowed(&ALONE) {
        return;
    }
    let scratch = Scratch::new("planted");
    let out = scratch.path("out");
    // One is marked by its environment, the other one by the directory it works in, and the third one not at all.
    let script = format!(
        "C10M_RUN=99999-7 sleep 1001 & cd '{}'; sleep 1002 & cd /; sleep 1003 & exec \"$0\" bench smoke --noisy --out \"$1\"",
        scratch.path("c10m-run-99999-7-nginx-1")
    );
    fs::create_dir(scratch.path("c10m-run-99999-7-nginx-1")).expect("writable");
    let (code, stdout, stderr) = planted(&script, &out);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    for words in ["(`sleep 1001`)", "(`sleep 1002`)", "left over from an earlier experiment", "`kill -9 "] {
        assert!(stderr.contains(words), "no {words}: {stderr}");
    }
    assert!(!stderr.contains("1003") && fs::metadata(&out).is_err(), "{stderr}");

    let script = "sleep 1001 & exec \"$0\" bench smoke --noisy --repeats 1 --out \"$1\"";
    let (code, _, stderr) = planted(script, &out);
    assert!(matches!(code, 0 | 4), "{stderr}");
}

#[test]
fn another_experiment_that_measures_is_waited_for() {
    if !is_allowed(&ALONE) {
        return;
    }
    let scratch = Scratch::new("rival");
    // Its `bench` is the shell, which lives.
    let script = "start=$(cut --delimiter=' ' --fields=22 /proc/$$/stat); C10M_RUN=$$-$start sleep 1001 & \
                  \"$0\" bench smoke --wait-max 0s --out \"$1\"; code=$?; exit $code";
    let (code, _, stderr) = planted(script, &scratch.path("out"));
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("did not begin") && stderr.contains("another experiment that measures (process 1)"),
        "{stderr}"
    );
}
