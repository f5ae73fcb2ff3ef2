//! This host: its processes are children of this one. No process outlives this one, because the kernel ends them even
//! if this process is killed.

use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{self, ChildStdout, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::session::host::{Child, Command, Host, Order, Passed, Program};
use crate::session::places::Places;
use crate::session::{orphans, preconditions};

/// Becomes the program whose name and arguments follow, with stdin as descriptor 3: only the process itself knows its
/// number, which LISTEN_PID has to be (sd_listen_fds(3)).
const PASS: &str = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";

/// This host.
pub(crate) struct Local;

impl Host for Local {
    fn start(&self, command: &Command) -> anyhow::Result<Box<dyn Child>> {
        let program = match &command.program {
            Program::Own => std::env::current_exe().context("cannot find this program's file")?,
            Program::Other(path) => path.clone(),
        };
        let (mut child, stdin) = match &command.passed {
            None => (process::Command::new(program), Stdio::null()),
            Some(Passed(listener)) => {
                let mut shell = process::Command::new("sh");
                shell.args(["-c", PASS]).arg(program);
                (shell, OwnedFd::from(listener.try_clone().context("cannot pass a socket on")?).into())
            }
        };
        child.args(&command.arguments).env(orphans::VARIABLE, orphans::mark()?);
        if let Some(directory) = &command.directory {
            child.current_dir(directory).process_group(0);
        }
        sys::child::tie_to_this_thread(&mut child, raw(command.end_signal), &command.cpus);
        if let Some(descriptors_max) = command.descriptors_max {
            let soft = command.descriptors_soft.unwrap_or(descriptors_max);
            sys::child::limit_descriptors(&mut child, soft, descriptors_max);
        }
        let mut child = child
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.what))?;
        let stdout = BufReader::new(child.stdout.take().context("the child has no stdout")?);
        Ok(Box::new(LocalChild { child, stdout }))
    }

    fn refusal(&self) -> Option<String> {
        orphans::refusal()
    }

    fn disturbances(&self, places: &Places) -> Vec<String> {
        let mut reasons = preconditions::disturbances(places);
        reasons.extend(orphans::rivals());
        reasons
    }
}

fn raw(signal: Order) -> Signal {
    match signal {
        Order::Terminate => Signal::TERM,
        Order::Kill => Signal::KILL,
        Order::Stop => Signal::STOP,
        Order::Continue => Signal::CONT,
        Order::HangUp => Signal::HUP,
        Order::User2 => Signal::USR2,
    }
}

/// A child with piped output.
struct LocalChild {
    child: process::Child,
    stdout: BufReader<ChildStdout>,
}

impl Child for LocalChild {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn wait_for_output(&mut self, wait_max: Duration) -> io::Result<bool> {
        let wait_max = Timespec { tv_sec: wait_max.as_secs() as i64, tv_nsec: wait_max.subsec_nanos().into() };
        let mut stdout = [PollFd::new(self.stdout.get_ref(), PollFlags::IN)];
        match poll(&mut stdout, Some(&wait_max)) {
            Ok(0) | Err(Errno::INTR) => Ok(false),
            Ok(_) => Ok(true),
            Err(errno) => Err(errno.into()),
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(line)
    }

    fn read_rest(&mut self) -> io::Result<String> {
        let mut output = String::new();
        self.stdout.read_to_string(&mut output)?;
        Ok(output)
    }

    fn read_complaint(&mut self) -> io::Result<String> {
        let mut text = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            stderr.read_to_string(&mut text)?;
        }
        Ok(text)
    }

    fn signal(&mut self, signal: Order) {
        // After the wait, another process may have this pid.
        if self.is_running()
            && let Some(pid) = Pid::from_raw(self.child.id() as i32)
        {
            // It may have just ended by itself; the next wait will tell.
            let _ = kill_process(pid, raw(signal));
        }
    }

    fn cpu_us(&mut self) -> anyhow::Result<u64> {
        // Leaves it a zombie: /proc keeps its CPU time until it is reaped.
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        }
        let time = host::process::cpu_time(self.child.id()).context("reading a process's account")?;
        Ok(time.user_us + time.system_us)
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::session::process::{Process, said};

    fn shell(script: &str) -> Command {
        Command::other("sh", &["-c".to_owned(), script.to_owned()], "a shell")
    }

    fn start(script: &str) -> Process {
        Process::start(&Local, &shell(script)).expect("every host has a shell")
    }

    #[test]
    fn a_child_is_marked_heard_and_waited_for() {
        let (output, code, cpu_us) =
            start("echo $C10M_RUN; read line; echo \"no input: $?\"; exit 3").finish_with_cpu_us().expect("an end");
        let mark = orphans::mark().expect("a mark");
        assert_eq!((output, code), (format!("{mark}\nno input: 1\n"), 3));
        assert!(cpu_us < 60_000_000, "{cpu_us}");
        assert_eq!(said(&Local, "sh", "-c", "a shell").map(|text| text.is_empty()).ok(), Some(false), "a complaint");
        let error = said(&Local, "no-such-program", "-v", "it").expect_err("nothing starts").to_string();
        assert_eq!(error, "cannot start it");
    }

    #[test]
    fn a_child_works_where_it_is_told_to() {
        let directory = fs::canonicalize(std::env::temp_dir()).expect("a directory");
        let command =
            Command { directory: Some(directory.clone()), ..shell("pwd; ps -o pgid= -p $$ | tr -d ' '; echo $$") };
        let (output, _) = Process::start(&Local, &command).expect("a shell").finish().expect("an end");
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(Path::new(lines[0]), directory);
        assert_eq!(lines[1], lines[2], "it leads a process group");
    }

    #[test]
    fn a_socket_is_passed_as_a_service_manager_does() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let script =
            "echo $LISTEN_FDS $((LISTEN_PID - $$)); ls -l /proc/self/fd/3 | grep -c socket; read line; echo $?";
        let command = Command { passed: Some(Passed(listener.into())), ..shell(script) };
        let (output, _) = Process::start(&Local, &command).expect("a shell").finish().expect("an end");
        assert_eq!(output, "1 0\n1\n1\n");
    }

    #[test]
    fn a_child_that_fails_says_why_and_one_that_is_dropped_is_gone() {
        let error = start("echo before >&2; echo after >&2").read_address().expect_err("no output").to_string();
        assert_eq!(error, "a shell ended early: before; after");
        let error = start("kill -9 $$").finish().expect_err("killed").to_string();
        assert!(error.starts_with("a shell was killed: signal: 9") && error.ends_with("it said nothing"), "{error}");
        let mut child = start("echo '{\"address\": \"a\"}'; exec sleep 1000");
        child.read_address().expect("it runs");
        let place = format!("/proc/{}", child.pid());
        assert!(child.is_running() && Path::new(&place).exists());
        drop(child);
        assert!(!Path::new(&place).exists(), "neither running nor a zombie");
    }
}
