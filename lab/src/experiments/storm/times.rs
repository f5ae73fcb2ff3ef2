//! When clients noticed their loss and were served again, and what service there was meanwhile. Times are counted from the
//! server's return, to a tenth of a second: by the intervals of the load generator.

use loadgen::record::{Interval, IntervalReconnects, Reconnects};

use super::faults::{BACK, LOST};
use super::scenes;
use crate::kinds::scenario::remedies::scene::Scene;

pub(super) fn reconnects<'a>(scene: &'a Scene<'_>) -> Option<&'a Reconnects> {
    scene.load.reconnect.as_ref()
}

/// Outages that began in the window. Those of a client that was served and lost its connection again are two, and a
/// connection that is lost before its client is served only prolongs one.
pub(super) fn outages(scene: &Scene<'_>) -> Option<u64> {
    let counted = reconnects(scene)?;
    Some(counted.losses - counted.lost_again)
}

/// Seconds of the window at a moment.
pub(super) fn at_s(scene: &Scene<'_>, mark: &str) -> Option<f64> {
    Some(scene.mark(mark)?.saturating_sub(scene.load.window_start_ns) as f64 / 1e9)
}

pub(super) fn start_s(interval: &Interval) -> f64 {
    interval.start_us as f64 / 1e6
}

pub(super) fn end_s(interval: &Interval) -> f64 {
    (interval.start_us as f64 + interval.duration_us as f64) / 1e6
}

/// The intervals that lie wholly between two moments.
pub(super) fn between<'a>(scene: &'a Scene<'_>, from_s: f64, until_s: f64) -> impl Iterator<Item = &'a Interval> {
    scene.measured().filter(move |interval| start_s(interval) >= from_s && end_s(interval) <= until_s)
}

/// Good replies per second that came while their clients waited. What came due while a client was cut off is sent when it
/// is back; counted in, a few clients that are served would look like all of them.
pub(super) fn good_per_s(interval: &Interval) -> f64 {
    let good = interval.completed_in_time.unwrap_or(interval.completed);
    if interval.duration_us == 0 { 0.0 } else { good as f64 * 1e6 / interval.duration_us as f64 }
}

/// When a count over the intervals reached a number, in seconds of the window, evenly within its interval.
fn reached_s(scene: &Scene<'_>, number: f64, of: fn(&IntervalReconnects) -> u64) -> Option<f64> {
    let mut sum = 0.0;
    for interval in &scene.load.intervals {
        let count = interval.reconnect.as_ref().map_or(0, of) as f64;
        if count > 0.0 && sum + count >= number {
            let share = (number - sum) / count;
            return Some((interval.start_us as f64 + interval.duration_us as f64 * share) / 1e6);
        }
        sum += count;
    }
    None
}

/// When so large a share of the outages was over, from the server's return.
pub(super) fn served_s(scene: &Scene<'_>, share: f64) -> Option<f64> {
    let at_s_served = reached_s(scene, share * outages(scene)? as f64, |counts| counts.served_again)?;
    Some((at_s_served - at_s(scene, BACK)?).max(0.0))
}

/// From the fault until 99 of 100 outages had begun.
pub(super) fn noticed_s(scene: &Scene<'_>) -> Option<f64> {
    let noticed_s = reached_s(scene, 0.99 * outages(scene)? as f64, |counts| counts.lost)?;
    Some((noticed_s - at_s(scene, LOST)?).max(0.0))
}

/// The service before the fault, and after it. Each client sends once in a period, and those that were served at one moment
/// send together from then on: only over a whole period is service the share of clients that have it.
pub(super) struct BeforeAndAfter<'a> {
    before: f64,
    period_s: f64,
    /// Since the fault, and the number of those before the server's return.
    after: Vec<&'a Interval>,
    away: usize,
    window_s: f64,
}

impl<'a> BeforeAndAfter<'a> {
    pub(super) fn of(scene: &'a Scene<'_>) -> Option<BeforeAndAfter<'a>> {
        let (lost_s, back_s) = (at_s(scene, LOST)?, at_s(scene, BACK)?);
        let calm: Vec<f64> = between(scene, f64::NEG_INFINITY, lost_s).map(good_per_s).collect();
        let before = results::stats::median(&calm).filter(|rate| *rate > 0.0)?;
        let after: Vec<&Interval> = scene.measured().filter(|interval| end_s(interval) > lost_s).collect();
        let away = after.iter().take_while(|interval| start_s(interval) < back_s).count();
        let period_s = scenes::Scene::of(scene.arm).heartbeat.as_secs_f64();
        Some(BeforeAndAfter { before, period_s, after, away, window_s: scene.window_s() })
    }

    /// In the last period of the window.
    pub(super) fn at_the_end_percent(&self) -> Option<f64> {
        let last = self.after.iter().filter(|interval| end_s(interval) > self.window_s - self.period_s);
        let (good, us) = last.fold((0.0, 0), |(good, us), interval| {
            (good + good_per_s(interval) * interval.duration_us as f64 / 1e6, us + interval.duration_us)
        });
        (us > 0).then(|| 100.0 * good * 1e6 / us as f64 / self.before)
    }

    /// For how long it was below a share of what it was before, since the fault.
    pub(super) fn below_s(&self, share: f64) -> f64 {
        self.seconds(&self.after, share).sum()
    }

    /// For how long at a stretch, since the server's return: the time of all periods, one after the other or overlapping, in
    /// each of which it was less.
    pub(super) fn longest_below_s(&self, share: f64) -> f64 {
        let since = &self.after[self.away..];
        let (mut longest, mut begun_s, mut until_s) = (0.0_f64, f64::NAN, f64::NEG_INFINITY);
        for (index, first) in since.iter().enumerate() {
            let (mut good, mut us) = (0.0, 0);
            // A hair less than a period, whose intervals are not exactly as long as they should be.
            let period_us = (self.period_s * 0.99e6) as u64;
            let rest = since[index..].iter().take_while(|interval| {
                let is_wanted = us < period_us;
                if is_wanted {
                    good += good_per_s(interval) * interval.duration_us as f64 / 1e6;
                    us += interval.duration_us;
                }
                is_wanted
            });
            let Some(last) = rest.last() else { break };
            if us < period_us {
                break;
            }
            if good * 1e6 / us as f64 >= share * self.before {
                continue;
            }
            if start_s(first) > until_s {
                begun_s = start_s(first);
            }
            until_s = end_s(last);
            longest = longest.max(until_s - begun_s);
        }
        longest
    }

    /// The seconds of each interval, or none where service was no less than that.
    fn seconds(&self, intervals: &[&Interval], share: f64) -> impl Iterator<Item = f64> {
        let line = share * self.before;
        intervals.iter().map(
            move |interval| {
                if good_per_s(interval) < line { interval.duration_us as f64 / 1e6 } else { 0.0 }
            },
        )
    }
}

#[cfg(test)]
mod tests;
