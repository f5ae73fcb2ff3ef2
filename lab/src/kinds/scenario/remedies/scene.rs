//! What one run of a scenario about remedies showed: the accounts of both programs, the counters of both hosts, and when
//! what happened.

use std::time::Duration;

use anyhow::Context;
use host::kernel::KernelDelta;
use loadgen::Distribution;
use loadgen::Record as Load;
use loadgen::fan_out::Record as FanOut;
use loadgen::null_server::{Event, Exit as NullExit};
use loadgen::record::{Interval, IntervalPhase};
use loadgen::slow::Record as Slow;
use results::histogram::Latencies;
use server::Exit;

use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::seen::Seen;
use crate::kinds::scenario::timeline::Role;
use crate::session::side::Side;
use crate::subjects::servers::c10m;
use crate::subjects::tools::parse::Reported;
use crate::subjects::tools::tool::Tool;

/// What one run showed.
pub(crate) struct Scene<'a> {
    pub(crate) arm: &'a Arm,
    pub(crate) seen: &'a Seen,
    /// Empty where a fan-out or another program took its place.
    pub(crate) load: Load,
    pub(crate) fan_out: Option<FanOut>,
    /// What a load generator says, where the arm is about that.
    pub(crate) reported: Option<Reported>,
    /// What a probe and a latecomer saw, where there are such.
    pub(crate) probe: Option<Load>,
    pub(crate) latecomer: Option<Load>,
    /// What slow clients saw, where there are such of this program.
    pub(crate) slow: Option<Slow>,
    /// The account of the server that was started last; one that was killed gave none.
    pub(crate) served: Option<Exit>,
    /// The same of a null server.
    pub(crate) null_served: Option<NullExit>,
}

impl Scene<'_> {
    /// # Errors
    /// When the server or the load generator printed no account of the expected form.
    pub(crate) fn of<'a>(arm: &'a Arm, seen: &'a Seen) -> anyhow::Result<Scene<'a>> {
        let account = seen.account(Role::Load)?;
        let is = |role, command: &str| {
            let first = seen.output(role).and_then(|output| output.command.get(1));
            first.is_some_and(|first| first == command)
        };
        let context = "the load generator printed no record";
        let reported = arm.tool.map(|tool| reported(tool, seen)).transpose()?;
        let is_own = arm.tool.is_none_or(Tool::is_own);
        let (load, fan_out) = match is(Role::Load, "fan-out") {
            true => (Load::default(), Some(serde_json::from_str(account).context(context)?)),
            false if is_own => (serde_json::from_str(account).context(context)?, None),
            false => (Load::default(), None),
        };
        // A probe that failed has no record.
        let other = |role| seen.account(role).ok().and_then(|text| serde_json::from_str(text).ok());
        let account = seen.account(Role::Server).ok();
        let (served, null_served) = match is(Role::Server, "null-server") {
            true => (None, account.map(null_account).transpose()?),
            false => (account.map(c10m::account).transpose()?, None),
        };
        // Another program's is not understood.
        let slow = seen.account(Role::Slow).ok().and_then(|text| serde_json::from_str(text).ok());
        let (probe, latecomer) = (other(Role::Probe), other(Role::Latecomer));
        Ok(Scene { arm, seen, load, fan_out, reported, probe, latecomer, slow, served, null_served })
    }

    /// The load generator's verdict on itself; other programs have none.
    pub(crate) fn verdict(&self) -> String {
        if self.arm.tool.is_some_and(|tool| !tool.is_own()) {
            return NO_VERDICT.to_owned();
        }
        self.fan_out.as_ref().map_or_else(|| self.load.verdict.to_string(), |record| record.verdict.name().to_owned())
    }

    /// Requests with a good reply within a time of when they were meant to be sent, in percent of all.
    pub(crate) fn answered_within(&self, time: Duration) -> Option<f64> {
        let requests = &self.load.requests;
        let responses = Latencies::decode(self.load.histograms.get(&Distribution::Response)?).ok()?;
        // Failures are in there too, with what they waited. Those that waited longer are taken off as well: it is so many at least.
        let good = responses.count_within(time).saturating_sub(requests.failed).min(requests.completed);
        (requests.scheduled > 0).then(|| 100.0 * good as f64 / requests.scheduled as f64)
    }

    /// One of the window's requests, in percent of all of them.
    pub(crate) fn one_request_percent(&self) -> f64 {
        100.0 / self.load.requests.scheduled.max(1) as f64
    }

    /// Requests that null servers answered, a second one included.
    pub(crate) fn null_requests(&self) -> Option<u64> {
        let second = self.seen.account(Role::SecondServer).ok().map(null_account);
        let second = second.transpose().ok()?.map_or(0, |exit| exit.requests);
        Some(self.null_served.as_ref()?.requests + second)
    }

    /// The most connections in TIME-WAIT that a host was seen with.
    pub(crate) fn time_wait_max(&self, side: Side) -> Option<f64> {
        let levels = self.seen.observations.iter().filter_map(|observation| observation.of(side).sockstat.tcp_tw);
        levels.max().map(|most| most as f64)
    }

    /// Connections in the longest accept queue that was seen on the server's host.
    pub(crate) fn accept_queue_max(&self) -> Option<f64> {
        self.seen.observations.iter().filter_map(|observation| observation.accept_queue).max().map(f64::from)
    }

    /// By how much the kernel's buffers of TCP grew at most since the first observation, in bytes. They are the machine's.
    pub(crate) fn tcp_memory_growth(&self) -> Option<f64> {
        let page = rustix::param::page_size() as u64;
        let levels = self.seen.observations.iter().map(|observation| observation.server.sockstat.tcp_mem_pages);
        let levels: Vec<u64> = levels.collect::<Option<_>>()?;
        let (first, most) = (levels.first()?, levels.iter().max()?);
        Some(((most - first) * page) as f64)
    }

    /// CPU time of all reactors over the server's life.
    pub(crate) fn server_cpu_s(&self) -> Option<f64> {
        let reactors = self.served.as_ref()?.report.reactors.iter();
        let times = reactors.map(|reactor| reactor.cpu_time.user_us + reactor.cpu_time.system_us);
        Some(times.sum::<u64>() as f64 / 1e6)
    }

    /// When the timeline noted a moment: CLOCK_MONOTONIC in ns.
    pub(crate) fn mark(&self, name: &str) -> Option<u64> {
        self.seen.marks.iter().find(|(known, _)| *known == name).map(|(_, at_ns)| *at_ns)
    }

    /// CPU time that the server had taken when the timeline noted a moment, in ns.
    pub(crate) fn server_run_ns(&self, name: &str) -> Option<u64> {
        self.seen.server_run_ns.iter().find(|(known, _)| *known == name).map(|(_, run_ns)| *run_ns)
    }

    /// The most per second that some counters of a host grew by together in a tenth of a second, after a moment. Observations
    /// before an action are closer together: over a few milliseconds a handful would be a high rate. It is at least so much:
    /// growth counts over all the time that it may have taken.
    pub(crate) fn peak_per_s(&self, side: Side, counters: &[&str], since_ns: u64) -> Option<f64> {
        let after = self.seen.observations.iter().filter(|observation| observation.at_ns > since_ns);
        let deltas: Vec<&KernelDelta> = after.map(|observation| observation.of(side)).collect();
        let grown = |delta: &&KernelDelta| counters.iter().map(|counter| delta.counter(counter)).sum::<Option<u64>>();
        let counted: Vec<u64> = deltas.iter().map(grown).collect::<Option<_>>()?;
        let rate = |from: usize| {
            let (mut grown, mut wall_us) = (0, 0);
            for (more, delta) in counted[from..].iter().zip(&deltas[from..]) {
                (grown, wall_us) = (grown + more, wall_us + delta.wall_us);
                if wall_us >= PEAK_US_MIN {
                    return Some(grown as f64 * 1e6 / (wall_us + delta.counting_us.unwrap_or(0)) as f64);
                }
            }
            None
        };
        (0..counted.len()).filter_map(rate).reduce(f64::max)
    }

    /// Seconds of full service that the clients went without since a moment: the area between the service per second that
    /// they had before, and that which they had after.
    pub(crate) fn service_lost_s(&self, since_ns: u64, service: fn(&Interval) -> f64) -> Option<f64> {
        let since_s = since_ns.saturating_sub(self.load.window_start_ns) as f64 / 1e9;
        let points = self.by_interval(service);
        let calm: Vec<f64> = points.iter().filter(|(end_s, _)| *end_s <= since_s).map(|(_, rate)| *rate).collect();
        let before = results::stats::median(&calm).filter(|rate| *rate > 0.0)?;
        let steps = points.windows(2).filter(|step| step[1].0 > since_s);
        Some(steps.map(|step| (step[1].0 - step[0].0) * (1.0 - step[1].1 / before).max(0.0)).sum())
    }

    /// Seconds of the window as measured.
    pub(crate) fn window_s(&self) -> f64 {
        self.load.duration_us as f64 / 1e6
    }

    /// The intervals of the window.
    pub(crate) fn measured(&self) -> impl Iterator<Item = &Interval> {
        self.load.intervals.iter().filter(|interval| interval.phase == IntervalPhase::Measured)
    }

    /// A value of each measured interval: seconds of the window at its end, and what `of` makes of it. What is left of the
    /// window after the last whole interval is too short for a rate.
    pub(crate) fn by_interval(&self, of: fn(&Interval) -> f64) -> Vec<(f64, f64)> {
        by_interval(&self.load, of)
    }
}

/// The same of any load.
pub(crate) fn by_interval(load: &Load, of: fn(&Interval) -> f64) -> Vec<(f64, f64)> {
    let measured = || load.intervals.iter().filter(|interval| interval.phase == IntervalPhase::Measured);
    let usual_us = measured().map(|interval| interval.duration_us).max().unwrap_or(0);
    let whole = measured().filter(|interval| interval.duration_us >= usual_us / 2);
    let point = |interval: &Interval| ((interval.start_us as f64 + interval.duration_us as f64) / 1e6, of(interval));
    whole.map(point).collect()
}

/// Observations are a tenth of a second apart, or a little less.
const PEAK_US_MIN: u64 = 90_000;

/// What stands in place of the verdict of a load generator that does not judge itself.
const NO_VERDICT: &str = "none";

/// What a load generator says.
fn reported(tool: Tool, seen: &Seen) -> anyhow::Result<Reported> {
    let output = seen.output(Role::Load).context("no load generator was started")?;
    tool.parse(&output.text).with_context(|| format!("{} printed something unknown", tool.program()))
}

/// The account of a null server.
fn null_account(text: &str) -> anyhow::Result<NullExit> {
    match serde_json::from_str(text).context("the null server printed no account")? {
        Event::Exit(exit) => Ok(exit),
        Event::Ready { .. } => anyhow::bail!("the null server printed no account"),
    }
}

/// Good replies per second of an interval.
pub(crate) fn replies_per_s(interval: &Interval) -> f64 {
    if interval.duration_us == 0 { 0.0 } else { interval.completed as f64 * 1e6 / interval.duration_us as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::kinds::scenario::seen::{Observation, Output};

    fn scene<'a>(arm: &'a Arm, seen: &'a Seen, load: Load) -> Scene<'a> {
        Scene {
            arm,
            seen,
            load,
            probe: None,
            latecomer: None,
            slow: None,
            served: None,
            null_served: None,
            fan_out: None,
            reported: None,
        }
    }

    /// Ten replies in a moment would be a rate that nobody reached.
    #[test]
    fn what_is_left_of_the_window_has_no_rate() {
        let interval = |phase, start_us, duration_us, completed| Interval {
            phase,
            start_us,
            duration_us,
            completed,
            ..Interval::default()
        };
        let intervals = vec![
            interval(IntervalPhase::WarmUp, -100_000, 100_000, 5),
            interval(IntervalPhase::Measured, 0, 100_000, 100),
            interval(IntervalPhase::Measured, 100_000, 101_000, 202),
            interval(IntervalPhase::Measured, 201_000, 100, 10),
            interval(IntervalPhase::Grace, 201_100, 100_000, 50),
        ];
        let load = Load { intervals, ..Load::default() };
        let (arm, seen) = (Arm::named("nothing", ""), Seen::default());
        let scene = scene(&arm, &seen, load);
        assert_eq!(scene.by_interval(replies_per_s), [(0.1, 1000.0), (0.201, 2000.0)]);
    }

    /// An observation just before an action is as short as can be.
    #[test]
    fn a_handful_in_a_moment_is_no_peak() {
        let mut at_ns = 0;
        let mut observation = |wall_us: u64, opens: u64| {
            at_ns += wall_us * 1000;
            let tcp = [("ActiveOpens".to_owned(), opens)].into();
            let client = KernelDelta { wall_us, tcp, ..KernelDelta::default() };
            Observation { at_ns, server: KernelDelta::default(), client, accept_queue: None }
        };
        let before = observation(100_000, 900_000);
        let counted = [(100_000, 100), (5_000, 50), (95_000, 150), (100_000, 50), (10_000, 40)];
        let observations = std::iter::once(before).chain(counted.map(|(us, opens)| observation(us, opens))).collect();
        let seen = Seen { observations, ..Seen::default() };
        let arm = Arm::named("nothing", "");
        let scene = scene(&arm, &seen, Load::default());
        assert_eq!(scene.peak_per_s(Side::Client, &["ActiveOpens"], 100_000_000), Some(2000.0));
    }

    /// One that reads late counts what came meanwhile, too: in 100 ms and the 25 by which it was late.
    #[test]
    fn a_late_reading_makes_no_peak() {
        let observation = |at_ms: u64, opens: u64, late_us: u64| {
            let tcp = [("ActiveOpens".to_owned(), opens)].into();
            let counting_us = Some(late_us);
            let client = KernelDelta { wall_us: 100_000, counting_us, tcp, ..KernelDelta::default() };
            Observation { at_ns: at_ms * 1_000_000, server: KernelDelta::default(), client, accept_queue: None }
        };
        let observations = vec![observation(100, 100, 0), observation(200, 125, 25_000), observation(300, 75, 0)];
        let seen = Seen { observations, ..Seen::default() };
        let arm = Arm::named("nothing", "");
        let scene = scene(&arm, &seen, Load::default());
        assert_eq!(scene.peak_per_s(Side::Client, &["ActiveOpens"], 0), Some(1000.0));
    }

    /// What other programs print is theirs, and no record; what nobody understands fails the run.
    #[test]
    fn another_program_reports_for_itself() {
        let output = |text: &str| Output { role: Role::Load, command: vec!["hey".to_owned()], text: text.to_owned() };
        let seen = |text: &str| Seen { outputs: vec![output(text)], ..Seen::default() };
        let arm = Arm { tool: Some(Tool::Hey), ..Arm::named("hey", "") };
        let seen_hey = seen(include_str!("../../../subjects/tools/samples/hey.txt"));
        let scene = Scene::of(&arm, &seen_hey).expect("its own form");
        assert!(scene.reported.as_ref().and_then(|reported| reported.at(0.99)).is_some_and(|ms| ms > 0.0));
        assert_eq!((scene.verdict().as_str(), scene.load.requests.scheduled), ("none", 0));
        assert!(Scene::of(&arm, &seen("no such output")).is_err_and(|error| error.to_string().contains("hey")));
        let without = Arm::named("c10m", "");
        assert!(Scene::of(&without, &seen("no record")).is_err());
    }
}
