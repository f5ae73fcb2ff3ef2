//! What is counted in a run, and what the runs together say.

use server::CloseReason;

use super::rounds::{GONE, RATE, ROUND};
use super::ways::{HAND_OVER, STOP};
use crate::kinds::scenario::remedies::record::{ArmRecord, Better, Record};
use crate::kinds::scenario::remedies::scene::{Scene, replies_per_s};
use crate::kinds::scenario::remedies::table::Figure;
use crate::kinds::scenario::timeline::Role;
use crate::subjects::servers::c10m;

const LOST: &str = "lost requests";
const REPLACEMENTS: &str = "replacements";

const fn figure(name: &'static str, unit: &'static str, better: Better, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { name, unit, better, is_generators_time: false, of }
}

pub(super) const FIGURES: [Figure; 9] = [
    figure(LOST, "per 1,000 replacements", Better::Less, |scene| {
        let lost = lost(&scene.load) + lost(scene.probe.as_ref()?);
        Some(1000.0 * lost as f64 / rounds(scene)?)
    }),
    figure("failed connects", "per replacement", Better::Less, |scene| {
        Some((scene.load.connections.failed + scene.probe.as_ref()?.connections.failed) as f64 / rounds(scene)?)
    }),
    figure("never sent", "per replacement", Better::Less, |scene| {
        Some((scene.load.requests.unsent + scene.probe.as_ref()?.requests.unsent) as f64 / rounds(scene)?)
    }),
    figure(REPLACEMENTS, "", Better::More, rounds),
    figure("load met", "% of the rate, the least", Better::More, load_met),
    figure("until the old one is gone", "ms", Better::Less, gone_ms),
    figure("cut off", "connections per replacement", Better::Less, |scene| {
        Some(cut_off(scene)? as f64 / rounds(scene)?)
    }),
    Figure {
        is_generators_time: true,
        ..figure("p99, new connections", "ms", Better::Less, |scene| Some(scene.load.response_us.p99? / 1000.0))
    },
    Figure {
        is_generators_time: true,
        ..figure("p99, kept connections", "ms", Better::Less, |scene| {
            Some(scene.probe.as_ref()?.response_us.p99? / 1000.0)
        })
    },
];

/// Requests without a good reply, those included that were never sent because all connections waited; and connects that
/// failed, each of which was for a request.
fn lost(load: &loadgen::Record) -> u64 {
    load.requests.without_good_reply() + load.connections.failed
}

/// Replacements while there was load.
pub(super) fn rounds(scene: &Scene<'_>) -> Option<f64> {
    Some(begun(scene).count() as f64).filter(|rounds| *rounds > 0.0)
}

/// When they began, in seconds of the window.
fn begun(scene: &Scene<'_>) -> impl Iterator<Item = f64> {
    let (start_ns, end_s) = (scene.load.window_start_ns, scene.window_s());
    let rounds = scene.seen.marks.iter().filter(|(name, _)| *name == ROUND);
    rounds.map(move |(_, at_ns)| (*at_ns as f64 - start_ns as f64) / 1e9).filter(move |at_s| *at_s < end_s)
}

/// Replies to new connections in the 0.3 s before a replacement, in percent of the rate: of the replacement that met
/// the least. A gap in which nobody asks costs nothing.
fn load_met(scene: &Scene<'_>) -> Option<f64> {
    let points = scene.by_interval(replies_per_s);
    let met = |at_s: f64| {
        let before = points.iter().filter(|(end_s, _)| (at_s - 0.3..=at_s).contains(end_s));
        let rates: Vec<f64> = before.map(|(_, rate)| *rate).collect();
        results::stats::median(&rates)
    };
    let least = begun(scene).map(met).collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::min)?;
    Some(100.0 * least / f64::from(RATE))
}

/// Connections that the servers closed by force at the end of their drains.
fn cut_off(scene: &Scene<'_>) -> Option<u64> {
    let of_servers = scene.seen.outputs.iter().filter(|output| output.role == Role::Server);
    // One that was killed has no account, and neither has another program.
    let accounts: Vec<_> = of_servers.filter_map(|output| c10m::account(&output.text).ok()).collect();
    let cut = |exit: &server::Exit| exit.report.totals.closed_for(CloseReason::DrainForced);
    (!accounts.is_empty()).then(|| accounts.iter().map(cut).sum())
}

/// Median time from a replacement to the old server's end.
fn gone_ms(scene: &Scene<'_>) -> Option<f64> {
    let pairs = scene.seen.marks.windows(2).filter(|pair| (pair[0].0, pair[1].0) == (ROUND, GONE));
    let times: Vec<f64> = pairs.map(|pair| pair[1].1.saturating_sub(pair[0].1) as f64 / 1e6).collect();
    results::stats::median(&times)
}

/// Stopping has to lose some, or there was nothing to mend.
pub(super) fn stopping_loses(record: &Record) -> Option<String> {
    let lost = record.median_of(STOP, LOST).unwrap_or(0.0);
    (lost < 1000.0).then(|| format!("stopping and starting lost {lost:.0} requests per 1,000 replacements"))
}

/// Every request counts, in every run.
pub(super) fn handing_over_loses_nothing(record: &Record) -> Option<String> {
    let mut arms = record.remedies.iter().filter(|arm| arm.name.starts_with(HAND_OVER));
    arms.find_map(|arm| match in_all(record, arm) {
        Some((0, _)) => None,
        Some((lost, rounds)) => Some(format!("{} lost {lost} requests in {rounds} replacements", arm.name)),
        None => Some(format!("{} has a run of which it is not known what it lost", arm.name)),
    })
}

/// What an arm lost in all of its runs, and in how many replacements.
fn in_all(record: &Record, arm: &ArmRecord) -> Option<(u64, u64)> {
    let index = |name| record.figures.iter().position(|figure| figure.name == name);
    let (lost, rounds) = (index(LOST)?, index(REPLACEMENTS)?);
    let of_run = |figures: &[Option<f64>]| {
        let (lost, rounds) = (figures.get(lost).copied()??, figures.get(rounds).copied()??);
        Some(((lost * rounds / 1000.0).round() as u64, rounds as u64))
    };
    let runs: Vec<(u64, u64)> = arm.runs.iter().map(|run| of_run(&run.figures)).collect::<Option<_>>()?;
    let sum = |of: fn(&(u64, u64)) -> u64| runs.iter().map(of).sum::<u64>();
    Some((sum(|run| run.0), sum(|run| run.1))).filter(|(_, rounds)| *rounds > 0)
}

pub(super) fn happened(record: &Record) -> String {
    let stopped = record.median_of(STOP, LOST).unwrap_or(0.0) / 1000.0;
    let words = |arm: &ArmRecord| {
        let (lost, rounds) = in_all(record, arm)?;
        let lost = if lost == 0 { "none".to_owned() } else { lost.to_string() };
        Some(format!("{lost} in {rounds} ({})", arm.name))
    };
    let others: Vec<String> = record.remedies().filter_map(words).collect();
    // Nothing seen in so many trials: with 95 % it happens in less than three of so many.
    let bound = record.remedies().filter(|arm| arm.name.starts_with(HAND_OVER)).filter_map(|arm| in_all(record, arm));
    let bound = match bound.filter(|(lost, _)| *lost == 0).map(|(_, rounds)| rounds).min() {
        Some(rounds) if rounds >= 3 => format!(" None in {rounds} bounds it at one in {}.", rounds / 3),
        _ => String::new(),
    };
    format!(
        "Stopping and starting lost {stopped:.0} requests each time. Lost in all, and in how many replacements: {}.{bound}",
        others.join(", ")
    )
}

pub(super) const NOTES: [&str; 5] = [
    "A request without a good reply is lost, also one that was never sent within the window because all connections waited; so is \
     each connect that failed, though the load generator tries again, as a client would. A server of this project that drains \
     drops SYNs instead of refusing them: a client that waits for longer than a second comes through, and only late.",
    "A replacement that leaves a gap is given time until the full rate is served again, before the next one: `load met` is what \
     the one that met the least load had before it. Without that, gaps would cost less the more there are.",
    "The rate of new connections is 1,500 a second. What is lost when a listening socket is closed grows with it.",
    "p99 is of the whole run, in which the server is replaced again and again: it says what replacing costs, and not what the \
     server can do.",
    "nginx and haproxy take part only in the full profile, and only where they are installed. A master of nginx ignores the signal \
     to change its program (SIGUSR2) as long as the process lives that started it, so a shell starts it and ends.",
];
