//! A few starts before the first block. They size the planted difference, and tell how many blocks fit the budget and
//! what these can find. Everything that the run does afterwards is fixed by then.

use std::time::Duration;

use results::judged::predicted;
use results::stats::median;
use serde::{Deserialize, Serialize};

use crate::kinds::comparison::plan::{Length, Scope};

/// Starts of the reference under each load: enough for a median and a first look at the noise.
pub(crate) const STARTS: usize = 4;
/// By how much the handicapped twin is made dearer.
const PLANTED: f64 = 0.05;
/// Room for repeated starts, of all starts. When it is used up, disturbed starts are kept.
pub(crate) const REPEATS_SHARE: f64 = 0.25;
/// Fewer blocks have no interval.
pub(crate) const BLOCKS_MIN: u32 = 4;
/// More than anybody waits for.
const BLOCKS_MAX: u32 = 2000;

/// What the pilot found, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pilot {
    pub(crate) blocks: u32,
    /// Standard deviation of the logarithm of one start of the reference; absent if it cannot be told.
    pub(crate) noise: Option<f64>,
    /// What blocks of this number find with a chance of 80 %: over all loads, and under one.
    pub(crate) resolution: Option<(f64, f64)>,
    /// By load, what the handicapped twin burns for each request.
    pub(crate) handicaps_ns: Vec<u32>,
}

/// What the starts of the pilot gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Seen {
    /// By load, what the reference needed in each start, in µs.
    pub(crate) costs_us: Vec<Vec<f64>>,
    /// How long the starts of one block take.
    pub(crate) block: Duration,
    /// Time since the command was given, and time that is needed beside the blocks.
    pub(crate) spent: Duration,
}

impl Pilot {
    /// Decides how much is measured.
    ///
    /// # Errors
    /// When the budget is too short for an answer.
    pub(crate) fn of(scope: &Scope, seen: &Seen) -> Result<Pilot, String> {
        let block_s = seen.block.as_secs_f64() * (1.0 + REPEATS_SHARE);
        let blocks = match scope.length {
            Length::Blocks(blocks) => blocks,
            Length::Budget(budget) => {
                let left_s = budget.as_secs_f64() - seen.spent.as_secs_f64();
                let fitting = (left_s / block_s.max(1e-3)) as u32;
                if fitting < BLOCKS_MIN {
                    let needed_s = seen.spent.as_secs_f64() + f64::from(BLOCKS_MIN) * block_s;
                    return Err(format!(
                        "{} s are too short: {BLOCKS_MIN} blocks, the least that has an answer, take {needed_s:.0} s; \
                         --budget {:.0}s",
                        budget.as_secs_f64(),
                        needed_s.ceil()
                    ));
                }
                fitting.min(BLOCKS_MAX)
            }
        };
        let arms = scope.arms.len().saturating_sub(1);
        let noise = noise(&seen.costs_us);
        let resolution = noise.map(|noise| predicted(noise, blocks as usize, scope.loads.len(), arms));
        Ok(Pilot {
            blocks,
            noise,
            // One block finds nothing, however large it is.
            resolution: resolution.filter(|(pooled, single)| pooled.is_finite() && single.is_finite()),
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
        let finds = match (self.resolution, scope.loads.len()) {
            (None, _) => String::new(),
            (Some((pooled, _)), 1) => format!("; finds a difference of {} with a chance of 80 %", percent(pooled)),
            (Some((pooled, single)), loads) => format!(
                "; finds a difference of {} over {loads} loads, and of {} under one, with a chance of 80 %",
                percent(pooled),
                percent(single)
            ),
        };
        let noise = self.noise.map_or(String::new(), |noise| format!(" (noise of a start: {})", percent(noise)));
        format!("{} blocks, {starts} starts{finds}{noise}", self.blocks)
    }
}

/// At least 1 ns.
fn handicap_ns(costs_us: &[f64]) -> u32 {
    (median(costs_us).unwrap_or(0.0) * 1000.0 * PLANTED).round().max(1.0) as u32
}

/// The deviation of a start from the mean of its load, over all loads.
fn noise(costs_us: &[Vec<f64>]) -> Option<f64> {
    let (mut squares, mut freedom) = (0.0, 0.0);
    for costs in costs_us.iter().filter(|costs| costs.len() > 1) {
        let logarithms: Vec<f64> = costs.iter().map(|cost| cost.ln()).collect();
        let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
        squares += logarithms.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        freedom += logarithms.len() as f64 - 1.0;
    }
    let noise = (squares / freedom).sqrt();
    (noise.is_finite() && noise > 0.0).then_some(noise)
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
            idle_connections: 0,
            notes: vec![],
        }
        .with_controls("epoll level", true)
    }

    fn seen() -> Seen {
        let costs_us = vec![vec![4.0, 4.4, 3.6, 4.0], vec![0.3, 0.33, 0.27, 0.3]];
        Seen { costs_us, block: Duration::from_secs(4), spent: Duration::from_secs(20) }
    }

    #[test]
    fn the_budget_tells_the_blocks_and_what_they_find() {
        let scope = scope(Length::Budget(Duration::from_secs(300)));
        let pilot = Pilot::of(&scope, &seen()).expect("enough time");
        assert_eq!((pilot.blocks, pilot.repeats_max(&scope)), (56, 140));
        assert_eq!(pilot.handicaps_ns, [200, 15]);
        let noise = pilot.noise.expect("costs that differ");
        assert!((noise - 0.082).abs() < 0.003, "{noise}");
        let (pooled, single) = pilot.resolution.expect("a noise");
        assert!(pooled < single && (0.02..0.05).contains(&pooled), "{pooled} {single}");
        let words = pilot.words(&scope);
        assert!(
            words.starts_with("56 blocks, 560 starts; finds a difference of ") && words.contains("under one"),
            "{words}"
        );
    }

    #[test]
    fn a_short_budget_is_refused_with_one_that_is_not() {
        let error = Pilot::of(&scope(Length::Budget(Duration::from_secs(30))), &seen()).expect_err("too short");
        assert!(error.contains("--budget 40s"), "{error}");
        assert_eq!(Pilot::of(&scope(Length::Budget(Duration::from_secs(41))), &seen()).expect("just enough").blocks, 4);
    }

    #[test]
    fn given_blocks_are_measured_however_little_they_find() {
        let alike = Seen { costs_us: vec![vec![4.0; 4], vec![]], ..Seen::default() };
        let pilot = Pilot::of(&scope(Length::Blocks(1)), &alike).expect("given");
        assert_eq!((pilot.blocks, pilot.noise, pilot.resolution), (1, None, None));
        assert_eq!(pilot.handicaps_ns, [200, 1]);
        let pilot = Pilot::of(&scope(Length::Blocks(1)), &seen()).expect("given");
        assert!(pilot.noise.is_some() && pilot.resolution.is_none(), "one block has no interval: {pilot:?}");
    }
}
