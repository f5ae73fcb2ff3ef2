//! The one thread of a fan-out: sends what is due, second copies too, and reads what comes. All timeouts and all hedges wait
//! equally long, so their queues are in order by themselves.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::client::HttpClient;
use rustix::io::Errno;
use rustix::thread::set_current_timer_slack;
use sys::clock::{self, duration_ns};

use super::connections::{Connections, Fate, Sent};
use super::extra::{After, Budget, Extra};
use super::options::Options;
use super::parts::{Copy, Done, PartId, Parts};
use super::record::Record;
use super::tally::{Made, Tally};
use crate::LoadError;
use crate::plan::Plan;
use crate::recording::recorder::Recorder;
use crate::schedule::{Arrivals, Part};

/// Longest sleep, after which a stop is noticed.
const SLEEP_NS: u64 = 100_000_000;
/// How long the first connects may take together.
const CONNECT_NS_MAX: u64 = 5_000_000_000;

struct Drive<'a> {
    options: &'a Options,
    stop: &'a AtomicBool,
    connections: Connections,
    parts: Parts,
    /// Copies that wait for a free connection, in order of their times.
    waiting: VecDeque<(PartId, bool)>,
    /// When second copies are due.
    hedges: VecDeque<(u64, PartId)>,
    timeouts: VecDeque<(u64, Sent)>,
    /// Absent without hedges, and before a quantile is learned.
    hedge_after_ns: Option<u64>,
    budget: Budget,
    /// How long first copies took in the warm-up.
    learned: Recorder,
    /// The target whose turn it is.
    turn: usize,
    /// Of the request that begins, and what became of copies in a turn: kept, so that no turn allocates.
    ids: Vec<PartId>,
    fates: Vec<(Copy, Fate)>,
    tally: Tally,
}

/// Runs warm-up, window and what is left of it.
///
/// # Errors
/// When epoll fails, or not one connection could be established.
pub(super) fn drive(
    options: &Options,
    targets: Vec<(Plan, HttpClient)>,
    stop: &AtomicBool,
) -> Result<Record, LoadError> {
    // The default slack of 50 µs would make every send as late; without this they are only less punctual.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    let shown: Vec<String> = targets.iter().map(|(plan, _)| plan.target.shown.clone()).collect();
    let (hedge_after_ns, percent) = match options.extra {
        Extra::Hedge(hedge) => match hedge.after {
            After::Time(time) => (Some(duration_ns(time)), hedge.budget_percent),
            After::Quantile(_) => (None, hedge.budget_percent),
        },
        Extra::None | Extra::Tied => (None, 0.0),
    };
    let mut drive = Drive {
        options,
        stop,
        connections: Connections::open(targets, options.connections)?,
        parts: Parts::default(),
        waiting: VecDeque::new(),
        hedges: VecDeque::new(),
        timeouts: VecDeque::new(),
        hedge_after_ns,
        budget: Budget::new(percent),
        learned: Recorder::new(),
        turn: 0,
        ids: Vec::new(),
        fates: Vec::new(),
        tally: Tally::new(),
    };
    let setup = |errno: Errno| LoadError::setup("wait for events", errno);
    drive.establish(&shown)?;
    let start = clock::now_ns();
    let window = start + duration_ns(options.warm_up);
    let mut arrivals = options.schedule().arrivals(0, Part::WarmUp, start);
    drive.load(&mut arrivals, window, false).map_err(setup)?;
    drive.learn();
    let mut arrivals = options.schedule().arrivals(0, Part::Window, window);
    let end = window + duration_ns(options.duration);
    drive.load(&mut arrivals, end, true).map_err(setup)?;
    let over = clock::now_ns();
    drive.finish(over + duration_ns(options.timeout)).map_err(setup)?;
    let interrupted = stop.load(Ordering::Relaxed);
    let duration_us = over.saturating_sub(window) / 1000;
    let made = Made { targets: shown, hedge_after_ns: drive.hedge_after_ns, duration_us, interrupted };
    Ok(drive.end(made))
}

impl Drive<'_> {
    /// Waits until all connections are there, or as many as come.
    fn establish(&mut self, shown: &[String]) -> Result<(), LoadError> {
        let end = clock::now_ns() + CONNECT_NS_MAX;
        let mut now = clock::now_ns();
        while self.connections.free() < self.connections.count() && now < end && !self.is_stopped() {
            self.connections.reopen(now);
            let wake = self.connections.reopens_at().unwrap_or(u64::MAX).min(end).min(now + SLEEP_NS);
            let mut fates = std::mem::take(&mut self.fates);
            self.connections.wait(wake, &mut fates).map_err(|errno| LoadError::setup("wait for events", errno))?;
            self.fates = fates;
            now = clock::now_ns();
            // A port without a listener refuses at once, and all of them would be tried for seconds.
            if self.connections.free() == 0 && self.connections.last_error() == Some(Errno::CONNREFUSED) {
                break;
            }
        }
        if self.connections.free() > 0 {
            return Ok(());
        }
        if self.is_stopped() {
            return Err(LoadError::Interrupted);
        }
        let error = match self.connections.last_error() {
            Some(Errno::CONNREFUSED) => "ECONNREFUSED".to_owned(),
            Some(errno) => format!("errno_{}", errno.raw_os_error()),
            None => "ETIMEDOUT".to_owned(),
        };
        Err(LoadError::Unreachable { address: shown.join(", "), error })
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sends arrivals until `end`.
    fn load(&mut self, arrivals: &mut Arrivals, end: u64, is_measured: bool) -> Result<(), Errno> {
        loop {
            let now = clock::now_ns();
            while arrivals.next_ns() < end && arrivals.next_ns() <= now {
                self.begin(arrivals.next_ns(), is_measured);
                arrivals.advance();
            }
            self.work(clock::now_ns());
            if now >= end || self.is_stopped() {
                return Ok(());
            }
            self.wait(arrivals.next_ns().min(end))?;
        }
    }

    /// Waits for what is under way. Nothing new is sent but second copies.
    fn finish(&mut self, end: u64) -> Result<(), Errno> {
        loop {
            let now = clock::now_ns();
            self.work(now);
            if now >= end || self.is_stopped() || self.parts.unfinished().next().is_none() {
                return Ok(());
            }
            self.wait(end)?;
        }
    }

    fn begin(&mut self, intended_ns: u64, is_measured: bool) {
        let (count, is_tied) = (self.options.parts, self.options.extra == Extra::Tied);
        let mut ids = std::mem::take(&mut self.ids);
        self.parts.begin(intended_ns, is_measured, count, if is_tied { 2 } else { 1 }, &mut ids);
        self.tally.parts.asked_whole_run += u64::from(count);
        if is_measured {
            self.tally.began(clock::now_ns().saturating_sub(intended_ns), count);
        }
        for id in &ids {
            self.waiting.push_back((*id, false));
            if is_tied {
                self.waiting.push_back((*id, true));
            }
        }
        self.ids = ids;
    }

    /// Does what is due.
    fn work(&mut self, now: u64) {
        self.connections.reopen(now);
        self.send_waiting(now);
        while let Some((_, id)) = self.hedges.pop_front_if(|hedge| hedge.0 <= now) {
            self.hedge(id, now);
        }
        while let Some((_, sent)) = self.timeouts.pop_front_if(|timeout| timeout.0 <= now) {
            if let Some(copy) = self.connections.give_up(sent) {
                self.count(copy.part, |parts| parts.timed_out += 1);
                self.end_copy(copy.part, false, now);
            }
        }
    }

    fn send_waiting(&mut self, now: u64) {
        while let Some(&(id, is_second)) = self.waiting.front() {
            let is_wanted = self.parts.is_waiting(id);
            let is_late = self.parts.intended(id).is_some_and(|(at, _)| now > at + duration_ns(self.options.timeout));
            // The first of two copies may have its reply before the second finds a connection.
            if !is_wanted || is_late {
                self.waiting.pop_front();
                self.end_copy(id, false, now);
                continue;
            }
            if !self.send(id, is_second, now) {
                return;
            }
            self.waiting.pop_front();
            if !is_second {
                self.budget.pay_in();
                if let Some(after) = self.hedge_after_ns {
                    self.hedges.push_back((now + after, id));
                }
            }
        }
    }

    /// False when no connection is free.
    fn send(&mut self, part: PartId, is_second: bool, now: u64) -> bool {
        let elsewhere = self.parts.elsewhere(part).filter(|_| is_second);
        let copy = Copy { part, is_second, sent_ns: now };
        let Some(sent) = self.connections.send(elsewhere.unwrap_or(self.turn), copy) else { return false };
        if !is_second {
            // Targets take turns by first copies alone. A second one that took a turn would let others follow their first ones.
            self.turn = self.turn.wrapping_add(1);
            self.parts.sent_to(part, self.connections.target(sent));
        }
        self.timeouts.push_back((now + duration_ns(self.options.timeout), sent));
        self.count(part, |parts| {
            parts.copies += 1;
            parts.second += u64::from(is_second);
        });
        true
    }

    /// Sends a second copy of what has no reply yet.
    fn hedge(&mut self, id: PartId, now: u64) {
        if !self.parts.is_waiting(id) {
            return;
        }
        if self.connections.free() == 0 {
            return self.count(id, |parts| parts.no_connection += 1);
        }
        if !self.budget.take() {
            return self.count(id, |parts| parts.over_budget += 1);
        }
        self.parts.add_copy(id);
        if !self.send(id, true, now) {
            self.end_copy(id, false, now);
        }
    }

    fn wait(&mut self, until: u64) -> Result<(), Errno> {
        let next = [
            self.hedges.front().map(|hedge| hedge.0),
            self.timeouts.front().map(|timeout| timeout.0),
            self.connections.reopens_at(),
        ];
        let wake = next.into_iter().flatten().fold(until.min(clock::now_ns() + SLEEP_NS), u64::min);
        let mut fates = std::mem::take(&mut self.fates);
        let waited = self.connections.wait(wake, &mut fates);
        let now = clock::now_ns();
        for (copy, fate) in fates.drain(..) {
            self.on_fate(copy, fate, now);
        }
        self.fates = fates;
        waited
    }

    fn on_fate(&mut self, copy: Copy, fate: Fate, now: u64) {
        let is_good = fate == Fate::Answered;
        let intended = self.parts.intended(copy.part);
        let is_first = is_good && self.parts.is_waiting(copy.part);
        self.tally.parts.replies_whole_run += u64::from(is_good);
        self.count(copy.part, |parts| match (is_good, is_first) {
            (false, _) => parts.failed += 1,
            (true, false) => parts.discarded += 1,
            (true, true) => {
                parts.won += 1;
                parts.won_by_second += u64::from(copy.is_second);
            }
        });
        if let (true, Some((intended_ns, is_measured))) = (is_first, intended) {
            if is_measured {
                self.tally.answered(now.saturating_sub(intended_ns));
            } else if !copy.is_second {
                self.learned.record(now.saturating_sub(copy.sent_ns).max(1));
            }
        }
        self.end_copy(copy.part, is_good, now);
    }

    fn end_copy(&mut self, id: PartId, is_good: bool, now: u64) {
        if let Some(done) = self.parts.end_copy(id, is_good).done {
            self.tally.done(done, now);
        }
    }

    /// Counts something of a part in the window.
    fn count(&mut self, id: PartId, add: impl FnOnce(&mut super::record::PartCounts)) {
        if self.parts.intended(id).is_some_and(|(_, is_measured)| is_measured) {
            add(&mut self.tally.parts);
        }
    }

    /// Takes the quantile of the warm-up as the delay of hedges.
    fn learn(&mut self) {
        if let Extra::Hedge(hedge) = self.options.extra
            && let After::Quantile(quantile) = hedge.after
            && !self.learned.histogram.is_empty()
        {
            self.hedge_after_ns = Some(self.learned.histogram.value_at_quantile(quantile));
        }
    }

    /// Closes the account: what is not over has no good reply.
    fn end(mut self, made: Made) -> Record {
        let now = clock::now_ns();
        let unfinished: Vec<Done> = self.parts.unfinished().collect();
        unfinished.into_iter().for_each(|done| self.tally.done(done, now));
        let parts = &mut self.tally.parts;
        let ended = parts.won + parts.discarded + parts.failed + parts.timed_out;
        debug_assert!(parts.copies >= ended, "{parts:?}");
        parts.unanswered = parts.copies.saturating_sub(ended);
        debug_assert!(parts.unanswered <= self.connections.busy(), "{parts:?}");
        self.tally.record(self.options, made)
    }
}
