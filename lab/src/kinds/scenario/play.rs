//! Carries a timeline out: starts processes, waits, samples while it waits, and ends what it started. One thread does
//! all of this, so nothing happens between an action and the sample that shows it.

use std::fs;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use host::sysctl;
use sys::{clock, usage};

use crate::kinds::scenario::actor::Actor;
use crate::kinds::scenario::observe::Observer;
use crate::kinds::scenario::prepare::prepare;
use crate::kinds::scenario::seen::Seen;
use crate::kinds::scenario::timeline::{Action, DIRECTORY, Ground, Or, Ready, Retire, Role, Timeline, Until};
use crate::kinds::scenario::watch::{self, Pids, Watch};
use crate::session::host::{Command, Order, Passed, Program};
use crate::session::lent::Lent;
use crate::session::namespace::{self, Hosts};
use crate::session::process::Process;
use crate::session::side::Side;
use crate::session::stage::Stage;
use crate::subjects::servers::TemporaryDirectory;

/// Longest time that a program may take which changes something on a host.
const RUN_MAX: Duration = Duration::from_secs(30);
/// Longest time between two checks whether to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Time between two checks of a process that has closed its output, or of sockets that appear within milliseconds.
const LOOK_SOON: Duration = Duration::from_millis(5);

/// Plays a timeline. Notices a stop within a second, unless a process has begun a line and not finished it.
///
/// # Errors
/// When it was interrupted, a required condition was not met, or a subject failed.
pub(super) fn play(timeline: &Timeline, stage: &Stage<'_>) -> anyhow::Result<Seen> {
    let actions = &timeline.actions;
    // Before any namespace: a child of the host's does not have these.
    let _lent = (!timeline.lent.is_empty()).then(|| Lent::take(&timeline.lent)).transpose()?;
    match timeline.ground {
        Ground::Here => Player::new(stage, None).play(actions),
        Ground::Namespace { sockets } => namespace::inside(sockets, |ehash_entries| {
            prepare()?;
            Ok(Seen { ehash_entries, ..Player::new(stage, None).play(actions)? })
        }),
        Ground::Joined { sockets, addresses, wire } => {
            namespace::joined(sockets, addresses, wire, |hosts, ehash_entries| {
                for side in Side::BOTH {
                    hosts.enter(side)?;
                    prepare()?;
                }
                Ok(Seen { ehash_entries, ..Player::new(stage, Some(hosts)).play(actions)? })
            })
        }
    }
}

struct Player<'a> {
    stage: &'a Stage<'a>,
    /// Absent in a run without hosts of its own.
    hosts: Option<&'a Hosts>,
    actors: Vec<Actor>,
    /// Address of the server, once announced.
    address: Option<String>,
    watch: Option<Watch>,
    is_watching: bool,
    observer: Option<Observer>,
    /// What is passed to servers.
    passed: Option<Passed>,
    /// Exit codes that are no failure.
    allowed: Vec<(Role, i32)>,
    /// Made for the first command or file that needs it.
    directory: Option<TemporaryDirectory>,
    seen: Seen,
}

impl<'a> Player<'a> {
    fn new(stage: &'a Stage<'a>, hosts: Option<&'a Hosts>) -> Player<'a> {
        let seen = Seen::default();
        Player {
            stage,
            hosts,
            actors: vec![],
            address: None,
            watch: None,
            is_watching: false,
            observer: None,
            passed: None,
            allowed: vec![],
            directory: None,
            seen,
        }
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
        self.actors.iter().try_for_each(|actor| actor.judge_end(&self.allowed))?;
        if let Some(watch) = self.watch {
            (self.seen.held_at_s, self.seen.gone_at_s) = (watch.held_at_s, watch.gone_at_s);
            self.seen.samples = watch.samples;
        }
        self.seen.observations = self.observer.map_or(vec![], Observer::end);
        self.seen.outputs = self.actors.into_iter().map(Actor::output).collect();
        Ok(self.seen)
    }

    fn act(&mut self, action: &Action) -> anyhow::Result<()> {
        // These take a while in which nobody observes: what came before is not to be mixed with what they cause.
        if let (Action::Start { .. } | Action::Run { .. }, Some(observer)) = (action, &mut self.observer) {
            observer.observe();
        }
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
            Action::Kill(role) => self.kill(*role)?,
            Action::Tell(role, order) => self.tell(*role, *order)?,
            Action::Run { side, command } => self.run(*side, command)?,
            Action::Cable { side, up } => self.hosts()?.set_cable(*side, *up)?,
            Action::Retire { role, how } => self.retire(*role, *how)?,
            Action::Write { file, text } => {
                let directory = self.directory()?;
                let text = text.replace(DIRECTORY, &directory);
                fs::write(format!("{directory}/{file}"), text).with_context(|| format!("cannot write {file}"))?;
            }
            Action::Listen(address) => {
                self.hosts()?.enter(Side::Server)?;
                let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
                self.passed = Some(Passed(listener.into()));
            }
            Action::Allow(role, code) => self.allowed.push((*role, *code)),
            Action::Set { side, name, value } => {
                self.hosts()?.enter(*side)?;
                sysctl::write(name, value).with_context(|| format!("cannot set {name} to {value}"))?;
            }
            Action::Observe => self.observer = Some(Observer::begin(self.hosts()?)?),
            Action::Mark(name) => self.mark(name),
        }
        Ok(())
    }

    /// The CPU time first: reading it takes a while.
    fn mark(&mut self, name: &'static str) {
        if let Some(run_ns) = self.pids().server.and_then(usage::process_run_ns) {
            self.seen.server_run_ns.push((name, run_ns));
        }
        self.seen.marks.push((name, clock::now_ns()));
    }

    fn hosts(&self) -> anyhow::Result<&'a Hosts> {
        self.hosts.context("the run has no hosts of its own")
    }

    fn start(&mut self, role: Role, command: &Command, ready: Ready) -> anyhow::Result<()> {
        let mut command = command.clone();
        if let Some((host, port)) = self.address.as_deref().and_then(|address| address.rsplit_once(':')) {
            for argument in &mut command.arguments {
                *argument = argument.replace("{host}", host).replace("{port}", port);
            }
        }
        if command.arguments.iter().any(|argument| argument.contains(DIRECTORY)) {
            let directory = self.directory()?;
            for argument in &mut command.arguments {
                *argument = argument.replace(DIRECTORY, &directory);
            }
            if command.program != Program::Own {
                // Its name tells `orphans` to whom workers belong that are left over.
                command.directory = Some(directory.into());
            }
        }
        if let Some(hosts) = self.hosts {
            hosts.enter(role.side())?;
        }
        if role == Role::Server {
            command.passed = self.passed.clone();
        }
        let mut process = Process::start(self.stage.host, &command)?;
        if ready == Ready::Announced {
            self.address = Some(process.read_address()?);
        }
        self.actors.push(Actor::new(role, command, process));
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

    /// The directory of the run.
    fn directory(&mut self) -> anyhow::Result<String> {
        let directory = match self.directory.take() {
            Some(directory) => directory,
            None => TemporaryDirectory::new("scenario").context("cannot make a directory for the run")?,
        };
        Ok(self.directory.insert(directory).0.to_string_lossy().into_owned())
    }

    /// The process before the last one of a role is expected to end.
    fn retire(&mut self, role: Role, how: Retire) -> anyhow::Result<()> {
        let mut of_role = self.actors.iter_mut().rev().filter(|actor| actor.role == role);
        let actor = of_role.nth(1).with_context(|| format!("{} has no predecessor", role.word()))?;
        actor.is_ending = true;
        match (&mut actor.process, how) {
            (Some(process), Retire::Asked) => process.terminate(),
            (None, Retire::Asked) => bail!("{} ended before it was asked to", role.word()),
            (_, Retire::ByItself) => {}
        }
        Ok(())
    }

    /// Ends a process at once, and waits until it is gone.
    ///
    /// # Errors
    /// When it has ended before: then it failed by itself.
    fn kill(&mut self, role: Role) -> anyhow::Result<()> {
        let Some(actor) = self.actor(role) else { bail!("{} was not started", role.word()) };
        if !actor.kill() {
            bail!("{} ended before it was killed", role.word());
        }
        // Its host is observed meanwhile: this is when its clients hear of it.
        self.wait(Until::Ended(role), Duration::MAX).map(|_| ())
    }

    fn tell(&mut self, role: Role, order: Order) -> anyhow::Result<()> {
        let process = self.actor(role).and_then(|actor| actor.process.as_mut());
        process.with_context(|| format!("{} does not run", role.word()))?.tell(order);
        Ok(())
    }

    /// Runs a program to its end on a side.
    fn run(&mut self, side: Side, command: &Command) -> anyhow::Result<()> {
        self.hosts()?.enter(side)?;
        let ended = Process::start(self.stage.host, command)?.end_within(RUN_MAX)?;
        match ended.code {
            Some(0) => Ok(()),
            Some(code) => bail!("{} ended with {code}: {}", command.what, ended.complaint),
            None if !ended.is_by_itself => bail!("{} did not end within {} s", command.what, RUN_MAX.as_secs()),
            None => bail!("{} was killed: {}", command.what, ended.complaint),
        }
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
        let watch_due = self.watch.as_ref().filter(|_| self.is_watching).map_or(LOOK, Watch::due_in);
        let observation_due = self.observer.as_ref().map_or(LOOK, Observer::due_in);
        let longest = left.min(LOOK).min(watch_due).min(observation_due);
        match until {
            Until::Ended(role) => match self.actor(role).filter(|actor| actor.is_open) {
                Some(actor) => return actor.hear(longest),
                None => thread::sleep(longest.min(LOOK_SOON)),
            },
            Until::Sockets(_) | Until::Retired(_) => thread::sleep(longest.min(LOOK_SOON)),
            Until::Held | Until::Gone | Until::Established(_) | Until::Time => thread::sleep(longest),
        }
        Ok(())
    }

    fn sample(&mut self) {
        let (pids, is_over) = (self.pids(), self.has_ended(Role::Load));
        if let Some(watch) = self.watch.as_mut().filter(|watch| self.is_watching && watch.due_in().is_zero()) {
            watch.sample(pids, is_over);
        }
        if let Some(observer) = self.observer.as_mut().filter(|observer| observer.due_in().is_zero()) {
            observer.observe();
        }
    }

    fn is_met(&mut self, until: Until) -> bool {
        match until {
            Until::Sockets(count) => watch::sockets_in_use() >= count,
            Until::Held => {
                self.has_ended(Role::Load) || self.watch.as_ref().is_some_and(|watch| watch.held_at_s.is_some())
            }
            Until::Ended(role) => self.has_ended(role),
            Until::Retired(role) => {
                self.actors.iter().filter(|actor| actor.role == role && !actor.has_ended()).count() <= 1
            }
            Until::Gone => self.watch.as_ref().is_none_or(|watch| watch.gone_at_s.is_some()),
            Until::Established(count) => self.observer.as_ref().is_some_and(|observer| observer.established() >= count),
            Until::Time => false,
        }
    }

    /// The process that was started last in this role.
    fn actor(&mut self, role: Role) -> Option<&mut Actor> {
        self.actors.iter_mut().rfind(|actor| actor.role == role)
    }

    /// Whether a process was started in this role and every one has ended.
    fn has_ended(&self, role: Role) -> bool {
        let mut of_role = self.actors.iter().filter(|actor| actor.role == role).peekable();
        of_role.peek().is_some() && of_role.all(Actor::has_ended)
    }

    fn pids(&self) -> Pids {
        let of = |role: Role| self.actors.iter().rfind(|actor| actor.role == role).map(|actor| actor.pid);
        Pids { server: of(Role::Server), generator: of(Role::Load) }
    }
}

#[cfg(test)]
mod tests;
