//! The stages of a worker: establish, hold, warm up, measure, let outstanding requests finish.

use super::connection::Flags;
use super::fleet::{Fleet, LastArrival};
use super::turn::{Engine, Wait};
use crate::engine::control::{Control, Progress, Stage, Times};
use crate::plan::grain::CHECK_NS;
use crate::plan::options::WHATEVER_IT_TAKES;
use crate::ratio::{SPAN_NS_MIN, share_of};
use crate::recording::counters::Traffic;
use crate::recording::cpu_shares::CpuShare;
use crate::recording::tally::Tally;
use protocol::client::Client;
use std::time::Duration;
use sys::clock::{self, duration_ns};

/// First batches sent per turn when a closed loop starts, so that replies are not left waiting.
const STARTS_PER_TURN: usize = 64;
/// Connects started per turn: few enough that the generator does not add to the connect times of the others.
const OPENS_PER_TURN: usize = 4;
/// If a turn had this many events, a worker that naps looks again at once: it is the most that every engine
/// takes.
const EVENTS_MANY: usize = 64;
/// Heartbeats sent per turn, as many as events are taken.
const BEATS_PER_TURN: usize = 64;
/// Longest wait for outstanding replies after the load has ended, and after an interruption.
const GRACE_NS_MAX: u64 = 1_000_000_000;
const GRACE_NS_MAX_STOPPED: u64 = 500_000_000;

/// Readings that are compared between the two ends of the window.
struct Mark {
    at_ns: u64,
    cpu_ns: u64,
    spun_ns: u64,
    run_delay_ns: Option<u64>,
    involuntary_switches: u64,
    traffic: Traffic,
    completed: u64,
    dispatched: u64,
    in_flight: u64,
}

/// A worker: a fleet, and the engine that moves its bytes.
pub(super) struct Worker<'a, C: Client, E: Engine, const OPEN: bool> {
    pub(super) engine: E,
    pub(super) fleet: Fleet<'a, C, E::Socket, OPEN>,
}

impl<C: Client, E: Engine, const OPEN: bool> Worker<'_, C, E, OPEN> {
    /// Goes through all stages and returns what was measured.
    pub(super) fn run(self) -> Tally {
        let Worker { fleet, engine } = self;
        let mut course = Course {
            engine,
            fleet,
            check_at_ns: 0,
            spun_ns: 0,
            next_open_ns: u64::MAX,
            has_more: false,
            last_open_ns: 0,
            opened: 0,
            attempts: 0,
        };
        let control = course.fleet.job.control;
        control.workers[course.fleet.index].advance(Progress::Ready);
        while control.is_at(Stage::Prepare) {
            std::thread::sleep(Duration::from_micros(200));
        }
        // Only now, so that the connections' memory can be distinguished from the worker's.
        course.fleet.populate();
        if control.is_at(Stage::Connect) {
            course.await_turn(control);
            // If another worker gave up and none has connected, skip the wait.
            if !control.is_hopeless() {
                course.establish(control);
            }
            control.finish_establishing();
            control.workers[course.fleet.index].advance(Progress::Connected);
            course.hold(control);
        }
        if control.is_at(Stage::Load) {
            course.load(control);
        }
        course.fleet.finish_connects();
        let Course { engine, mut fleet, .. } = course;
        drop(engine);
        fleet.tally.completed_whole_run = fleet.completed;
        fleet.tally
    }
}

/// A running worker. The engine is dropped first: the kernel may still read bytes that the fleet has lent it.
struct Course<'a, C: Client, E: Engine, const OPEN: bool> {
    engine: E,
    fleet: Fleet<'a, C, E::Socket, OPEN>,
    check_at_ns: u64,
    /// Time spent polling before arrivals with nothing to do.
    spun_ns: u64,
    /// When the next connect may start.
    next_open_ns: u64,
    /// The last turn took as many events as it could, so there may be more.
    has_more: bool,
    /// When a connection was last open or opened, or the next connect was not yet due; below, how many had been
    /// opened and tried by then.
    last_open_ns: u64,
    opened: u64,
    attempts: u64,
}

impl<C: Client, E: Engine, const OPEN: bool> Course<'_, C, E, OPEN> {
    /// One pass of the loop; returns the time after it. A closed loop uses the last reply's time stamp, which
    /// saves a reading of the clock.
    fn turn(&mut self, wait: Wait) -> u64 {
        self.fleet.looked_at_ns = 0;
        self.has_more = self.engine.turn(&mut self.fleet, wait) >= EVENTS_MANY;
        self.fleet.publish();
        if OPEN || self.fleet.looked_at_ns == 0 { clock::now_ns() } else { self.fleet.looked_at_ns }
    }

    /// Starts connects that are due, a few at a time.
    fn open_some(&mut self, now: u64) {
        self.next_open_ns = self.fleet.open_some(&mut self.engine, OPENS_PER_TURN, now);
    }

    /// Waits until it is this worker's turn to establish.
    fn await_turn(&mut self, control: &Control) {
        while !control.may_establish(self.fleet.index) && !control.is_stopped() && control.is_at(Stage::Connect) {
            std::thread::sleep(Duration::from_nanos(CHECK_NS / 4));
        }
    }

    /// Establishes the connections, a bounded number at a time. Gives up on the rest if there is no progress
    /// for as long as one connect may take.
    fn establish(&mut self, control: &Control) {
        let count = self.fleet.connections.len();
        let connect_timeout_ns = duration_ns(self.fleet.job.options.connect_timeout);
        let mut best_open = 0;
        let mut now = clock::now_ns();
        let mut progressed_at_ns = now;
        self.fleet.begin_sweep(now);
        while (self.fleet.open as usize) < count && !control.is_stopped() && control.is_at(Stage::Connect) {
            self.next_open_ns = u64::MAX;
            if !self.fleet.is_hopeless() {
                self.open_some(now);
            }
            let wait =
                if self.next_open_ns <= now { Wait::Poll } else { Wait::Until(self.next_open_ns.min(now + CHECK_NS)) };
            now = self.turn(wait);
            self.fleet.sweep(&mut self.engine, now);
            // A slow ramp also counts as progress: it waits for its own next connect.
            if self.fleet.open > best_open || (self.next_open_ns > now && self.next_open_ns != u64::MAX) {
                best_open = best_open.max(self.fleet.open);
                progressed_at_ns = now;
            }
            if self.fleet.is_hopeless() || now - progressed_at_ns > connect_timeout_ns {
                return;
            }
        }
    }

    /// Keeps the connections until every worker has its own.
    fn hold(&mut self, control: &Control) {
        let mut now = clock::now_ns();
        while control.is_at(Stage::Connect) {
            // Dozens of workers may wait here while others are still opening: they should not need the CPU.
            now = self.turn(Wait::Until(now + CHECK_NS));
            self.fleet.sweep(&mut self.engine, now);
        }
    }

    /// Warm-up, window, grace.
    fn load(&mut self, control: &Control) {
        let begin_ns = control.begin_ns();
        let mut now = clock::now_ns();
        while now < begin_ns {
            now = self.turn(Wait::Until(begin_ns));
        }
        self.fleet.end_turns();
        if self.fleet.job.options.realtime {
            // It worked at the start of this worker.
            let _ = sys::thread::set_realtime(true);
        }
        self.fleet.tally.connects.established = u64::from(self.fleet.open);
        self.fleet.tally.established_by_route = self.fleet.open_by_route();
        self.fleet.begin_warm_up(begin_ns);
        self.last_open_ns = now;
        let (mut started, mut mark) = (0, None);
        loop {
            if now >= self.check_at_ns {
                now = self.check(now);
            }
            if mark.is_none() && self.fleet.is_measuring {
                mark = Some(self.mark(now));
            }
            if self.fleet.is_measuring && (now >= self.fleet.end_ns || self.has_finished(now)) {
                break;
            }
            if self.fleet.has_to_open() {
                self.open_some(now);
            }
            if OPEN {
                self.fleet.dispatch(&mut self.engine, now, BEATS_PER_TURN);
            } else if self.is_starting(started) {
                started = self.fleet.start_some(&mut self.engine, started, STARTS_PER_TURN, now);
            }
            now = self.wait(now, started);
        }
        if OPEN {
            self.fleet.dispatch(&mut self.engine, now, usize::MAX); // arrivals due between the last turn and the end
        }
        let mark = mark.unwrap_or_else(|| self.mark(now));
        self.close_window(mark, now);
        self.finish(now);
    }

    /// Waits for the next event or the next moment at which there is something to do.
    fn wait(&mut self, now: u64, started: usize) -> u64 {
        if !OPEN {
            let wait = match self.is_starting(started) || self.next_open_ns <= now {
                true => Wait::Poll,
                // The delays of a policy are finer than a loose wait.
                false if self.fleet.next_retry_ns() < u64::MAX => Wait::Until(self.next_open_ns.min(now + CHECK_NS)),
                false => Wait::Loosely,
            };
            return self.turn(wait);
        }
        let arrival_ns = self.fleet.next_arrival_ns();
        let coalesce_ns = self.fleet.job.coalesce_ns();
        if coalesce_ns > 0 {
            if arrival_ns > now && !self.has_more {
                let until_ns = (now + coalesce_ns).min(self.check_at_ns).min(self.next_open_ns.max(now));
                std::thread::sleep(Duration::from_nanos(until_ns - now));
            }
            return self.turn(Wait::Poll);
        }
        let spin_ns = self.fleet.job.spin_ns();
        let wake_at_ns = self.check_at_ns.min(self.next_open_ns).min(arrival_ns.saturating_sub(spin_ns));
        if wake_at_ns > now {
            return self.turn(Wait::Until(wake_at_ns));
        }
        // An arrival is near and sleeping would overshoot it, so poll for replies and read the clock.
        self.fleet.looked_at_ns = 0;
        let count = self.engine.turn(&mut self.fleet, Wait::Poll);
        let later = clock::now_ns();
        if count == 0 {
            self.spun_ns += later - now;
            self.fleet.slice.spun_ns += later - now;
        } else {
            self.fleet.publish();
        }
        later
    }

    /// Handles deadlines, reconnects, intervals and the stop flag: everything that may wait for [`CHECK_NS`].
    /// Returns the time; if a window has just begun, it is not before its start.
    fn check(&mut self, mut now: u64) -> u64 {
        let control = self.fleet.job.control;
        self.fleet.sweep(&mut self.engine, now);
        let mut edge_ns = u64::MAX;
        if !self.fleet.is_measuring && control.is_stopped() {
            // Interrupted early: an empty window is the end.
            now = clock::now_ns() + 1;
            self.fleet.begin_window(Times { start_ns: now, end_ns: now }, now);
        } else if !self.fleet.is_measuring
            && let Some(times) = control.times()
        {
            self.fleet.expect_window(times, now);
            edge_ns = times.start_ns;
            if now >= times.start_ns {
                // `now` may be the stamp of a request that counts as warm-up: too early.
                now = clock::now_ns() + 1;
                self.fleet.begin_window(times, now);
            }
        }
        if self.fleet.is_measuring {
            if (control.is_stopped() || self.is_cut_off(now)) && now < self.fleet.end_ns {
                // Everything sent so far stays in the window, and here too `now` may be too early.
                self.fleet.cut_window(clock::now_ns() + 1);
            }
            edge_ns = self.fleet.end_ns;
        }
        self.fleet.turn_slice(now);
        let check_at_ns = (now + CHECK_NS).min(edge_ns).min(self.fleet.slice_end_ns());
        self.check_at_ns = check_at_ns.max(now);
        now
    }

    fn mark(&self, now: u64) -> Mark {
        Mark {
            at_ns: now,
            cpu_ns: clock::thread_cpu_ns(),
            spun_ns: self.spun_ns,
            run_delay_ns: host::kernel::thread_run_delay_ns(),
            involuntary_switches: sys::usage::thread_involuntary_switches(),
            traffic: self.fleet.tally.traffic,
            completed: self.fleet.completed,
            dispatched: self.fleet.dispatched,
            in_flight: self.fleet.in_flight(),
        }
    }

    fn close_window(&mut self, from: Mark, now: u64) {
        let to = self.mark(now);
        let ran_ns = to.cpu_ns - from.cpu_ns;
        let worked_ns = ran_ns.saturating_sub(to.spun_ns - from.spun_ns);
        let fleet = &mut self.fleet;
        fleet.may_open = false;
        // A worker that got no CPU sees the end of a short window late, but the window's length is still the requested
        // one.
        let is_long = fleet.window.len_ns >= SPAN_NS_MIN;
        let wall_ns = to.at_ns.saturating_sub(from.at_ns) * u64::from(is_long);
        fleet.tally.spun_ns = to.spun_ns - from.spun_ns;
        let run_delay_ns = to.run_delay_ns.zip(from.run_delay_ns).map(|(to, from)| to.saturating_sub(from));
        fleet.tally.cpu_shares = share_of(ran_ns, wall_ns)
            .zip(share_of(worked_ns, wall_ns))
            .map(|(ran, worked)| {
                let waited = run_delay_ns.and_then(|delay_ns| share_of(delay_ns, wall_ns));
                CpuShare { cpu: fleet.job.options.cpu_of(fleet.index), ran, worked, waited }
            })
            .into_iter()
            .collect();
        fleet.tally.involuntary_switches = to.involuntary_switches - from.involuntary_switches;
        fleet.tally.window_ns = fleet.window.len_ns;
        fleet.tally.traffic = to.traffic.since(from.traffic);
        // If arrivals are counted, ignore the time in which the last of them are only worked off.
        let window_end_ns = fleet.window.start_ns + fleet.window.len_ns;
        let end = fleet.last_arrival.unwrap_or(LastArrival {
            at_ns: window_end_ns,
            completed: to.completed,
            dispatched: to.dispatched,
            in_flight: to.in_flight,
        });
        fleet.tally.paced_ns = end.at_ns.min(window_end_ns).saturating_sub(fleet.window.start_ns);
        let pace = &mut fleet.tally.pace;
        pace.answered = end.completed - from.completed;
        pace.dispatched = end.dispatched - from.dispatched;
        (pace.in_flight_start, pace.in_flight_end) = (from.in_flight, end.in_flight);
        let held = fleet.connections.iter().filter(|connection| !connection.flags.has(Flags::LOST));
        fleet.tally.connects.held = held.count() as u64;
    }

    /// Whether connections of a closed loop still wait for their first batch.
    fn is_starting(&self, started: usize) -> bool {
        started < self.fleet.connections.len() && self.fleet.may_send()
    }

    /// Whether all requests of this worker were sent and have ended; then its window has ended too.
    fn has_finished(&mut self, now: u64) -> bool {
        let has_finished = self.fleet.has_finished();
        if has_finished {
            self.fleet.cut_window(now + 1);
        }
        has_finished
    }

    /// Whether a run that ends only with its requests cannot send any: no connection was open for as long as one
    /// connect may take. A connection may come and go between two looks. A slow ramp (`--connect-rate`) may leave a
    /// gap before the next connect, but only until that connect was tried: if all are refused, there is always a
    /// next one.
    fn is_cut_off(&mut self, now: u64) -> bool {
        let connects = &self.fleet.tally.connects;
        let (opened, attempts) = (connects.opened, connects.attempts);
        let is_next_ahead = self.next_open_ns > now && self.next_open_ns != u64::MAX;
        if self.fleet.open > 0 || opened != self.opened || (is_next_ahead && attempts == self.attempts) {
            (self.last_open_ns, self.opened, self.attempts) = (now, opened, attempts);
        }
        let options = self.fleet.job.options;
        options.window() >= WHATEVER_IT_TAKES
            && now.saturating_sub(self.last_open_ns) > duration_ns(options.connect_timeout)
    }

    /// Gives outstanding replies a grace, and waiting arrivals their turn; then records what is still missing
    /// as censored.
    fn finish(&mut self, ended_at_ns: u64) {
        self.fleet.begin_grace(ended_at_ns);
        let control = self.fleet.job.control;
        let grace_ns = GRACE_NS_MAX.min(duration_ns(self.fleet.job.options.timeout));
        let mut until_ns = ended_at_ns + grace_ns;
        // The traffic of the window is final; what the grace adds does not belong to it.
        let traffic = self.fleet.tally.traffic;
        let mut now = ended_at_ns;
        let is_awaited =
            |fleet: &Fleet<'_, C, E::Socket, OPEN>| fleet.busy > 0 || fleet.has_waiting() || fleet.has_to_repeat();
        while is_awaited(&self.fleet) && now < until_ns {
            if control.is_stopped() {
                until_ns = until_ns.min(now + GRACE_NS_MAX_STOPPED);
            }
            if self.fleet.has_to_repeat() {
                self.open_some(now);
            }
            now = self.turn(Wait::Until(until_ns.min(now + CHECK_NS)));
            self.fleet.sweep(&mut self.engine, now);
            if OPEN {
                self.fleet.dispatch(&mut self.engine, now, usize::MAX);
            }
        }
        self.fleet.censor(now);
        self.fleet.hand_over(now);
        self.fleet.tally.traffic = traffic;
    }
}
