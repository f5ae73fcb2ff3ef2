//! The processes of experiments on this host. Each gets a mark when it is started, by which the next experiment finds
//! it. If its `bench` is gone, it is an orphan and would spoil every figure. If its `bench` is alive, that `bench` is
//! a rival.
//!
//! The mark is in the environment. Some programs overwrite theirs (nginx does, for the titles of its processes), so
//! the mark is also in the name of their working directory.

use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use host::process;

/// The environment variable with the mark.
pub(crate) const VARIABLE: &str = "C10M_RUN";
/// Prefix of the name of an experiment's directory.
const DIRECTORY: &str = "c10m-run-";
/// How long processes may take to end: the children of a `bench` that was just killed, and nginx, which gives its
/// workers a second (ngx_master_process_cycle).
const END_MAX: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Characters of a command line that suffice to recognize the process.
const COMMAND_LEN_MAX: usize = 100;

/// The process of a `bench`. Its start time distinguishes it from a later process with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bench {
    pid: u32,
    /// In ticks since boot, as in /proc.
    start_ticks: u64,
}

/// A process that another `bench` started.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Marked {
    pid: u32,
    bench: Bench,
    command: String,
}

/// The mark of this process's children.
///
/// # Errors
/// When /proc does not tell when this process was started.
pub(crate) fn mark() -> anyhow::Result<&'static str> {
    static MARK: OnceLock<String> = OnceLock::new();
    if let Some(mark) = MARK.get() {
        return Ok(mark);
    }
    let pid = std::process::id();
    let start_ticks = process::start_ticks(pid).context("/proc does not tell when this process was started")?;
    Ok(MARK.get_or_init(|| format!("{pid}-{start_ticks}")))
}

/// The name of a working directory for a program.
pub(crate) fn directory_name(what: &str) -> anyhow::Result<String> {
    Ok(format!("{DIRECTORY}{}-{what}", mark()?))
}

/// Why no experiment may begin: processes of an earlier one still run. Waits for those that are about to end.
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
        "{noun} {} {verb} left over from an earlier experiment and would spoil this one: end what is left with `kill \
         {pids}`, or with `kill -9 {pids}` if that does not",
        names.join(", "),
        pids = pids.join(" ")
    )
}

/// Other experiments that measure now, worded as something to wait for.
pub(crate) fn rivals() -> Option<String> {
    let mut pids: Vec<u32> =
        marked().iter().filter(|marked| marked.bench.is_alive()).map(|marked| marked.bench.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    let names: Vec<String> = pids.iter().map(u32::to_string).collect();
    (!names.is_empty()).then(|| format!("another experiment that measures (process {})", names.join(", ")))
}

/// Every process with the mark of another `bench`. Skips processes that this user may not inspect, and those of
/// another PID namespace: they belong to the experiments of a container.
fn marked() -> Vec<Marked> {
    let own = mark().ok().and_then(Bench::of);
    let marked = process::all().into_iter().filter_map(|pid| {
        let bench = bench_of(pid)?;
        let is_other = pid != std::process::id() && Some(bench) != own && process::is_in_this_pid_namespace(pid);
        is_other.then(|| Marked { pid, bench, command: command(pid) })
    });
    marked.collect()
}

/// The `bench` whose mark `pid` has.
fn bench_of(pid: u32) -> Option<Bench> {
    let mark = process::variable(pid, VARIABLE).and_then(|mark| Bench::of(&mark));
    mark.or_else(|| in_path(&process::working_directory(pid)?))
}

/// The mark in the name of a working directory. For a removed directory, /proc appends words to the name
/// (proc_pid_cwd(5)).
fn in_path(path: &Path) -> Option<Bench> {
    let mut numbers = path.file_name()?.to_str()?.strip_prefix(DIRECTORY)?.splitn(3, '-');
    Bench::of(&format!("{}-{}", numbers.next()?, numbers.next()?))
}

impl Bench {
    fn of(mark: &str) -> Option<Bench> {
        let (pid, start_ticks) = mark.split_once('-')?;
        Some(Bench { pid: pid.parse().ok()?, start_ticks: start_ticks.parse().ok()? })
    }

    fn is_alive(self) -> bool {
        process::start_ticks(self.pid) == Some(self.start_ticks)
    }
}

/// The command line, shortened and in one line: a process may give itself any title, and this goes to a terminal.
fn command(pid: u32) -> String {
    let line: String =
        process::command_line(pid).chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
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
        for (mark, expected) in [("77-1234", bench), ("77", None), ("", None), ("77-x", None)] {
            assert_eq!(Bench::of(mark), expected, "{mark:?}");
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
