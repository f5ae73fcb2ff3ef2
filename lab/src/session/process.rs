//! A process of an experiment: starts it, reads its output, ends it, and never leaves it behind.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use loadgen::Record;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::session::host::{Child, Command, Host, Order};

/// How long a dropped process may take to end in order before it is killed.
const END_MAX: Duration = Duration::from_secs(3);
/// How often a wait for a process checks whether to stop.
const LOOK: Duration = Duration::from_millis(100);

/// Runs a program that prints something about itself, and returns its stdout and stderr. Ignores the exit code: `wrk
/// -v` prints its version and exits with 1.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn said(host: &dyn Host, program: impl Into<PathBuf>, argument: &str, what: &str) -> anyhow::Result<String> {
    let mut process = Process::start(host, &Command::other(program, &[argument.to_owned()], what))?;
    let output = process.rest()?;
    Ok(output + &process.child.read_complaint().with_context(|| format!("reading from {what}"))?)
}

/// What a server prints when it is ready. Both this project's servers and those of `peers/` do.
#[derive(Debug, Deserialize)]
struct Announced {
    /// Where it listens.
    address: String,
}

/// How a process ended.
pub(crate) struct Ended {
    pub(crate) output: String,
    /// What it wrote to stderr.
    pub(crate) complaint: String,
    /// Absent when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) is_by_itself: bool,
    /// CPU time of its whole life.
    pub(crate) cpu_us: u64,
}

/// A running process. Dropping it ends it.
pub(crate) struct Process {
    child: Box<dyn Child>,
    what: String,
}

impl Process {
    pub(crate) fn start(host: &dyn Host, command: &Command) -> anyhow::Result<Process> {
        Ok(Process { child: host.start(command)?, what: command.what.clone() })
    }

    /// This program again, with other arguments.
    pub(crate) fn start_self(host: &dyn Host, arguments: &[String]) -> anyhow::Result<Process> {
        Process::start(host, &Command::own(arguments))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Whether it still runs. Returns at once.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.is_running()
    }

    /// Waits until it has written something or has ended. `stop` kills it and makes this an error.
    pub(crate) fn wait_for_output(&mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        loop {
            if stop.load(Ordering::Relaxed) {
                self.kill();
                bail!("{} was interrupted", self.what);
            }
            if self.child.wait_for_output(LOOK).with_context(|| format!("waiting for {}", self.what))? {
                return Ok(());
            }
        }
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        self.child.signal(Order::Kill);
        // An error means that it is already gone.
        let _ = self.child.wait();
    }

    /// Reads the record of a load generator.
    ///
    /// # Errors
    /// When this version of the program did not write the record: a field that it always writes is missing.
    pub(crate) fn read_record(&mut self) -> anyhow::Result<Record> {
        self.read("record of a run")
    }

    /// Waits for a server to say where it listens.
    pub(crate) fn read_address(&mut self) -> anyhow::Result<String> {
        Ok(self.read::<Announced>("address")?.address)
    }

    /// Reads the next line of its output from JSON. If there is none, the error contains what it said instead.
    pub(crate) fn read<T: DeserializeOwned>(&mut self, noun: &str) -> anyhow::Result<T> {
        let line = self.child.read_line().with_context(|| format!("reading from {}", self.what))?;
        if line.is_empty() {
            let complaint = self.complaint();
            bail!("{} ended early: {complaint}", self.what);
        }
        serde_json::from_str(&line).with_context(|| format!("{} printed no {noun}", self.what))
    }

    /// The next line of its output with the line feed, if it writes one within `wait_max`. Empty when it has closed
    /// its output.
    pub(crate) fn next_line(&mut self, wait_max: Duration) -> anyhow::Result<Option<String>> {
        if !self.child.wait_for_output(wait_max).with_context(|| format!("waiting for {}", self.what))? {
            return Ok(None);
        }
        self.child.read_line().map(Some).with_context(|| format!("reading from {}", self.what))
    }

    /// Asks it to end in order.
    pub(crate) fn terminate(&mut self) {
        self.child.signal(Order::Terminate);
    }

    /// Tells it something by a signal.
    pub(crate) fn tell(&mut self, order: Order) {
        self.child.signal(order);
    }

    /// Reads the rest of its output and waits for its end. Returns the output and the exit code.
    pub(crate) fn finish(mut self) -> anyhow::Result<(String, i32)> {
        let output = self.rest()?;
        Ok((output, self.exit_code()?))
    }

    /// Waits for its end, and kills it if that does not come within `within`.
    pub(crate) fn end_within(mut self, within: Duration) -> anyhow::Result<Ended> {
        let (start, mut output, mut is_by_itself) = (Instant::now(), String::new(), true);
        loop {
            match self.next_line(LOOK)? {
                // It has closed its output: it ends.
                Some(line) if line.is_empty() => break,
                Some(line) => output += &line,
                None => {}
            }
            if is_by_itself && start.elapsed() > within {
                self.child.signal(Order::Kill);
                is_by_itself = false;
            }
        }
        let complaint = self.child.read_complaint().with_context(|| format!("reading from {}", self.what))?;
        let cpu_us = self.child.cpu_us()?;
        let status = self.child.wait().with_context(|| format!("waiting for {}", self.what))?;
        Ok(Ended { output, complaint, code: status.code(), is_by_itself, cpu_us })
    }

    /// Like `finish`, and also returns the CPU time of its whole life in microseconds.
    pub(crate) fn finish_with_cpu_us(mut self) -> anyhow::Result<(String, i32, u64)> {
        let output = self.rest()?;
        let cpu_us = self.child.cpu_us()?;
        Ok((output, self.exit_code()?, cpu_us))
    }

    fn rest(&mut self) -> anyhow::Result<String> {
        self.child.read_rest().with_context(|| format!("reading from {}", self.what))
    }

    fn exit_code(&mut self) -> anyhow::Result<i32> {
        let status = self.child.wait().with_context(|| format!("waiting for {}", self.what))?;
        let Some(code) = status.code() else {
            let complaint = self.complaint();
            bail!("{} was killed: {status}: {complaint}", self.what);
        };
        Ok(code)
    }

    /// What it wrote to stderr, in one line.
    pub(crate) fn complaint(&mut self) -> String {
        // This text only adds to another message, so an error leaves it out.
        let text = self.child.read_complaint().unwrap_or_default();
        let line = text.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("; ");
        if line.is_empty() { "it said nothing".to_owned() } else { line }
    }
}

impl Drop for Process {
    /// Asks it to end first: killing nginx's master would leave its workers behind.
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
