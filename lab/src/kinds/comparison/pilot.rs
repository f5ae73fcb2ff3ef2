//! A few starts before the first block. They size the planted difference, and tell how many blocks fit the budget and
//! what these can find. Everything that the run does afterwards is fixed by then.

use std::time::Duration;

use results::stats::blocks::{BLOCKS_MIN, Resolution, blocks_for, cautious, resolution_of};
use results::stats::median;
use serde::{Deserialize, Serialize};

use crate::kinds::comparison::plan::{Length, Scope};

/// Starts of the reference under each load, where servers are measured one after another: enough for a median and a first
/// look at the noise.
pub(crate) const STARTS: usize = 4;
/// The same where they stand side by side; each has the reference twice, and both twins.
pub(crate) const GROUPS: u32 = 2;
/// By how much the handicapped twin is made dearer.
const PLANTED: f64 = 0.05;
/// Room for repeated starts, of all starts. When it is used up, disturbed starts are kept.
const REPEATS_SHARE: f64 = 0.2;
/// Share of a budget for waits until the machine is fit. When it is used up, nothing waits any more.
const WAITS_SHARE: f64 = 0.05;
/// More than anybody waits for.
const BLOCKS_MAX: u32 = 2000;

/// What the pilot found, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pilot {
    pub(crate) blocks: u32,
    /// Standard deviation of the logarithm of one start of the reference; absent if it cannot be told.
    pub(crate) noise: Option<f64>,
    /// What blocks of this number find with a chance of 80 %; absent if it cannot be told.
    pub(crate) resolution: Option<Resolution>,
    /// What finds the planted difference, as an argument, where these blocks may not.
    pub(crate) enough: Option<String>,
    /// By load, whether its servers are measured side by side, in turns.
    pub(crate) are_together: Vec<bool>,
    /// By load, what the handicapped twin burns for each request; absent where the reference showed no CPU time.
    pub(crate) handicaps_ns: Vec<Option<u32>>,
}

/// What the starts of the pilot gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Seen {
    /// By load, what the reference needed in each start, in µs.
    pub(crate) costs_us: Vec<Vec<f64>>,
    /// Of starts that were measured under the same load and belong together, what those of the reference needed.
    pub(crate) alike_us: Vec<Vec<f64>>,
    /// By load, whether its servers were measured side by side, in turns.
    pub(crate) are_together: Vec<bool>,
    /// How long the starts of one block take.
    pub(crate) block: Duration,
    /// Time since the command was given.
    pub(crate) spent: Duration,
}

impl Seen {
    /// The shortest budget for so many blocks, in seconds.
    fn budget_s(&self, blocks: usize) -> f64 {
        (self.spent.as_secs_f64() + blocks as f64 * self.block_s()) / (1.0 - WAITS_SHARE)
    }

    /// How many blocks fit.
    fn fitting(&self, budget: Duration) -> u32 {
        let left_s = budget.as_secs_f64() * (1.0 - WAITS_SHARE) - self.spent.as_secs_f64();
        (left_s / self.block_s().max(1e-3)) as u32
    }

    fn block_s(&self) -> f64 {
        self.block.as_secs_f64() * (1.0 + REPEATS_SHARE)
    }
}

impl Pilot {
    /// Decides how much is measured.
    ///
    /// # Errors
    /// When the budget is too short for an answer.
    pub(crate) fn of(scope: &Scope, seen: &Seen) -> Result<Pilot, String> {
        let blocks = match scope.length {
            Length::Blocks(blocks) => blocks,
            Length::Budget(budget) => {
                let fitting = seen.fitting(budget);
                if (fitting as usize) < BLOCKS_MIN {
                    let needed_s = seen.budget_s(BLOCKS_MIN).ceil();
                    return Err(format!(
                        "{} s are too short: {BLOCKS_MIN} blocks, the least that has an answer, take {needed_s:.0} s; \
                         --budget {needed_s:.0}s",
                        budget.as_secs_f64()
                    ));
                }
                fitting.min(BLOCKS_MAX)
            }
        };
        let noise = Noise::of(&seen.alike_us);
        // Few starts tell little of their noise, so what is promised takes it for larger.
        let expected = noise.as_ref().map(|noise| cautious(noise.deviation, noise.freedom));
        let resolution = expected
            .filter(|_| blocks as usize >= BLOCKS_MIN)
            .map(|deviation| resolution_of(deviation, blocks as usize, &scope.compared_by_load(), scope.contestants()));
        let is_coarse = resolution.is_none_or(|resolution| resolution.pooled > PLANTED);
        Ok(Pilot {
            blocks,
            noise: noise.map(|noise| noise.deviation),
            resolution,
            enough: expected.filter(|_| is_coarse).and_then(|deviation| enough(scope, seen, deviation)),
            are_together: seen.are_together.clone(),
            handicaps_ns: seen.costs_us.iter().map(|costs| handicap_ns(costs)).collect(),
        })
    }

    /// Starts that may be repeated because they were disturbed.
    pub(crate) fn repeats_max(&self, scope: &Scope) -> u32 {
        (f64::from(self.blocks) * scope.starts_per_block() as f64 * REPEATS_SHARE) as u32
    }

    /// What is about to be measured, for people.
    pub(crate) fn words(&self, scope: &Scope) -> String {
        let starts = u64::from(self.blocks) * scope.starts_per_block();
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let loads = scope.compared_by_load().len();
        let finds = match self.resolution {
            None => String::new(),
            Some(Resolution { pooled, .. }) if loads == 1 => {
                format!("; finds a difference of {} with a chance of 80 %", percent(pooled))
            }
            Some(Resolution { pooled, single }) => format!(
                "; finds a difference of {} over {loads} loads, and of {} under one, with a chance of 80 %",
                percent(pooled),
                percent(single)
            ),
        };
        let noise = self.noise.map_or(String::new(), |noise| {
            format!(", if the others are as steady as the reference (noise of a start: {})", percent(noise))
        });
        let enough = self.enough.as_ref().map_or(String::new(), |enough| {
            format!("; that may miss the {} that are planted, which {enough} would find", percent(PLANTED))
        });
        format!("{} blocks, {starts} starts{finds}{noise}{enough}", self.blocks)
    }
}

/// The time for waits until the machine is fit, of a budget.
pub(crate) fn waits(length: Length) -> Option<Duration> {
    match length {
        Length::Budget(budget) => Some(budget.mul_f64(WAITS_SHARE)),
        Length::Blocks(_) => None,
    }
}

/// The argument that would make the planted difference found. `None` if nobody has the time.
fn enough(scope: &Scope, seen: &Seen, deviation: f64) -> Option<String> {
    let blocks = blocks_for(PLANTED, deviation, scope.compared_by_load().len(), scope.contestants())?.max(BLOCKS_MIN);
    Some(match scope.length {
        Length::Blocks(_) => format!("--repeats {blocks}"),
        Length::Budget(_) => format!("--budget {:.0}m", (seen.budget_s(blocks) / 60.0).ceil()),
    })
}

/// A fraction of what a request needs, at least 1 ns.
fn handicap_ns(costs_us: &[f64]) -> Option<u32> {
    Some((median(costs_us)? * 1000.0 * PLANTED).round().max(1.0) as u32)
}

/// The deviation of a start from the mean of those that belong together with it.
struct Noise {
    deviation: f64,
    freedom: f64,
}

impl Noise {
    fn of(alike_us: &[Vec<f64>]) -> Option<Noise> {
        let (mut squares, mut freedom) = (0.0, 0.0);
        for costs in alike_us.iter().filter(|costs| costs.len() > 1) {
            let logarithms: Vec<f64> = costs.iter().map(|cost| cost.ln()).collect();
            let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
            squares += logarithms.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
            freedom += logarithms.len() as f64 - 1.0;
        }
        let deviation = (squares / freedom).sqrt();
        (deviation.is_finite() && deviation > 0.0).then_some(Noise { deviation, freedom })
    }
}

#[cfg(test)]
mod tests {
    use protocol::Workload;
    use server::Variant;

    use super::*;
    use crate::kinds::comparison::plan::Arm;
    use crate::session::request::Profile;
    use crate::subjects::load::Load;
    use crate::subjects::servers::kind::Kind;

    fn scope(length: Length) -> Scope {
        Scope {
            profile: Profile::Quick,
            arms: [Variant::EpollLevel, Variant::MioEdge].map(|variant| Arm::server(Kind::C10m(variant))).into(),
            loads: vec![Load::closed(Workload::Echo, 64), Load::closed(Workload::Http, 64)],
            length,
            seconds: 0.25,
            notes: vec![],
        }
        .with_controls("epoll level", true)
    }

    fn seen() -> Seen {
        let costs_us = vec![vec![4.0, 4.4, 3.6, 4.0], vec![0.3, 0.33, 0.27, 0.3]];
        Seen {
            alike_us: costs_us.clone(),
            costs_us,
            block: Duration::from_secs(4),
            spent: Duration::from_secs(20),
            ..Seen::default()
        }
    }

    #[test]
    fn the_budget_tells_the_blocks_and_what_they_find() {
        let scope = scope(Length::Budget(Duration::from_secs(300)));
        let pilot = Pilot::of(&scope, &seen()).expect("enough time");
        // (300 · 0.95 − 20) / (4 · 1.2), and a fifth of their ten starts each.
        assert_eq!((pilot.blocks, pilot.repeats_max(&scope)), (55, 110));
        assert_eq!(pilot.handicaps_ns, [Some(200), Some(15)]);
        let noise = pilot.noise.expect("costs that differ");
        assert!((noise - 0.082).abs() < 0.003, "{noise}");
        let Resolution { pooled, single } = pilot.resolution.expect("a noise");
        assert!(pooled < single && (0.03..0.05).contains(&pooled), "{pooled} {single}");
        // Three contestants under each of two loads, by a noise that six degrees of freedom make larger.
        assert_eq!(pilot.resolution, Some(resolution_of(cautious(noise, 6.0), 55, &[3, 3], 3)));
        let words = pilot.words(&scope);
        assert!(
            words.starts_with("55 blocks, 550 starts; finds a difference of ")
                && words.ends_with(", if the others are as steady as the reference (noise of a start: 8.2 %)"),
            "{words}"
        );
        assert_eq!(waits(scope.length), Some(Duration::from_secs(15)));
    }

    #[test]
    fn who_cannot_find_what_is_planted_is_told_what_can() {
        let scope = |length| scope(length);
        let short = scope(Length::Budget(Duration::from_secs(100)));
        let pilot = Pilot::of(&short, &seen()).expect("enough for a few blocks");
        let enough = pilot.enough.clone().expect("it is told");
        assert!(pilot.words(&short).ends_with(&format!("the 5.0 % that are planted, which {enough} would find")));
        let minutes: u64 = enough
            .strip_prefix("--budget ")
            .and_then(|m| m.strip_suffix('m'))
            .expect("a time")
            .parse()
            .expect("minutes");
        let again = Pilot::of(&scope(Length::Budget(Duration::from_secs(60 * minutes))), &seen()).expect("enough time");
        assert_eq!(again.enough, None, "{again:?}");
        let few = Pilot::of(&scope(Length::Blocks(4)), &seen()).expect("given").enough.expect("it is told");
        let blocks: u32 = few.strip_prefix("--repeats ").expect("a number").parse().expect("blocks");
        assert!(Pilot::of(&scope(Length::Blocks(blocks)), &seen()).expect("given").enough.is_none());
        assert!(Pilot::of(&scope(Length::Blocks(blocks - 1)), &seen()).expect("given").enough.is_some());
    }

    #[test]
    fn a_short_budget_is_refused_with_one_that_is_not() {
        let error = Pilot::of(&scope(Length::Budget(Duration::from_secs(30))), &seen()).expect_err("too short");
        // (20 + 4 · 4 · 1.2) / 0.95
        assert!(error.contains("--budget 42s"), "{error}");
        assert_eq!(Pilot::of(&scope(Length::Budget(Duration::from_secs(42))), &seen()).expect("just enough").blocks, 4);
    }

    #[test]
    fn given_blocks_are_measured_however_little_they_find() {
        let costs_us = vec![vec![4.0; 4], vec![]];
        let alike = Seen { alike_us: costs_us.clone(), costs_us, ..Seen::default() };
        let pilot = Pilot::of(&scope(Length::Blocks(1)), &alike).expect("given");
        assert_eq!((pilot.blocks, pilot.noise, pilot.resolution, pilot.enough), (1, None, None, None));
        assert_eq!(pilot.handicaps_ns, [Some(200), None], "nothing can be planted where nothing was seen");
        for blocks in [1, 3] {
            let pilot = Pilot::of(&scope(Length::Blocks(blocks)), &seen()).expect("given");
            assert!(pilot.noise.is_some() && pilot.resolution.is_none(), "too few have no interval: {pilot:?}");
        }
        assert!(Pilot::of(&scope(Length::Blocks(4)), &seen()).expect("given").resolution.is_some());
    }
}
