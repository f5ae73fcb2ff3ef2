//! A host for tests: its processes follow a script, and it gives the answers that a test prescribes.

use std::collections::VecDeque;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::session::host::{Child, Command, Host, Order};
use crate::session::places::Places;

/// The behaviour of a process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Play {
    /// Lines that it prints first.
    pub(crate) lines: Vec<String>,
    /// Lines that it prints when it is told to end. `None` for a process that ends by itself.
    pub(crate) last_lines: Option<Vec<String>>,
    /// What it writes to stderr.
    pub(crate) complaint: String,
    /// As in wait(2): 256 times the exit code, or the signal that killed it.
    pub(crate) status: i32,
}

impl Play {
    /// Prints these lines and exits with this code.
    pub(crate) fn prints(lines: &[&str], code: i32) -> Play {
        Play { lines: lines.iter().map(|line| (*line).to_owned()).collect(), status: code << 8, ..Play::default() }
    }

    /// Prints a line, waits to be told to end, prints another one and exits with 0.
    pub(crate) fn serves(ready: &str, exit: &str) -> Play {
        Play { last_lines: Some(vec![exit.to_owned()]), ..Play::prints(&[ready], 0) }
    }

    /// Complains and exits with 1.
    pub(crate) fn complains(words: &str) -> Play {
        Play { complaint: words.to_owned(), ..Play::prints(&[], 1) }
    }

    /// Is killed by this signal without a word.
    pub(crate) fn is_killed(signal: i32) -> Play {
        Play { status: signal, ..Play::default() }
    }
}

/// A host whose processes are all fake. The script gets each command and the number of processes started before it.
pub(crate) struct Mock<S> {
    script: S,
    started: Mutex<Vec<Command>>,
    /// Each signal with the pid that it was sent to, in order.
    signals: Arc<Mutex<Vec<(u32, Order)>>>,
    /// What it answers to looks; quiet when none is left.
    looks: Mutex<VecDeque<Vec<String>>>,
    refusal: Option<String>,
}

impl<S: Fn(&Command, usize) -> Play + Sync> Mock<S> {
    pub(crate) fn new(script: S) -> Mock<S> {
        Mock { script, started: Mutex::default(), signals: Arc::default(), looks: Mutex::default(), refusal: None }
    }

    /// What its script says of a process; for a script that only differs from another one here and there.
    pub(crate) fn play(&self, command: &Command, number: usize) -> Play {
        (self.script)(command, number)
    }

    /// Makes each of the next looks report one of these disturbances; an empty word is a quiet look.
    pub(crate) fn disturbed(self, by: &[&str]) -> Mock<S> {
        let look = |word: &&str| if word.is_empty() { vec![] } else { vec![(*word).to_owned()] };
        let looks = by.iter().map(look).collect();
        Mock { looks: Mutex::new(looks), ..self }
    }

    pub(crate) fn refuses(self, reason: &str) -> Mock<S> {
        Mock { refusal: Some(reason.to_owned()), ..self }
    }

    /// The signals that reached running processes, in order; pids count from 1.
    pub(crate) fn signals(&self) -> Vec<(u32, Order)> {
        self.signals.lock().expect("no panic while it is held").clone()
    }

    /// What was started, in order.
    pub(crate) fn started(&self) -> Vec<Command> {
        self.started.lock().expect("no panic while it is held").clone()
    }
}

impl<S: Fn(&Command, usize) -> Play + Sync> Host for Mock<S> {
    fn start(&self, command: &Command) -> anyhow::Result<Box<dyn Child>> {
        let mut started = self.started.lock().expect("no panic while it is held");
        let play = (self.script)(command, started.len());
        started.push(command.clone());
        let (lines, signals) = (play.lines.iter().cloned().collect(), Arc::clone(&self.signals));
        Ok(Box::new(MockChild { lines, play, pid: started.len() as u32, signals }))
    }

    fn refusal(&self) -> Option<String> {
        self.refusal.clone()
    }

    fn disturbances(&self, _: &Places) -> Vec<String> {
        self.looks.lock().expect("no panic while it is held").pop_front().unwrap_or_default()
    }
}

struct MockChild {
    play: Play,
    pid: u32,
    /// What it has yet to print before it ends or waits.
    lines: VecDeque<String>,
    signals: Arc<Mutex<Vec<(u32, Order)>>>,
}

impl Child for MockChild {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn is_running(&mut self) -> bool {
        self.play.last_lines.is_some()
    }

    /// Answers a look without waiting truthfully. For a longer wait it returns true, and reading then tells whether
    /// the wait would ever end.
    fn wait_for_output(&mut self, wait_max: Duration) -> io::Result<bool> {
        Ok(!wait_max.is_zero() || !self.lines.is_empty() || !self.is_running())
    }

    fn read_line(&mut self) -> io::Result<String> {
        let line = self.lines.pop_front();
        assert!(line.is_some() || self.play.last_lines.is_none(), "a test waits for ever for a line");
        Ok(line.map_or(String::new(), |line| line + "\n"))
    }

    fn read_rest(&mut self) -> io::Result<String> {
        assert!(self.play.last_lines.is_none(), "a test waits for ever for an end");
        Ok(self.lines.drain(..).map(|line| line + "\n").collect())
    }

    fn read_complaint(&mut self) -> io::Result<String> {
        // A real program that has filled the pipe of its output would wait for ever, and so would this.
        assert!(self.play.last_lines.is_some() || self.lines.is_empty(), "its output comes first");
        Ok(self.play.complaint.clone())
    }

    fn signal(&mut self, signal: Order) {
        if let Some(lines) = self.play.last_lines.take() {
            self.signals.lock().expect("no panic while it is held").push((self.pid, signal));
            match signal {
                Order::Terminate => self.lines.extend(lines),
                Order::Kill => self.play.status = 9,
                // It still runs.
                Order::Stop | Order::Continue | Order::HangUp | Order::User2 => self.play.last_lines = Some(lines),
            }
        }
    }

    fn cpu_us(&mut self) -> anyhow::Result<u64> {
        Ok(1000)
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        assert!(self.play.last_lines.is_none(), "a test waits for ever for an end");
        Ok(ExitStatus::from_raw(self.play.status))
    }
}
