//! How often the judgement errs and what it finds, with noise of published runs. `C10M_TRIALS=2000 cargo test --release -p
//! results simulation -- --nocapture` prints the rates that stand in the documentation of the module.
//!
//! Each file of `noise/` has published runs of one way of measuring: of servers in turns (quick and backends of 2026-11-29, uring
//! and peers of 2026-11-30), and of starts one after another (uring, backends, peers of 2026-11-22). In the order in which the starts were
//! measured, it says how far the logarithm of a start's CPU time per request lay from the mean of its arm under its load, in units
//! of 0.0001; of servers in turns, which share what the machine does, less what the servers of its block have in common. Heavy tails, what a start of a process brings with it, drift, and bursts of steal are in them. The starts of a block
//! are taken side by side.

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

/// Two arms that are steady or not by themselves, as other servers are: so many times the noise of the rest.
const UNEVEN: [f64; 2] = [2.0, 4.0];

/// A way of measuring, and the deviations of each of its published runs.
struct Noise {
    name: &'static str,
    runs: Vec<Vec<f64>>,
    /// Whether the second and the third arm have [`UNEVEN`] noise.
    is_uneven: bool,
}

impl Noise {
    fn of_turns() -> Noise {
        Noise::new("in turns", include_str!("noise/turns.txt"))
    }

    fn of_starts() -> Noise {
        Noise::new("one after another", include_str!("noise/starts.txt"))
    }

    fn new(name: &'static str, text: &str) -> Noise {
        let number = |word: &str| word.parse::<f64>().expect("a number") / 10_000.0;
        let runs = text.split("\n\n").map(|run| run.split_ascii_whitespace().map(number).collect()).collect();
        Noise { name, runs, is_uneven: false }
    }

    fn uneven(self) -> Noise {
        Noise { is_uneven: true, ..self }
    }

    fn factor(&self, column: usize) -> f64 {
        let arm = column.checked_sub(REFERENCES + 1);
        arm.filter(|_| self.is_uneven).and_then(|arm| UNEVEN.get(arm)).copied().unwrap_or(1.0)
    }
}

/// Starts of so many blocks under so many loads. The first arm needs `effect` more than the reference, the last half again
/// as much, as a peer would; all others need the same.
fn starts(random: &mut Random, noise: &Noise, blocks: usize, loads: usize, effect: f64) -> Vec<Starts> {
    let width = REFERENCES + ARMS;
    let run = &noise.runs[random.index(noise.runs.len())];
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
                block[column] = (1.0 + effect) * (noise.factor(column) * taken.next().expect("a cycle")).exp();
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

fn rates(noise: &Noise, blocks: usize, loads: usize, effect: f64) -> Rates {
    let mut random = Random::new(blocks as u64 ^ (loads as u64) << 16);
    let (trials, permutations) = extent();
    let mut rates = Rates { trials: f64::from(trials), ..Rates::default() };
    for _ in 0..trials {
        let starts = starts(&mut random, noise, blocks, loads, effect);
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

/// Nothing is planted but the last arm, and nothing else may be found.
fn check_errors(noise: &Noise, designs: &[(usize, usize)]) {
    for &(blocks, loads) in designs {
        let rates = rates(noise, blocks, loads, 0.0);
        let (wrong, held) = (rates.false_differences / rates.trials, 1.0 - rates.uncovered / rates.trials);
        let uneven = if noise.is_uneven { ", uneven" } else { "" };
        let design = format!("{}{uneven}, {blocks} blocks, {loads} loads", noise.name);
        println!("{design}: false differences {:.1} %, coverage {:.1} %", wrong * 100.0, held * 100.0);
        let most = RATE + DEVIATIONS_MAX * (RATE * (1.0 - RATE) / rates.trials).sqrt();
        assert!(wrong <= most, "{design}: {wrong}");
        assert!(held >= 1.0 - most, "{design}: {held}");
    }
}

/// Of a planted 2, 3, 5 and 10 %, at least so many are found.
fn check_power(noise: &Noise, blocks: usize, loads: usize, least: [f64; 4]) {
    for (effect, least) in [0.02, 0.03, 0.05, 0.1].into_iter().zip(least) {
        let rates = rates(noise, blocks, loads, effect);
        let found = rates.found / rates.trials;
        let design = format!("{}, {blocks} blocks, {loads} loads, {:.0} %", noise.name, effect * 100.0);
        println!("{design}: found {:.1} %", found * 100.0);
        assert!(found >= least, "{design}: {found}");
    }
}

#[test]
fn false_differences_stay_below_five_percent_and_intervals_hold_the_truth() {
    check_errors(&Noise::of_turns(), &[(8, 1), (24, 1), (44, 2)]);
    check_errors(&Noise::of_starts(), &[(8, 1), (24, 1), (60, 1), (12, 3), (24, 3)]);
    check_errors(&Noise::of_turns().uneven(), &[(24, 1), (44, 2)]);
    check_errors(&Noise::of_starts().uneven(), &[(24, 3)]);
}

#[test]
fn what_is_planted_is_found() {
    check_power(&Noise::of_turns(), 24, 1, [0.4, 0.6, 0.9, 0.99]);
    check_power(&Noise::of_turns(), 44, 2, [0.6, 0.85, 0.97, 0.99]);
    check_power(&Noise::of_starts(), 24, 3, [0.0, 0.05, 0.4, 0.95]);
    check_power(&Noise::of_starts(), 60, 1, [0.0, 0.05, 0.2, 0.9]);
    check_power(&Noise::of_starts(), 100, 3, [0.1, 0.4, 0.85, 0.99]);
}
