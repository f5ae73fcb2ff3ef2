//! How often the judgement errs and what it finds, with noise of published runs. `C10M_TRIALS=2000 cargo test --release -p
//! results simulation -- --nocapture` prints the rates that stand in the documentation of the module.
//!
//! `noise.txt` has three published runs (uring, backends, peers of 2026-11-22). In the order in which the starts were
//! measured, it says how far the logarithm of a start's CPU time per request lay from the mean of its arm under its load, in units
//! of 0.0001. Heavy tails (kurtosis 4 to 8), what a start of a process brings with it, drift, and bursts of steal are in
//! them. The starts of a block are taken side by side.

use super::critical::PERMUTATIONS;
use super::judge::{Findings, judge_by};
use super::starts::{REFERENCES, Starts};
use super::verdict::Finding;
use random::Random;

/// Comparisons behind each rate in the gate.
const TRIALS: u32 = 60;
/// Permutations in the gate, which has no time for all of them.
const FEWER_PERMUTATIONS: usize = 299;
/// False differences in all that is said of a comparison, and intervals that miss the truth.
const RATE: f64 = 0.05;
/// Standard deviations above [`RATE`] that are no chance any more.
const DEVIATIONS_MAX: f64 = 3.0;
/// Arms beside the reference: five of interest, the twin and the handicapped twin.
const ARMS: usize = 7;
/// Effects that do not matter.
const EFFECT_MIN: f64 = 0.02;

/// The deviations of each run that `noise.txt` is from.
fn noise() -> Vec<Vec<f64>> {
    let runs = include_str!("noise.txt").split("\n\n");
    let number = |word: &str| word.parse::<f64>().expect("a number") / 10_000.0;
    runs.map(|run| run.split_ascii_whitespace().map(number).collect()).collect()
}

/// Starts of so many blocks under so many loads. The first arm needs `effect` more than the reference, the last half again
/// as much, as a peer would; all others need the same.
fn starts(random: &mut Random, noise: &[Vec<f64>], blocks: usize, loads: usize, effect: f64) -> Vec<Starts> {
    let width = REFERENCES + ARMS;
    let run = &noise[random.index(noise.len())];
    let begin = random.index(run.len());
    let mut taken = run.iter().cycle().skip(begin);
    let mut found: Vec<Starts> = (0..loads).map(|_| Starts { arms: (0..ARMS).collect(), blocks: vec![] }).collect();
    for _ in 0..blocks {
        for load in &mut found {
            let mut order: Vec<usize> = (0..width).collect();
            random.shuffle(&mut order);
            let mut block = vec![0.0; width];
            for column in order {
                let effect = match column {
                    REFERENCES => effect,
                    last if last == width - 1 => 0.5,
                    _ => 0.0,
                };
                block[column] = (1.0 + effect) * taken.next().expect("a cycle").exp();
            }
            load.blocks.push(block);
        }
    }
    found
}

/// Trials, and permutations in each.
fn extent() -> (u32, usize) {
    let asked = std::env::var("C10M_TRIALS").ok().and_then(|text| text.parse().ok());
    asked.map_or((TRIALS, FEWER_PERMUTATIONS), |trials| (trials, PERMUTATIONS))
}

/// How often something was found.
#[derive(Default)]
struct Rates {
    false_differences: f64,
    uncovered: f64,
    found: f64,
    trials: f64,
}

fn rates(blocks: usize, loads: usize, effect: f64) -> Rates {
    let (noise, mut random) = (noise(), Random::new(blocks as u64 ^ (loads as u64) << 16));
    let (trials, permutations) = extent();
    let mut rates = Rates { trials: f64::from(trials), ..Rates::default() };
    for _ in 0..trials {
        let starts = starts(&mut random, &noise, blocks, loads, effect);
        let findings = judge_by(&starts, ARMS, EFFECT_MIN, permutations).expect("enough blocks");
        rates.false_differences += f64::from(has_false_difference(&findings, effect));
        rates.uncovered += f64::from(misses_the_truth(&findings, effect));
        rates.found += f64::from(findings.pooled[0].is_some_and(|effect| effect.low > 1.0));
    }
    rates
}

/// Whether anything that is said of an arm that needs the same claims a difference, or that loads differ.
fn has_false_difference(findings: &Findings, effect: f64) -> bool {
    let same = if effect > 0.0 { 1..ARMS - 1 } else { 0..ARMS - 1 };
    let effects = findings.by_load.iter().chain([&findings.pooled]);
    let claims = |finding: Finding| matches!(finding, Finding::Cheaper | Finding::Dearer | Finding::SignKnown);
    effects.flat_map(|arms| &arms[same.clone()]).flatten().any(|effect| claims(effect.finding))
        || findings.loads_differ.contains(&true)
}

/// Whether any interval of a pooled effect lies beside the truth.
fn misses_the_truth(findings: &Findings, effect: f64) -> bool {
    let truth = |arm: usize| match arm {
        0 => 1.0 + effect,
        last if last == ARMS - 1 => 1.5,
        _ => 1.0,
    };
    findings
        .pooled
        .iter()
        .enumerate()
        .any(|(arm, effect)| effect.is_none_or(|effect| !(effect.low..=effect.high).contains(&truth(arm))))
}

#[test]
fn false_differences_stay_below_five_percent_and_intervals_hold_the_truth() {
    for (blocks, loads) in [(8, 1), (24, 1), (60, 1), (12, 3), (24, 3)] {
        let rates = rates(blocks, loads, 0.0);
        let (wrong, held) = (rates.false_differences / rates.trials, 1.0 - rates.uncovered / rates.trials);
        println!(
            "{blocks} blocks, {loads} loads: false differences {:.1} %, coverage {:.1} %",
            wrong * 100.0,
            held * 100.0
        );
        let most = RATE + DEVIATIONS_MAX * (RATE * (1.0 - RATE) / rates.trials).sqrt();
        assert!(wrong <= most, "{blocks} blocks, {loads} loads: {wrong}");
        assert!(held >= 1.0 - most, "{blocks} blocks, {loads} loads: {held}");
    }
}

#[test]
fn what_is_planted_is_found() {
    for (blocks, loads, least) in
        [(24, 3, [0.0, 0.05, 0.4, 0.95]), (60, 1, [0.0, 0.05, 0.2, 0.9]), (100, 3, [0.1, 0.4, 0.85, 0.99])]
    {
        for (effect, least) in [0.02, 0.03, 0.05, 0.1].into_iter().zip(least) {
            let rates = rates(blocks, loads, effect);
            let found = rates.found / rates.trials;
            println!("{blocks} blocks, {loads} loads, {:.0} %: found {:.1} %", effect * 100.0, found * 100.0);
            assert!(found >= least, "{blocks} blocks, {loads} loads, {effect}: {found}");
        }
    }
}
