//! The processes of experiments on this host: each is marked when it is started, and found again by whoever begins
//! the next experiment. One whose `bench` is gone is an orphan and would spoil every figure; one whose `bench` lives
//! is a rival.
//!
//! The mark is in the environment, and for programs that overwrite theirs (nginx does, for the titles of its
//! processes) in the name of the directory they work in.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

/// The variable that marks a process.
pub(crate) const VARIABLE: &str = "C10M_RUN";
/// The beginning of the name of an experiment's directory.
const DIRECTORY: &str = "c10m-run-";
/// How long processes may take to end: the children of a `bench` that was just killed, and nginx, which gives its
/// workers a second (ngx_master_process_cycle).
const END_MAX: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Enough characters of a command line to tell which process it is.
const COMMAND_LEN_MAX: usize = 100;

/// The process of a `bench`. Its start time tells it from a later process with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bench {
    pid: u32,
    /// In ticks since boot, as /proc has it.
    start_ticks: u64,
}

/// A process that some other `bench` started.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Marked {
    pid: u32,
    bench: Bench,
    command: String,
}

/// What the children of this process are marked with.
///
/// # Errors
/// When /proc does not tell when this process was started.
pub(crate) fn mark() -> anyhow::Result<&'static str> {
    static MARK: OnceLock<String> = OnceLock::new();
    if let Some(mark) = MARK.get() {
        return Ok(mark);
    }
    let pid = std::process::id();
    let start_ticks = start_ticks(pid).context("/proc does not tell when this process was started")?;
    Ok(MARK.get_or_init(|| format!("{pid}-{start_ticks}")))
}

/// The name of a directory for a program that works in it.
pub(crate) fn directory_name(what: &str) -> anyhow::Result<String> {
    Ok(format!("{DIRECTORY}{}-{what}", mark()?))
}

/// Why no experiment may begin: an earlier one left processes that still run. Waits for those that are just ending.
pub(crate) fn refusal() -> Option<String> {
    let start = Instant::now();
    loop {
        let orphans: Vec<Marked> = marked().into_iter().filter(|marked| !marked.bench.is_alive()).collect();
        if orphans.is_empty() {
            return None;
        }
        if start.elapsed() >= END_MAX {
            return Some(complaint(&orphans));
        }
        thread::sleep(LOOK_AGAIN);
    }
}

fn complaint(orphans: &[Marked]) -> String {
    let names: Vec<String> = orphans.iter().map(|orphan| format!("{} (`{}`)", orphan.pid, orphan.command)).collect();
    let pids: Vec<String> = orphans.iter().map(|orphan| orphan.pid.to_string()).collect();
    let (noun, verb) = if orphans.len() == 1 { ("process", "is") } else { ("processes", "are") };
    format!(
        "{noun} {} {verb} left of an earlier experiment and would spoil this one: end what is left with `kill {pids}`, or \
         with `kill -9 {pids}` if that does not",
        names.join(", "),
        pids = pids.join(" ")
    )
}

/// Other experiments that measure now, as a reason to wait.
pub(crate) fn rivals() -> Option<String> {
    let mut pids: Vec<u32> =
        marked().iter().filter(|marked| marked.bench.is_alive()).map(|marked| marked.bench.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    let names: Vec<String> = pids.iter().map(u32::to_string).collect();
    (!names.is_empty()).then(|| format!("another experiment that measures (process {})", names.join(", ")))
}

/// Every process that is marked by another `bench`. Skips processes that this user may not look at.
fn marked() -> Vec<Marked> {
    let own = mark().ok().and_then(Bench::of);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let marked = pids.filter_map(|pid| {
        let bench = bench_of(pid)?;
        let is_other = pid != std::process::id() && Some(bench) != own && is_in_this_pid_namespace(pid);
        is_other.then(|| Marked { pid, bench, command: command(pid) })
    });
    marked.collect()
}

/// The `bench` that `pid` is marked with.
fn bench_of(pid: u32) -> Option<Bench> {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    in_environment(&environment).or_else(|| in_path(&fs::read_link(format!("/proc/{pid}/cwd")).ok()?))
}

fn in_environment(environment: &[u8]) -> Option<Bench> {
    let prefix = format!("{VARIABLE}=");
    let mut values = environment.split(|byte| *byte == 0).filter_map(|text| text.strip_prefix(prefix.as_bytes()));
    Bench::of(std::str::from_utf8(values.next()?).ok()?)
}

/// The mark in the name of a working directory. A removed directory has words behind its name (proc_pid_cwd(5)).
fn in_path(path: &Path) -> Option<Bench> {
    let mut numbers = path.file_name()?.to_str()?.strip_prefix(DIRECTORY)?.splitn(3, '-');
    Bench::of(&format!("{}-{}", numbers.next()?, numbers.next()?))
}

/// The numbers of processes mean nothing in another namespace (pid_namespaces(7)): a container's experiments are not
/// this one's to judge.
fn is_in_this_pid_namespace(pid: u32) -> bool {
    let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    of("self").is_some_and(|own| of(&pid.to_string()) == Some(own))
}

impl Bench {
    fn of(mark: &str) -> Option<Bench> {
        let (pid, start_ticks) = mark.split_once('-')?;
        Some(Bench { pid: pid.parse().ok()?, start_ticks: start_ticks.parse().ok()? })
    }

    fn is_alive(self) -> bool {
        start_ticks(self.pid) == Some(self.start_ticks)
    }
}

/// When a process was started, in ticks since boot; `None` when it has ended, zombies included.
fn start_ticks(pid: u32) -> Option<u64> {
    started(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// State and start are fields 3 and 22 (proc_pid_stat(5)); the name in field 2 may hold blanks and parentheses.
fn started(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let state = fields.first().filter(|state| !matches!(**state, "Z" | "X"));
    state.and(fields.get(19)?.parse().ok())
}

/// The command line in one short line: a process may call itself whatever it likes, and this goes to a terminal.
fn command(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
    let line: String = text.trim_end().chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    match line.char_indices().nth(COMMAND_LEN_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_where_they_are_written() {
        let bench = Some(Bench { pid: 77, start_ticks: 1234 });
        for (environment, expected) in [
            ("A=1\0C10M_RUN=77-1234\0B=2", bench),
            ("C10M_RUN=77-1234", bench),
            ("XC10M_RUN=77-1234", None),
            ("C10M_RUN=77", None),
            ("C10M_RUN=", None),
            ("", None),
        ] {
            assert_eq!(in_environment(environment.as_bytes()), expected, "{environment:?}");
        }
        for (path, expected) in [
            ("/tmp/c10m-run-77-1234-nginx-40001", bench),
            ("/tmp/c10m-run-77-1234-nginx-40001 (deleted)", bench),
            ("/tmp/c10m-run-77-1234-nginx-40001/below", None),
            ("/tmp/c10m-bench-77-1234", None),
            ("/", None),
        ] {
            assert_eq!(in_path(Path::new(path)), expected, "{path}");
        }
        let own = mark().expect("a mark");
        assert!(Bench::of(own).is_some_and(Bench::is_alive), "{own}");
        let name = directory_name("nginx-1").expect("a name");
        assert_eq!(in_path(&Path::new("/tmp").join(name)), Bench::of(own));
    }

    #[test]
    fn a_bench_is_alive_until_it_has_ended() {
        let fields = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4321 20";
        for (state, expected) in [("S", Some(4321)), ("R", Some(4321)), ("Z", None), ("X", None)] {
            assert_eq!(started(&format!("77 (a) b (c)) {state} {fields}")), expected, "{state}");
        }
        let own = Bench::of(mark().expect("a mark")).expect("two numbers");
        assert!(!Bench { start_ticks: own.start_ticks + 1, ..own }.is_alive(), "another process of its number");
    }

    #[test]
    fn the_complaint_names_each_and_what_ends_them() {
        let bench = Bench { pid: 1, start_ticks: 2 };
        let orphan = |pid, command: &str| Marked { pid, bench, command: command.to_owned() };
        let one = complaint(&[orphan(4, "c10m serve")]);
        assert!(one.starts_with("process 4 (`c10m serve`) is left") && one.contains("`kill 4`"), "{one}");
        let two = complaint(&[orphan(4, "a"), orphan(5, "b")]);
        assert!(two.starts_with("processes 4 (`a`), 5 (`b`) are left") && two.contains("`kill 4 5`"), "{two}");
    }
}
