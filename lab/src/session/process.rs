//! A child process of an experiment: started, listened to, ended, and never left behind: not even where this
//! process is killed, because the kernel ends it then.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use loadgen::Record;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde::de::DeserializeOwned;

use crate::session::orphans;

/// How long a child that is dropped may take to end in order before it is killed.
const END_MAX: Duration = Duration::from_secs(3);
/// How often a wait for a child looks whether it is to be interrupted.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A running child with piped output. Dropping it ends the process it started.
pub(crate) struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    what: String,
}

impl Process {
    /// Starts somebody else's program on `cpus`, or on those of this thread where there are none; `what` names it in
    /// errors.
    ///
    /// It is sent SIGTERM when the calling thread ends: nginx and lighttpd take their workers with them on that.
    pub(crate) fn start(command: &mut Command, cpus: &[usize], what: &str) -> anyhow::Result<Process> {
        Process::tied(command, Signal::TERM, cpus, what)
    }

    fn tied(command: &mut Command, signal: Signal, cpus: &[usize], what: &str) -> anyhow::Result<Process> {
        sys::child::tie_to_this_thread(command, signal, cpus);
        let mut child = command
            .env(orphans::VARIABLE, orphans::mark()?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {what}"))?;
        let stdout = BufReader::new(child.stdout.take().context("the child has no stdout")?);
        Ok(Process { child, stdout, what: what.to_owned() })
    }

    /// This program again, with other arguments. It is killed when the calling thread ends: it has nothing to put
    /// in order, and a drain would take its time.
    pub(crate) fn start_self(arguments: &[String]) -> anyhow::Result<Process> {
        let program = std::env::current_exe().context("cannot find this program's file")?;
        let what = format!("c10m {}", arguments.join(" "));
        Process::tied(Command::new(program).args(arguments), Signal::KILL, &[], &what)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, without waiting.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it has written something or has ended. `stop` kills it, which is an error.
    pub(crate) fn wait_for_output(&mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        loop {
            if stop.load(Ordering::Relaxed) {
                self.kill();
                bail!("{} was interrupted", self.what);
            }
            let mut stdout = [PollFd::new(self.stdout.get_ref(), PollFlags::IN)];
            match poll(&mut stdout, Some(&LOOK)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(errno).with_context(|| format!("waiting for {}", self.what)),
            }
        }
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        // Errors here mean that it is gone, which is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Reads the record of a load generator.
    ///
    /// # Errors
    /// When it is none of this program's version: a field that is always written is missing.
    pub(crate) fn read_record(&mut self) -> anyhow::Result<Record> {
        self.read_event().with_context(|| format!("{} printed no record of a run", self.what))
    }

    /// The next line of its output, read from JSON. When there is none, the error tells what it said instead.
    pub(crate) fn read_event<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        let len = self.stdout.read_line(&mut line).with_context(|| format!("reading from {}", self.what))?;
        if len == 0 {
            let complaint = self.complaint();
            bail!("{} ended early: {complaint}", self.what);
        }
        serde_json::from_str(&line).with_context(|| format!("{} printed something unknown", self.what))
    }

    /// Asks it to end in order.
    pub(crate) fn terminate(&self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // It may have ended by itself, which the wait that follows tells.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Reads the rest of its output and waits for its end. Returns the output and the exit code.
    pub(crate) fn finish(mut self) -> anyhow::Result<(String, i32)> {
        let mut output = String::new();
        self.stdout.read_to_string(&mut output).with_context(|| format!("reading from {}", self.what))?;
        let status = self.child.wait().with_context(|| format!("waiting for {}", self.what))?;
        match status.code() {
            Some(code) => Ok((output, code)),
            None => {
                let complaint = self.complaint();
                bail!("{} was killed: {status}: {complaint}", self.what)
            }
        }
    }

    /// Like `finish`, with the CPU time of the whole life of the process in microseconds.
    pub(crate) fn finish_with_cpu_us(mut self) -> anyhow::Result<(String, i32, u64)> {
        let mut output = String::new();
        self.stdout.read_to_string(&mut output).with_context(|| format!("reading from {}", self.what))?;
        // Leave it a zombie: /proc still has its account, which reaping would take away.
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        }
        let cpu_us = crate::session::proc::process_cpu_us(self.child.id())?;
        let (_, code) = self.finish()?;
        Ok((output, code, cpu_us))
    }

    /// What it wrote to stderr, in one line.
    pub(crate) fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            // What cannot be read is missing from a message about something else.
            let _ = stderr.read_to_string(&mut text);
        }
        let line = text.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("; ");
        if line.is_empty() { "it said nothing".to_owned() } else { line }
    }
}

impl Drop for Process {
    /// In order first: killing nginx's master would leave its workers behind.
    fn drop(&mut self) {
        if !self.is_running() {
            return;
        }
        self.terminate();
        let start = Instant::now();
        while self.is_running() && start.elapsed() < END_MAX {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
    }
}
