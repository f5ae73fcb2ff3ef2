//! Whether arms need more or less than a reference, out of blocks of starts.
//!
//! A *block* has every arm once and the reference twice, under each load. All reasoning is on logarithms: half and double
//! are equally far from 1. Within a block the value of an arm less the mean of the two of the reference is one
//! difference; what the machine did to the whole block is not in it. An effect is the mean of the differences over the
//! blocks without a tenth of them at each end ([`center`]), and *pooled* the mean over the loads first.
//!
//! **Intervals are simultaneous.** Many arms are compared with one reference, and whoever looks at the largest of many
//! ratios finds a difference by chance. The width of the intervals comes from the largest |t| of the family
//! ([`critical`]), found by permutation: the residuals of each block change places among its starts, and whatever their
//! distribution is, tails and all, the largest |t| follows it. Three families share the 5 % of false differences: the
//! pooled effects, which are the answer, have 3 %; that the loads of an arm differ, and single loads, have 1 % each.
//!
//! **The check.** [`Effect::ratio_hodges_lehmann`] comes from the median of all means of two differences, which a few wild starts do not move.
//! Where it lies outside of the interval, some starts decide alone, and [`Effect::is_robust`] says no.
//!
//! **Rates**, measured by `simulation.rs` with the noise of published runs (`C10M_TRIALS=600` measures them again). Seven arms
//! beside the reference. Servers in turns, with 1.4 to 4.6 % noise of a start, 1,200 comparisons each (300 for what is found):
//!
//! | blocks × loads | false differences | coverage | finds 2 % | 3 % | 5 % | 10 % |
//! |---|---|---|---|---|---|---|
//! | 8 × 1 | 3.0 % | 95.0 % | | | | |
//! | 24 × 1 | 3.0 % | 95.0 % | 58.7 % | 77.7 % | 95.3 % | 100 % |
//! | 44 × 2 | 2.3 % | 97.1 % | 88.3 % | 99.0 % | 100 % | 100 % |
//!
//! Starts one after another, with 10.6 to 11.9 %, 600 comparisons each, when effects were plain means; trimmed ones find a
//! little more:
//!
//! | blocks × loads | false differences | coverage | finds 2 % | 3 % | 5 % | 10 % |
//! |---|---|---|---|---|---|---|
//! | 8 × 1 | 4.2 % | 95.2 % | | | | |
//! | 24 × 1 | 4.5 % | 95.0 % | | | | |
//! | 60 × 1 | 5.0 % | 94.5 % | 6.3 % | 18.8 % | 54.8 % | 98.5 % |
//! | 12 × 3 | 4.8 % | 96.3 % | | | | |
//! | 24 × 3 | 4.0 % | 97.5 % | 7.2 % | 16.3 % | 52.8 % | 99.5 % |
//! | 100 × 3 | | | 42.0 % | 88.0 % | 99.7 % | |

mod center;
mod critical;
mod judge;
mod power;
#[cfg(test)]
mod simulation;
mod starts;
mod verdict;

pub use judge::{BLOCKS_MIN, Effect, Findings, judge};
pub use power::{Resolution, blocks_for, cautious, resolution_of};
pub use starts::{REFERENCES, Starts};
pub use verdict::Finding;
