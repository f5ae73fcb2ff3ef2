//! What /proc says about one process, by its id (proc(5)).

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::cpu_time::CpuTime;
use crate::text::{field, kibibytes};

/// All processes of this PID namespace.
pub fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether the process exists, even as a zombie.
pub fn exists(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}/stat")).unwrap_or(false)
}

/// The user a process belongs to. `None` when it does not exist.
pub fn owner(pid: u32) -> Option<u32> {
    fs::metadata(format!("/proc/{pid}")).ok().map(|metadata| metadata.uid())
}

/// CPU time of a process, including its ended threads. Also works for a zombie.
///
/// # Errors
/// When the process does not exist.
pub fn cpu_time(pid: u32) -> io::Result<CpuTime> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    CpuTime::of_stat(&stat).ok_or_else(|| malformed("/proc/PID/stat is malformed"))
}

/// Anonymous memory of a process in bytes. It comes from smaps_rollup, which walks the page tables; the figure of
/// [`anonymous_bytes_quick`] may lag by dozens of pages per CPU.
///
/// # Errors
/// When the process does not exist, or may not be inspected.
pub fn anonymous_bytes(pid: u32) -> io::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    kibibytes(&rollup, "Anonymous").ok_or_else(|| malformed("no Anonymous line in kB"))
}

/// Anonymous resident memory of a process in bytes, from the kernel's running counters, which are fast to read.
pub fn anonymous_bytes_quick(pid: u32) -> Option<u64> {
    kibibytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "RssAnon")
}

/// The children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Start time of a process, in ticks since boot. `None` when it has ended, even if it is still a zombie.
pub fn start_ticks(pid: u32) -> Option<u64> {
    started(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// State and start are fields 3 and 22 (proc_pid_stat(5)). The name in field 2 may contain blanks and parentheses.
fn started(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let state = fields.first().filter(|state| !matches!(**state, "Z" | "X"));
    state.and(fields.get(19)?.parse().ok())
}

/// The value of a variable in the initial environment of a process, unless the process has overwritten it.
pub fn variable(pid: u32, name: &str) -> Option<String> {
    in_environment(&fs::read(format!("/proc/{pid}/environ")).ok()?, name)
}

fn in_environment(environment: &[u8], name: &str) -> Option<String> {
    let value = |text: &[u8]| Some(text.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?.to_vec());
    String::from_utf8(environment.split(|byte| *byte == 0).find_map(value)?).ok()
}

/// The working directory of a process. For a removed directory, /proc appends words to the name (proc_pid_cwd(5)).
pub fn working_directory(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// The command line of a process, with blanks between its words. Empty when it cannot be seen.
pub fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().to_owned()
}

/// Whether a process is in the PID namespace of this one. Its id means nothing in another (pid_namespaces(7)).
pub fn is_in_this_pid_namespace(pid: u32) -> bool {
    let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    of("self").is_some_and(|own| of(&pid.to_string()) == Some(own))
}

/// Whether this process ignores the signal with this number.
pub fn ignores(signal: i32) -> bool {
    is_ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default(), signal)
}

/// Whether a signal is in the set of ignored ones, which is a hexadecimal number (proc_pid_status(5)).
fn is_ignored(status: &str, signal: i32) -> bool {
    let set = field(status, "SigIgn").and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or(0);
    set & 1 << (signal - 1) != 0
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANG_UP: i32 = 1;

    #[test]
    fn this_process_is_known() {
        let pid = std::process::id();
        assert!(exists(pid) && !exists(u32::MAX));
        assert!(all().contains(&pid) && is_in_this_pid_namespace(pid));
        assert!(cpu_time(pid).is_ok() && cpu_time(u32::MAX).is_err());
        assert!(anonymous_bytes(pid).unwrap() > 4096 && anonymous_bytes_quick(pid).unwrap() > 4096);
        assert!(anonymous_bytes(u32::MAX).is_err() && anonymous_bytes_quick(u32::MAX).is_none());
        assert!(start_ticks(pid).is_some_and(|ticks| start_ticks(pid) == Some(ticks)));
        assert_eq!(working_directory(pid), std::env::current_dir().ok());
        assert!(command_line(pid).contains("host"), "{}", command_line(pid));
        assert_eq!(variable(pid, "PATH"), std::env::var("PATH").ok());
    }

    #[test]
    fn a_process_has_started_until_it_has_ended() {
        let fields = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4321 20";
        for (state, expected) in [("S", Some(4321)), ("R", Some(4321)), ("Z", None), ("X", None)] {
            assert_eq!(started(&format!("77 (a) b (c)) {state} {fields}")), expected, "{state}");
        }
    }

    #[test]
    fn variables_are_found_by_their_whole_name() {
        for (environment, expected) in [
            ("A=1\0RUN=77-1234\0B=2", Some("77-1234")),
            ("RUN=77-1234", Some("77-1234")),
            ("XRUN=77-1234", None),
            ("RUNX=77-1234", None),
            ("RUN=", Some("")),
            ("", None),
        ] {
            assert_eq!(in_environment(environment.as_bytes(), "RUN").as_deref(), expected, "{environment:?}");
        }
        assert_eq!(in_environment(b"RUN=\xff", "RUN"), None);
    }

    #[test]
    fn the_set_of_ignored_signals_is_understood() {
        for (status, expected) in [
            ("Name:\tc10m\nSigIgn:\t0000000000001001\n", true),
            ("SigIgn:\t0000000000001000\n", false),
            ("SigCgt:\t0000000000001001\n", false),
            ("", false),
        ] {
            assert_eq!(is_ignored(status, HANG_UP), expected, "{status:?}");
        }
    }
}
