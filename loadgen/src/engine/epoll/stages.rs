//! The stages of a worker: establish, hold, warm up, measure, let outstanding requests finish.

use super::{CHECK_NS, Window, Worker};
use crate::clock;
use crate::control::{Control, Progress, Stage, Times};
use crate::engine::connection::{Connection, Phase};
use crate::tally::{Tally, Traffic};
use protocol::client::Client;
use std::time::Duration;

/// First batches sent per turn when a closed loop starts, so that replies are not left waiting.
const STARTS_PER_TURN: usize = 64;
/// Connects started per turn, few enough that the connect times of the others are not the
/// generator's own.
const OPENS_PER_TURN: usize = 4;
/// Longest wait for outstanding replies after the load has ended, and after an interruption.
const GRACE_NS_MAX: u64 = 1_000_000_000;
const GRACE_NS_MAX_STOPPED: u64 = 500_000_000;

/// What is compared between the two ends of the window.
struct Mark {
    at_ns: u64,
    cpu_ns: u64,
    traffic: Traffic,
}

impl<C: Client, const OPEN: bool> Worker<'_, C, OPEN> {
    /// Goes through all stages and returns what was measured.
    pub(in crate::engine) fn run(mut self) -> Tally {
        let control = self.job.control;
        control.workers[self.index].advance(Progress::Ready);
        while control.is_at(Stage::Prepare) {
            std::thread::sleep(Duration::from_micros(200));
        }
        // Only now, so that the memory of the connections can be told from that of the worker.
        let count = self.job.plan.connections[self.index] as usize;
        self.connections.extend(std::iter::repeat_with(Connection::new).take(count));
        if OPEN {
            self.queue.reserve_idle(count);
        }
        if control.is_at(Stage::Connect) {
            self.establish(control);
            control.workers[self.index].advance(Progress::Connected);
            self.hold(control);
        }
        if control.is_at(Stage::Load) {
            self.load(control.times());
        }
        self.tally.connects.pending = u64::from(self.opening);
        self.tally
    }

    /// Establishes the connections, a bounded number at a time. Gives up on the rest when nothing
    /// moves for as long as one connect may take.
    fn establish(&mut self, control: &Control) {
        let count = self.connections.len();
        let (mut untouched, mut best_open) = (0, 0);
        let mut now = clock::now_ns();
        let mut progressed_at_ns = now;
        self.swept_at_ns = now;
        while (self.open as usize) < count && !control.is_stopped() && control.is_at(Stage::Connect) {
            let opens_max = if self.is_hopeless() { 0 } else { OPENS_PER_TURN };
            for _ in 0..opens_max {
                if untouched < count && self.has_room_to_open() {
                    self.open(untouched);
                    untouched += 1;
                }
            }
            let has_more = untouched < count && self.has_room_to_open();
            now = self.turn(now, if has_more { now } else { now + CHECK_NS });
            self.sweep(now);
            if self.open > best_open {
                best_open = self.open;
                progressed_at_ns = now;
            }
            if self.is_hopeless() || now - progressed_at_ns > self.connect_timeout_ns {
                return;
            }
        }
    }

    /// Keeps the connections until every worker has its own.
    fn hold(&mut self, control: &Control) {
        let mut now = clock::now_ns();
        while control.is_at(Stage::Connect) {
            now = self.turn(now, now + CHECK_NS / 4);
            self.sweep(now);
        }
    }

    /// Warm-up, window, grace.
    fn load(&mut self, times: Times) {
        let mut now = clock::now_ns();
        while now < times.begin_ns {
            now = self.turn(now, times.begin_ns);
        }
        self.tally.connects.established = u64::from(self.open);
        self.window = Window { start_ns: times.start_ns, len_ns: times.end_ns - times.start_ns };
        self.end_ns = times.end_ns;
        self.queue.begin(self.job.schedule.arrivals(self.index as u32, times.begin_ns));
        self.is_loading = true;
        let (mut started, mut mark) = (0, None);
        loop {
            if now >= self.check_at_ns {
                self.check(now, times.start_ns);
            }
            if mark.is_none() && now >= times.start_ns {
                mark = Some(self.mark(now));
            }
            if now >= self.end_ns {
                break;
            }
            if OPEN {
                self.dispatch(now);
            } else if started < self.connections.len() {
                started = self.start_some(started, now);
            }
            now = self.turn(now, self.wake_at(started));
        }
        if OPEN {
            self.dispatch(now); // arrivals that came due since the last turn and before the end
        }
        self.is_loading = false;
        self.may_open = false;
        self.close_window(mark.unwrap_or_else(|| self.mark(now)), now);
        self.finish(now);
    }

    /// The next moment at which a worker without events has something to do.
    fn wake_at(&self, started: usize) -> u64 {
        match OPEN {
            true => self.check_at_ns.min(self.queue.wake_at_ns()),
            false if started < self.connections.len() => 0,
            false => self.check_at_ns,
        }
    }

    /// Deadlines, reconnects, the stop flag: everything that may wait for [`CHECK_NS`].
    fn check(&mut self, now: u64, start_ns: u64) {
        self.sweep(now);
        if self.job.control.is_stopped() && now < self.end_ns {
            // Everything sent so far stays in the window. `now` may be the stamp of a request: too early.
            self.end_ns = self.end_ns.min(clock::now_ns() + 1);
            self.window.len_ns = self.end_ns.saturating_sub(start_ns);
        }
        let edge = if now < start_ns { start_ns } else { self.end_ns };
        self.check_at_ns = (now + CHECK_NS).min(edge.max(now));
    }

    fn mark(&self, now: u64) -> Mark {
        Mark { at_ns: now, cpu_ns: clock::thread_cpu_ns(), traffic: self.tally.traffic }
    }

    fn close_window(&mut self, from: Mark, now: u64) {
        let to = self.mark(now);
        self.tally.cpu_share = (to.cpu_ns - from.cpu_ns) as f64 / (to.at_ns - from.at_ns).max(1) as f64;
        self.tally.window_ns = self.window.len_ns;
        self.tally.traffic = to.traffic.since(from.traffic);
        self.tally.connects.held = self.connections.iter().filter(|connection| !connection.was_lost).count() as u64;
    }

    /// Sends the first batch of some connections of a closed loop; returns how many have theirs.
    fn start_some(&mut self, started: usize, now: u64) -> usize {
        let end = self.connections.len().min(started + STARTS_PER_TURN);
        for index in started..end {
            if self.connections[index].phase == Phase::Idle {
                self.send_batch(index, now, now);
            }
        }
        end
    }

    /// Gives outstanding replies a grace, then enters what is still missing as censored.
    fn finish(&mut self, ended_at_ns: u64) {
        let grace_ns = GRACE_NS_MAX.min(self.timeout_ns);
        let mut until_ns = ended_at_ns + grace_ns;
        // The traffic of the window is settled; what the grace adds does not belong to it.
        let traffic = self.tally.traffic;
        let mut now = ended_at_ns;
        while self.busy > 0 && now < until_ns {
            if self.job.control.is_stopped() {
                until_ns = until_ns.min(now + GRACE_NS_MAX_STOPPED);
            }
            now = self.turn(now, until_ns.min(now + CHECK_NS));
            self.sweep(now);
        }
        self.censor(now);
        self.tally.traffic = traffic;
    }
}
