//! A process that takes part in a timeline: what it prints, how it ends, and whether it ended as it should.

use std::time::Duration;

use anyhow::{Context, bail};

use crate::kinds::scenario::seen::Output;
use crate::kinds::scenario::timeline::Role;
use crate::session::host::{Command, Order, Program};
use crate::session::process::Process;

/// Exit code of this program's load generator for an invalid measurement. The report says so, so the run counts.
const INVALID: i32 = 4;

pub(super) struct Actor {
    pub(super) role: Role,
    pub(super) pid: u32,
    /// `None` when it has ended.
    pub(super) process: Option<Process>,
    /// Whether its output may have more to read.
    pub(super) is_open: bool,
    /// Whether it ends by itself or was asked to end.
    pub(super) is_ending: bool,
    is_own: bool,
    was_killed: bool,
    /// The command, program first.
    command: Vec<String>,
    text: String,
    code: Option<i32>,
}

impl Actor {
    pub(super) fn new(role: Role, command: Command, process: Process) -> Actor {
        let is_own = command.program == Program::Own;
        let program = if is_own { "c10m".to_owned() } else { command.what };
        Actor {
            role,
            pid: process.pid(),
            process: Some(process),
            is_open: true,
            is_ending: matches!(role, Role::Load | Role::Slow | Role::Latecomer),
            is_own,
            was_killed: false,
            command: std::iter::once(program).chain(command.arguments).collect(),
            text: String::new(),
            code: None,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.process.is_none()
    }

    /// Ends it at once, which is no failure of its own; one with many connections takes a while to be gone. False if it had
    /// ended before.
    pub(super) fn kill(&mut self) -> bool {
        let Some(mut process) = self.process.take_if(|process| process.is_running()) else { return false };
        (self.is_ending, self.was_killed, self.is_open) = (true, true, false);
        process.tell(Order::Kill);
        self.process = Some(process);
        true
    }

    /// Reads what the process writes within `wait_max`, and notices its end.
    pub(super) fn hear(&mut self, mut wait_max: Duration) -> anyhow::Result<()> {
        let Some(process) = self.process.as_mut() else { return Ok(()) };
        while self.is_open
            && let Some(line) = process.next_line(wait_max)?
        {
            self.is_open = !line.is_empty();
            self.text += &line;
            wait_max = Duration::ZERO;
        }
        if !self.is_open && !process.is_running() {
            let ended = self.process.take().context("it was there")?.finish();
            self.code = match ended {
                // Others die of the signal that ends them, or end with its number.
                _ if self.role == Role::Server && self.is_ending && !self.is_own => Some(0),
                Ok((_, code)) => Some(code),
                // A failed probe does not make the run fail.
                Err(_) if self.role == Role::Probe || self.was_killed => None,
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    /// Whether it ended as it should, or with a code that is `allowed`.
    ///
    /// # Errors
    /// How it ended instead.
    pub(super) fn judge_end(&self, allowed: &[(Role, i32)]) -> anyhow::Result<()> {
        match (self.role, self.code) {
            // A probe that failed has no record, and the report says so.
            (Role::Probe, _) | (_, Some(0)) => Ok(()),
            (Role::Load | Role::Latecomer, Some(INVALID)) if self.is_own => Ok(()),
            _ if self.was_killed => Ok(()),
            (role, Some(code)) if allowed.contains(&(role, code)) => Ok(()),
            (_, Some(code)) => bail!("{}, {}, ended with {code}", self.role.word(), self.command[0]),
            (_, None) => bail!("{} has not ended", self.role.word()),
        }
    }

    pub(super) fn output(self) -> Output {
        Output { role: self.role, command: self.command, text: self.text }
    }
}
