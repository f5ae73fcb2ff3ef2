//! Whether a run's verdict on its own host can be believed: VALID where nothing disturbs it, and not where something does.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::Value;
use sys::affinity::{allowed_cpus, pin_to_cpu};

use crate::program::{PATIENCE, c10m, finish};

/// Runs that count, and how many of them must be VALID.
const RUNS: usize = 10;
const VALID_MIN: usize = 9;
/// Runs that may be disturbed before the host is given up: in all, and when none has been quiet.
const DISTURBED_MAX: usize = 12;
const DISTURBED_FIRST_MAX: usize = 2;
/// CPU time of all other programs during a run of 3 s, in ticks of 10 ms (USER_HZ, time(7)), that leaves the host quiet.
const OTHERS_TICKS_MAX: u64 = 3;

/// A CPU for the server and another for the generator. A host with one CPU cannot run both without disturbance.
fn cpus() -> Option<(usize, usize)> {
    match allowed_cpus().expect("own CPUs")[..] {
        [server, generator, ..] => Some((server, generator)),
        _ => {
            eprintln!("skipped: the server and the generator need a CPU each, and there is one");
            None
        }
    }
}

/// A null server in a process of its own, killed when dropped.
struct NullServer {
    child: Child,
    address: String,
}

impl NullServer {
    fn start(cpu: usize) -> NullServer {
        let mut command = c10m(&["null-server", "echo", "--for", "10m", "--cpu", &cpu.to_string()]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        // Its last line goes to nobody: it is killed.
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).expect("JSON");
        NullServer { child, address: ready["address"].as_str().expect("an address").to_owned() }
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("a child of this process");
    }
}

/// Ticks of a run outside of its window: start, warm-up, end.
const OWN_TICKS_BESIDE: u64 = 60;

/// One run with its worker pinned.
fn load(server: &NullServer, cpu: usize, arguments: &[&str]) -> Value {
    let target = format!("tcp://{}", server.address);
    let mut command = c10m(&["load", &target, "--json", "--cpus", &cpu.to_string()]);
    let (code, stdout, stderr) = finish(command.args(arguments));
    assert!([0, 4].contains(&code), "{code}: {stderr}");
    serde_json::from_str(&stdout).expect("a record")
}

fn check<'a>(record: &'a Value, id: &str) -> &'a Value {
    let checks = record["verdict"]["checks"].as_array().expect("a list");
    checks.iter().find(|check| check["id"] == id).expect("every check is in every record")
}

/// What a run has against itself.
fn objections(record: &Value) -> String {
    let checks = record["verdict"]["checks"].as_array().expect("a list").iter();
    let objecting = checks.filter(|check| check["state"] == "WARN" || check["state"] == "INVALID");
    objecting.map(|check| format!("{} {}; ", check["id"], check["value"])).collect()
}

/// CPU time in ticks of every program, with that of its children that have ended, by process id. Those of this one are
/// the run itself, and the programs of other tests.
fn ticks_of_others(server: &NullServer) -> BTreeMap<u32, u64> {
    let ids =
        fs::read_dir("/proc").expect("mounted").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let ticks = |id: u32| {
        // It may have ended. The name in brackets may contain anything (proc_pid_stat(5)).
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        // The kernel's threads work for this run too; their parent is process 2.
        if id == 2 || field(4)? == 2 {
            return None;
        }
        Some((id, field(14)? + field(15)? + field(16)? + field(17)?))
    };
    ids.filter(|id| *id != server.child.id()).filter_map(ticks).collect()
}

/// Why a run counts for nothing, if so: by what the kernel says of others, never by the run's own checks.
fn disturbance(before: &BTreeMap<u32, u64>, after: &BTreeMap<u32, u64>, record: &Value) -> Option<String> {
    let others: u64 = after.iter().map(|(id, ticks)| ticks - before.get(id).copied().unwrap_or(0).min(*ticks)).sum();
    // The run lasts a little longer than its window, in which it never sleeps long; so much is its own.
    let own_us = record["cpu"]["user_us"].as_u64().unwrap_or(0) + record["cpu"]["system_us"].as_u64().unwrap_or(0);
    let others = others.saturating_sub(own_us / 10_000 + OWN_TICKS_BESIDE);
    let cpus = record["kernel"]["cpus"].as_array().expect("a list");
    let steal_us: u64 = cpus.iter().filter_map(|cpu| cpu["steal_us"].as_u64()).sum();
    match (others > OTHERS_TICKS_MAX, steal_us > 0) {
        (true, _) => Some(format!("other programs took {} ms of CPU time", others * 10)),
        (_, true) => Some(format!("the hypervisor took {} ms", steal_us / 1000)),
        (false, false) => None,
    }
}

/// The program's own threads share the worker's CPU where no CPU is left over, and once made nearly every run WARN.
#[test]
fn a_run_on_a_quiet_host_is_valid() {
    let Some((server_cpu, cpu)) = cpus() else { return };
    let server = NullServer::start(server_cpu);
    let (mut valid, mut quiet, mut disturbed, mut objecting) = (0, 0, 0, Vec::new());
    while quiet < RUNS {
        let before = ticks_of_others(&server);
        // With more connections, a closed loop keeps the worker as busy as the null server: V4 warns, and rightly.
        let record = load(&server, cpu, &["--connections", "1", "--duration", "3s"]);
        if let Some(why) = disturbance(&before, &ticks_of_others(&server), &record) {
            disturbed += 1;
            if disturbed > DISTURBED_MAX || (quiet == 0 && disturbed > DISTURBED_FIRST_MAX) {
                return eprintln!(
                    "skipped: {disturbed} of {} runs were disturbed; in the last, {why}",
                    quiet + disturbed
                );
            }
            continue;
        }
        quiet += 1;
        match record["verdict"]["state"] == "VALID" {
            true => valid += 1,
            false => objecting.push(objections(&record)),
        }
        // The rest cannot change the outcome.
        assert!(quiet - valid <= RUNS - VALID_MIN, "{valid} of {quiet} quiet runs VALID: {objecting:#?}");
    }
}

/// Every run must notice it, on a busy host too.
#[test]
fn a_busy_loop_on_the_workers_cpu_is_found() {
    let Some((server_cpu, cpu)) = cpus() else { return };
    let server = NullServer::start(server_cpu);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            pin_to_cpu(cpu).expect("an allowed CPU");
            let begun = Instant::now();
            while !is_over.load(Ordering::Relaxed) && begun.elapsed() < PATIENCE {
                std::hint::spin_loop();
            }
        });
        // Workers that share this CPU wait for each other as well, which must not hide the loop.
        let rate = &["--rate", "5000"][..];
        let states = [&[][..], rate, &["--rate", "5000", "--threads", "4"], &["--threads", "2"]].map(|more| {
            let record = load(&server, cpu, &[&["--duration", "1s", "--warmup", "200ms"][..], more].concat());
            (check(&record, "V5").clone(), record["verdict"].clone())
        });
        // Before any assertion, which would leave the loop running for long.
        is_over.store(true, Ordering::Relaxed);
        for (check, verdict) in states {
            assert!(check["state"] == "WARN" || check["state"] == "INVALID", "{check}");
            assert!(verdict["times"] == "WARN" || verdict["times"] == "INVALID", "{verdict}");
        }
    });
}
