//! The curves of the experiment, and how far memory deviates from a straight line.

use results::chart::{Axes, LinesChart};

use crate::kinds::scenario::seen::Sample;
use crate::kinds::scenario::timeline::Phase;
use crate::kinds::scenario::watched::record::{Record, StepRecord};

const GIB: f64 = (1 << 30) as f64;
/// A cost is measured over at least this share of a ramp, because single samples have too few connects.
const WINDOW_SHARE: f64 = 0.04;
/// Fewer samples prove no straight line.
const SAMPLES_MIN: usize = 4;

/// Memory of slabs and both processes, as growth since the first sample.
fn memory_grown(step: &StepRecord) -> Vec<(f64, f64)> {
    let bytes = |sample: &Sample| sample.slab_bytes + (sample.server_bytes + sample.generator_bytes) as f64;
    let opening: Vec<&Sample> = opening(step);
    let Some(first) = opening.first().map(|sample| bytes(sample)) else { return vec![] };
    opening.iter().map(|sample| (sample.connections as f64, bytes(sample) - first)).collect()
}

/// The samples of the ramp, up to the first with all connections.
fn opening(step: &StepRecord) -> Vec<&Sample> {
    let end = step.samples.iter().position(|sample| sample.phase != Phase::Opening).unwrap_or(step.samples.len());
    let with_all = (end + 1).min(step.samples.len());
    let is_held = step.samples.get(end).is_some_and(|sample| sample.phase == Phase::Holding);
    step.samples[..if is_held { with_all } else { end }].iter().collect()
}

/// The largest distance of memory from the best straight line, as a share of memory at the end. `None` when there are
/// too few samples. The line has an offset, for what threads take before the first connect.
pub(super) fn off_the_line(step: &StepRecord) -> Option<f64> {
    let points: Vec<(f64, f64)> =
        memory_grown(step).into_iter().filter(|(connections, _)| *connections > 0.0).collect();
    if points.len() < SAMPLES_MIN {
        return None;
    }
    let number = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / number;
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let end = points.last().map(|(_, y)| *y).filter(|y| *y > 0.0)?;
    let slope = (variance > 0.0).then(|| covariance / variance)?;
    let off = points.iter().map(|(x, y)| (y - y_mean - slope * (x - x_mean)).abs());
    Some(off.fold(0.0, f64::max) / end)
}

pub(super) fn memory(record: &Record) -> Option<String> {
    let line = |step: &StepRecord| {
        (step.name.clone(), memory_grown(step).into_iter().map(|(x, bytes)| (x, bytes / GIB)).collect())
    };
    chart("Memory against connections", "connections", "GiB", record.steps.iter().map(line).collect())
}

pub(super) fn rate(record: &Record) -> Option<String> {
    let line = |step: &StepRecord| {
        let points = opening(step).iter().map(|sample| (sample.at_s, sample.connections as f64)).collect();
        (step.name.clone(), points)
    };
    let lines = record.steps.iter().map(line).collect();
    chart("Connections over time", "s", "connections", lines)
}

pub(super) fn cost(record: &Record) -> Option<String> {
    let line = |step: &StepRecord| (step.name.clone(), cost_of_connects(step));
    let lines = record.steps.iter().map(line).collect();
    chart("CPU time of one connect", "connections", "µs of all CPUs", lines)
}

/// Points of the number of connections, and the CPU time of one connect at that number.
fn cost_of_connects(step: &StepRecord) -> Vec<(f64, f64)> {
    let window = (step.connections as f64 * WINDOW_SHARE) as u64;
    let mut points = Vec::new();
    let mut from: Option<&Sample> = None;
    for sample in opening(step) {
        let Some(begin) = from else {
            from = Some(sample);
            continue;
        };
        let connects = sample.connections.saturating_sub(begin.connections);
        if connects >= window.max(1) {
            let spent_us = sample.cpu_us.saturating_sub(begin.cpu_us) as f64;
            points.push(((begin.connections + sample.connections) as f64 / 2.0, spent_us / connects as f64));
            from = Some(sample);
        }
    }
    points
}

fn chart(title: &str, x_name: &str, y_name: &str, lines: Vec<(String, Vec<(f64, f64)>)>) -> Option<String> {
    let [title, x_name, y_name] = [title, x_name, y_name].map(str::to_owned);
    LinesChart { title, x_name, y_name, lines, marks: vec![], axes: Axes::Linear }.svg().ok()
}
