//! The order in which the starts of a comparison take place: blocks outermost, loads within, arms innermost.
//!
//! A block has every arm once and the reference twice under each load, shuffled. Every second block has the order of the
//! one before it mirrored (A B C, C B A): over such a pair a steady drift of the machine cancels. The shuffle comes from
//! the seed of the experiment, so that the order can be replayed.

use random::Random;
use results::record::Role;

use crate::kinds::comparison::plan::{Arm, Scope};
use crate::subjects::load::Load;

/// One start to be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    /// The number of the block, from 0.
    pub(crate) block: u32,
    /// The number of the load in the scope.
    pub(crate) load_index: usize,
    pub(crate) load: Load,
    pub(crate) arm: Arm,
}

/// Every start of `blocks` blocks. The position of a start is its place in this list.
pub(crate) fn steps(scope: &Scope, blocks: u32, seed: u64) -> Vec<Step> {
    let mut steps = Vec::new();
    for block in 0..blocks {
        for (load_index, load) in scope.loads.iter().enumerate() {
            let mut arms = starts_of_block(scope, load);
            Random::new(seed ^ u64::from(block / 2) << 32 ^ load_index as u64).shuffle(&mut arms);
            if block % 2 == 1 {
                arms.reverse();
            }
            steps.extend(arms.into_iter().map(|arm| Step { block, load_index, load: *load, arm }));
        }
    }
    steps
}

/// The arms of a load, the reference twice.
pub(crate) fn starts_of_block(scope: &Scope, load: &Load) -> Vec<Arm> {
    let arms = scope.arms_for(load);
    let again: Vec<Arm> = arms.iter().filter(|arm| arm.role == Role::Reference).copied().collect();
    arms.into_iter().chain(again).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use protocol::Workload;

    use super::*;
    use crate::kinds::comparison::plan::{Length, main_variants};
    use crate::session::request::Profile;

    fn scope() -> Scope {
        let scope = Scope {
            profile: Profile::Full,
            arms: main_variants(),
            loads: vec![Load::closed(Workload::Echo, 1), Load::closed(Workload::Http, 1)],
            length: Length::Blocks(4),
            seconds: 0.25,
            notes: vec![],
        };
        scope.with_controls("epoll level", true)
    }

    fn arms(steps: &[Step], block: u32, workload: Workload) -> Vec<String> {
        let of = steps.iter().filter(|step| step.block == block && step.load.workload == workload);
        of.map(|step| step.arm.name()).collect()
    }

    #[test]
    fn every_arm_of_every_load_once_a_block_and_the_reference_twice() {
        let steps = steps(&scope(), 4, 7);
        // Both controls, and the reference once more.
        let starts = main_variants().len() + 3;
        assert_eq!(steps.len(), 4 * 2 * starts);
        for block in 0..4 {
            for workload in [Workload::Echo, Workload::Http] {
                let names = arms(&steps, block, workload);
                let distinct: BTreeSet<&String> = names.iter().collect();
                let of_reference = names.iter().filter(|name| *name == "epoll level").count();
                assert_eq!((names.len(), distinct.len(), of_reference), (starts, starts - 1, 2));
            }
        }
        let blocks: Vec<u32> = steps.iter().map(|step| step.block).collect();
        assert!(blocks.is_sorted(), "blocks are outermost");
    }

    #[test]
    fn every_second_block_is_mirrored() {
        for seed in 0..20 {
            let steps = steps(&scope(), 4, seed);
            for workload in [Workload::Echo, Workload::Http] {
                for pair in [0, 2] {
                    let mut mirrored = arms(&steps, pair + 1, workload);
                    mirrored.reverse();
                    assert_eq!(arms(&steps, pair, workload), mirrored, "seed {seed}, block {pair}");
                }
            }
        }
    }

    #[test]
    fn the_seed_makes_the_order() {
        assert_eq!(steps(&scope(), 5, 3), steps(&scope(), 5, 3));
        let orders: BTreeSet<Vec<String>> =
            (0..50).map(|seed| arms(&steps(&scope(), 1, seed), 0, Workload::Echo)).collect();
        assert!(orders.len() > 20, "{} orders", orders.len());
        let steps = steps(&scope(), 20, 1);
        let of_one_run: BTreeSet<Vec<String>> =
            (0..20).step_by(2).map(|block| arms(&steps, block, Workload::Echo)).collect();
        assert!(of_one_run.len() > 3, "each pair of blocks is shuffled anew");
    }
}
