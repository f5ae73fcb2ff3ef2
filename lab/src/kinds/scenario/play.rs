//! Carries a timeline out: starts processes, waits, samples while it waits, and ends what it started. One thread does
//! all of this, so nothing happens between an action and the sample that shows it.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::kinds::scenario::prepare::prepare;
use crate::kinds::scenario::seen::{Output, Seen};
use crate::kinds::scenario::timeline::{Action, Or, Ready, Role, Timeline, Until};
use crate::kinds::scenario::watch::{self, Pids, Watch};
use crate::session::host::{Command, Program};
use crate::session::namespace;
use crate::session::process::Process;
use crate::session::stage::Stage;

/// Longest time between two checks whether to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Time between two checks of a process that has closed its output, or of sockets that appear within milliseconds.
const LOOK_SOON: Duration = Duration::from_millis(5);
/// Exit code of this program's load generator for an invalid measurement. The report says so, so the run counts.
const INVALID: i32 = 4;

/// Plays a timeline. Notices a stop within a second, unless a process has begun a line and not finished it.
///
/// # Errors
/// When it was interrupted, a required condition was not met, or a subject failed.
pub(super) fn play(timeline: &Timeline, stage: &Stage<'_>) -> anyhow::Result<Seen> {
    match timeline.sockets {
        None => Player::new(stage).play(&timeline.actions),
        Some(sockets) => namespace::inside(sockets, |ehash_entries| {
            prepare()?;
            let seen = Player::new(stage).play(&timeline.actions)?;
            Ok(Seen { ehash_entries, ..seen })
        }),
    }
}

/// A process that takes part in the timeline.
struct Actor {
    role: Role,
    is_own: bool,
    pid: u32,
    /// `None` when it has ended.
    process: Option<Process>,
    /// Whether its output may have more to read.
    is_open: bool,
    /// Whether it ends by itself or was asked to end.
    is_ending: bool,
    /// The command, program first.
    command: Vec<String>,
    text: String,
    code: Option<i32>,
}

struct Player<'a> {
    stage: &'a Stage<'a>,
    actors: Vec<Actor>,
    /// Address of the server, once announced.
    address: Option<String>,
    watch: Option<Watch>,
    is_watching: bool,
    seen: Seen,
}

impl<'a> Player<'a> {
    fn new(stage: &'a Stage<'a>) -> Player<'a> {
        Player { stage, actors: vec![], address: None, watch: None, is_watching: false, seen: Seen::default() }
    }

    fn play(mut self, actions: &[Action]) -> anyhow::Result<Seen> {
        for action in actions {
            self.act(action)?;
        }
        if let Some(actor) = self.actors.iter().find(|actor| !actor.is_ending) {
            bail!("the timeline does not end {}", actor.role.word());
        }
        let roles: Vec<Role> = self.actors.iter().map(|actor| actor.role).collect();
        for role in roles {
            self.wait(Until::Ended(role), Duration::MAX)?;
        }
        self.judge_ends()?;
        if let Some(watch) = self.watch {
            (self.seen.held_at_s, self.seen.gone_at_s) = (watch.held_at_s, watch.gone_at_s);
            self.seen.samples = watch.samples;
        }
        self.seen.outputs = self
            .actors
            .into_iter()
            .map(|actor| Output { role: actor.role, command: actor.command, text: actor.text })
            .collect();
        Ok(self.seen)
    }

    fn act(&mut self, action: &Action) -> anyhow::Result<()> {
        match action {
            Action::Look(moment) => {
                let look = watch::look(self.pids());
                self.seen.looks.push((*moment, look));
            }
            Action::Start { role, command, ready } => self.start(*role, command, *ready)?,
            Action::Watch { ends, connections } => {
                self.watch = Some(Watch::begin(watch::sockets_in_use(), *ends, *connections));
                self.is_watching = true;
            }
            Action::Unwatch => self.is_watching = false,
            Action::Await { until, within, or } => {
                let is_met = self.wait(*until, *within)?;
                if let (false, Or::Fail(reason)) = (is_met, or) {
                    bail!("{reason} within {} s", within.as_secs());
                }
            }
            Action::End(role) => self.end(*role)?,
        }
        Ok(())
    }

    fn start(&mut self, role: Role, command: &Command, ready: Ready) -> anyhow::Result<()> {
        let mut command = command.clone();
        if let Some((host, port)) = self.address.as_deref().and_then(|address| address.rsplit_once(':')) {
            for argument in &mut command.arguments {
                *argument = argument.replace("{host}", host).replace("{port}", port);
            }
        }
        let is_own = command.program == Program::Own;
        let program = if is_own { "c10m".to_owned() } else { command.what.clone() };
        let mut process = Process::start(self.stage.host, &command)?;
        if ready == Ready::Announced {
            self.address = Some(process.read_address()?);
        }
        self.actors.push(Actor {
            role,
            is_own,
            pid: process.pid(),
            process: Some(process),
            is_open: true,
            is_ending: role == Role::Load,
            command: std::iter::once(program).chain(command.arguments).collect(),
            text: String::new(),
            code: None,
        });
        Ok(())
    }

    /// Asks a process to end in order. A server that ended by itself did not serve as it should.
    fn end(&mut self, role: Role) -> anyhow::Result<()> {
        let Some(actor) = self.actor(role) else { bail!("{} was not started", role.word()) };
        actor.is_ending = true;
        let Some(process) = &mut actor.process else {
            return if role == Role::Server { bail!("the server ended first") } else { Ok(()) };
        };
        if role == Role::Server && !process.is_running() {
            bail!("the server ended first: {}", process.complaint());
        }
        process.terminate();
        Ok(())
    }

    /// Waits for a condition, at most for `within`. Returns whether it was met.
    fn wait(&mut self, until: Until, within: Duration) -> anyhow::Result<bool> {
        let start = Instant::now();
        loop {
            if self.stage.is_stopped() {
                // Kill the load before the server. Otherwise the load would count the server's end as failures and
                // report them.
                self.actors.reverse();
                self.actors.iter_mut().filter_map(|actor| actor.process.as_mut()).for_each(Process::kill);
                bail!("interrupted");
            }
            for actor in &mut self.actors {
                actor.hear(Duration::ZERO)?;
            }
            self.sample();
            if self.is_met(until) {
                return Ok(true);
            }
            let Some(left) = within.checked_sub(start.elapsed()) else { return Ok(false) };
            self.pause(until, left)?;
        }
    }

    /// Waits until something may have changed, or the next sample is due.
    fn pause(&mut self, until: Until, left: Duration) -> anyhow::Result<()> {
        let due = self.watch.as_ref().filter(|_| self.is_watching).map_or(LOOK, Watch::due_in);
        let longest = left.min(LOOK).min(due);
        match until {
            Until::Ended(role) => match self.actor(role).filter(|actor| actor.is_open) {
                Some(actor) => return actor.hear(longest),
                None => thread::sleep(longest.min(LOOK_SOON)),
            },
            Until::Sockets(_) => thread::sleep(longest.min(LOOK_SOON)),
            Until::Held | Until::Gone => thread::sleep(longest),
        }
        Ok(())
    }

    fn sample(&mut self) {
        let (pids, is_over) = (self.pids(), self.has_ended(Role::Load));
        if let Some(watch) = self.watch.as_mut().filter(|watch| self.is_watching && watch.due_in().is_zero()) {
            watch.sample(pids, is_over);
        }
    }

    fn is_met(&mut self, until: Until) -> bool {
        match until {
            Until::Sockets(count) => watch::sockets_in_use() >= count,
            Until::Held => {
                self.has_ended(Role::Load) || self.watch.as_ref().is_some_and(|watch| watch.held_at_s.is_some())
            }
            Until::Ended(role) => self.has_ended(role),
            Until::Gone => self.watch.as_ref().is_none_or(|watch| watch.gone_at_s.is_some()),
        }
    }

    fn actor(&mut self, role: Role) -> Option<&mut Actor> {
        self.actors.iter_mut().find(|actor| actor.role == role)
    }

    /// Whether the process was started and has ended.
    fn has_ended(&self, role: Role) -> bool {
        self.actors.iter().any(|actor| actor.role == role && actor.process.is_none())
    }

    fn pids(&self) -> Pids {
        let of = |role: Role| self.actors.iter().find(|actor| actor.role == role).map(|actor| actor.pid);
        Pids { server: of(Role::Server), generator: of(Role::Load) }
    }

    fn judge_ends(&self) -> anyhow::Result<()> {
        for actor in &self.actors {
            match (actor.role, actor.code) {
                // A probe that failed has no record, and the report says so.
                (Role::Probe, _) | (_, Some(0)) => {}
                (Role::Load, Some(INVALID)) if actor.is_own => {}
                (_, Some(code)) => bail!("{}, {}, ended with {code}", actor.role.word(), actor.command[0]),
                (_, None) => bail!("{} has not ended", actor.role.word()),
            }
        }
        Ok(())
    }
}

impl Actor {
    /// Reads what the process writes within `wait_max`, and notices its end.
    fn hear(&mut self, mut wait_max: Duration) -> anyhow::Result<()> {
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
                Ok((_, code)) => Some(code),
                // A failed probe does not make the run fail.
                Err(_) if self.role == Role::Probe => None,
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
