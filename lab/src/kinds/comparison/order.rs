//! The order of an experiment's runs: repeats outermost, loads within, arms innermost.
//!
//! The arms of each load are shuffled. Every second repeat mirrors the order of the one before it (A B C, C B A), so a
//! steady drift of the machine cancels out over such a pair. The shuffle comes from the experiment's seed, so the
//! order can be replayed.

use random::Random;

use crate::kinds::comparison::plan::{Arm, Scope};
use crate::subjects::load::Load;

/// One run to be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    /// Number of the repeat, from 0.
    pub(crate) repeat: u32,
    pub(crate) load: Load,
    pub(crate) arm: Arm,
}

/// Every run of `scope`, in the order in which they take place.
pub(crate) fn steps(scope: &Scope, seed: u64) -> Vec<Step> {
    let mut steps = Vec::new();
    for repeat in 0..scope.repeats {
        for (index, load) in scope.loads.iter().enumerate() {
            let mut arms = scope.arms_for(load);
            Random::new(seed ^ u64::from(repeat / 2) << 32 ^ index as u64).shuffle(&mut arms);
            if repeat % 2 == 1 {
                arms.reverse();
            }
            steps.extend(arms.into_iter().map(|arm| Step { repeat, load: *load, arm }));
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use protocol::Workload;

    use super::*;
    use crate::kinds::comparison::plan::main_variants;
    use crate::session::request::Profile;

    fn scope(repeats: u32) -> Scope {
        Scope {
            profile: Profile::Full,
            arms: main_variants(),
            loads: vec![Load::closed(Workload::Echo, 1), Load::closed(Workload::Http, 1)],
            repeats,
            seconds: 1.0,
            idle_connections: 0,
            notes: vec![],
        }
    }

    fn arms(steps: &[Step], repeat: u32, workload: Workload) -> Vec<String> {
        let of = steps.iter().filter(|step| step.repeat == repeat && step.load.workload == workload);
        of.map(|step| step.arm.name()).collect()
    }

    #[test]
    fn every_arm_of_every_load_once_a_repeat() {
        let steps = steps(&scope(4), 7);
        assert_eq!(steps.len(), 4 * 2 * main_variants().len());
        for repeat in 0..4 {
            for workload in [Workload::Echo, Workload::Http] {
                let names: BTreeSet<String> = arms(&steps, repeat, workload).into_iter().collect();
                assert_eq!(names.len(), main_variants().len());
            }
        }
        let repeats: Vec<u32> = steps.iter().map(|step| step.repeat).collect();
        assert!(repeats.is_sorted(), "repeats are outermost");
    }

    #[test]
    fn every_second_repeat_is_mirrored() {
        for seed in 0..20 {
            let steps = steps(&scope(4), seed);
            for workload in [Workload::Echo, Workload::Http] {
                for pair in [0, 2] {
                    let mut mirrored = arms(&steps, pair + 1, workload);
                    mirrored.reverse();
                    assert_eq!(arms(&steps, pair, workload), mirrored, "seed {seed}, repeat {pair}");
                }
            }
        }
    }

    #[test]
    fn the_seed_makes_the_order() {
        assert_eq!(steps(&scope(5), 3), steps(&scope(5), 3));
        let orders: BTreeSet<Vec<String>> =
            (0..50).map(|seed| arms(&steps(&scope(1), seed), 0, Workload::Echo)).collect();
        assert!(orders.len() > 20, "{} orders of 120", orders.len());
        let steps = steps(&scope(20), 1);
        let of_one_run: BTreeSet<Vec<String>> =
            (0..20).step_by(2).map(|repeat| arms(&steps, repeat, Workload::Echo)).collect();
        assert!(of_one_run.len() > 3, "each pair of repeats is shuffled anew");
    }
}
