//! Ties a child process to the thread that starts it. This code runs in the child, between fork and exec.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, getpid, getppid, set_parent_process_death_signal, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The process that `command` starts gets `signal` when the calling thread ends for any reason, and runs on
/// `cpus` from its first instruction; if `cpus` is empty, on those of the calling thread.
///
/// The thread counts, not its process (PR_SET_PDEATHSIG, prctl(2)): start children from a thread that outlives
/// them. The tie survives exec, except into a set-user-ID program. It does not reach the child's own children:
/// choose a signal on which a program with workers ends them.
pub fn tie_to_this_thread(command: &mut Command, signal: Signal, cpus: &[usize]) {
    let parent = getpid();
    let cpus = (!cpus.is_empty()).then(|| {
        let mut set = CpuSet::new();
        cpus.iter().for_each(|cpu| set.set(*cpu));
        set
    });
    let in_child = move || tie(parent, signal, cpus.as_ref());
    // SAFETY: between fork and exec it makes system calls and nothing else: no allocation, no lock, and errors are
    // numbers (signal-safety(7)).
    unsafe { command.pre_exec(in_child) };
}

/// The process that `command` starts may have descriptors up to `soft`, and raise that up to `hard` (RLIMIT_NOFILE,
/// getrlimit(2)).
pub fn limit_descriptors(command: &mut Command, soft: u64, hard: u64) {
    let limit = Rlimit { current: Some(soft.min(hard)), maximum: Some(hard) };
    let in_child = move || Ok(setrlimit(Resource::Nofile, limit)?);
    // SAFETY: between fork and exec it makes one system call; the limit was made before.
    unsafe { command.pre_exec(in_child) };
}

/// Called by the child.
fn tie(parent: Pid, signal: Signal, cpus: Option<&CpuSet>) -> io::Result<()> {
    set_parent_process_death_signal(Some(signal))?;
    // If the parent died before the tie was made, no signal will come; the child has another parent by then.
    if getppid() != Some(parent) {
        return Err(Errno::SRCH.into());
    }
    if let Some(cpus) = cpus {
        sched_setaffinity(None, cpus)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Stdio;
    use std::thread;

    use super::*;

    fn sleep(signal: Signal, cpus: &[usize]) -> Command {
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::null());
        tie_to_this_thread(&mut command, signal, cpus);
        command
    }

    #[test]
    fn a_child_ends_with_the_thread_that_started_it() {
        for signal in [Signal::TERM, Signal::KILL] {
            let started = thread::spawn(move || sleep(signal, &[]).spawn()).join().unwrap();
            let status = started.unwrap().wait().unwrap();
            assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
        }
    }

    #[test]
    fn a_child_lives_as_long_as_its_thread_and_on_its_cpus() {
        let allowed = rustix::thread::sched_getaffinity(None).unwrap();
        let cpu = (0..CpuSet::MAX_CPU).rfind(|cpu| allowed.is_set(*cpu)).unwrap();
        let mut child = sleep(Signal::KILL, &[cpu]).spawn().unwrap();
        thread::spawn(|| {}).join().unwrap();
        assert!(child.try_wait().unwrap().is_none(), "the end of another thread is nothing to it");
        let pid = rustix::process::Pid::from_child(&child);
        let found = rustix::thread::sched_getaffinity(Some(pid)).unwrap();
        assert_eq!((found.count(), found.is_set(cpu)), (1, true));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_child_has_no_more_descriptors_than_it_may() {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -Sn; ulimit -Hn"]);
        limit_descriptors(&mut command, 77, 99);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "77\n99\n");
    }

    #[test]
    fn a_child_whose_parent_is_gone_does_not_begin() {
        let mut command = Command::new("true");
        // SAFETY: what is called makes system calls and nothing else.
        unsafe { command.pre_exec(|| tie(Pid::INIT, Signal::KILL, None)) };
        assert_eq!(command.spawn().unwrap_err().raw_os_error(), Some(Errno::SRCH.raw_os_error()));
    }
}
