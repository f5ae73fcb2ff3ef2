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
//! beside the reference. The standard error of a rate near 5 % is 0.6 % in 1,200 comparisons and 0.9 % in 600. Servers in turns,
//! with 1.4 to 4.6 % noise of a start, 1,200 comparisons each (300 for what is found):
//!
//! | blocks × loads | false differences | coverage | finds 2 % | 3 % | 5 % | 10 % |
//! |---|---|---|---|---|---|---|
//! | 8 × 1 | 3.0 % | 95.0 % | | | | |
//! | 24 × 1 | 3.0 % | 95.0 % | 58.7 % | 77.7 % | 95.3 % | 100 % |
//! | 44 × 2 | 2.3 % | 97.1 % | 88.3 % | 99.0 % | 100 % | 100 % |
//!
//! Starts one after another, with 10.6 to 11.9 %, 600 comparisons each:
//!
//! | blocks × loads | false differences | coverage | finds 2 % | 3 % | 5 % | 10 % |
//! |---|---|---|---|---|---|---|
//! | 8 × 1 | 4.2 % | 95.2 % | | | | |
//! | 24 × 1 | 4.0 % | 95.3 % | | | | |
//! | 60 × 1 | 4.3 % | 95.0 % | 8.5 % | 24.3 % | 64.3 % | 99.7 % |
//! | 12 × 3 | 4.8 % | 97.0 % | | | | |
//! | 24 × 3 | 4.2 % | 97.3 % | 7.7 % | 17.0 % | 54.2 % | 99.3 % |
//! | 100 × 3 | | | 46.2 % | | | |
//!
//! Two arms that are less steady by themselves, with two and four times the noise, 600 comparisons each:
//!
//! | way and blocks × loads | false differences | coverage |
//! |---|---|---|
//! | in turns, 24 × 1 | 4.7 % | 93.7 % |
//! | in turns, 44 × 2 | 3.0 % | 95.8 % |
//! | one after another, 24 × 3 | 6.3 % | 96.5 % |
//!
//! One of them, 6.3 %, is above 5 % by 1.5 standard errors, and one coverage below 95 % by as much: with very uneven arms the rates
//! are those asked for to about a percent and a half.

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
