//! Chooses the charts of a record. If there are more loads or arms than a reader can take in, it draws the decisive
//! ones, and the caption says which.

use std::collections::BTreeMap;

use super::agreement;
use super::document::Figure;
use super::load::{churn, title};
use crate::chart::{ChartError, CostChart, CostLine, ForestChart, ForestRow, Line, PercentileChart};
use crate::judged::{Contestant, Judged};
use crate::record::{Cell, Loop, Record};
use crate::run::{Curve, word};
use crate::stats::blocks::{Effect, Finding};

/// Maximum number of charts of percentiles.
const CHARTS_MAX: usize = 4;
/// Maximum number of charts of cost against connections. There is one for each workload, loop and pipeline.
const COSTS_MAX: usize = 12;

/// Every arm of the record but the controls, in order. The position of an arm determines its colour.
fn arms(record: &Record) -> Vec<&str> {
    let mut arms: Vec<&str> = Vec::new();
    for cell in record.cells.iter().filter(|cell| !cell.role.is_control()) {
        if !arms.contains(&cell.arm.as_str()) {
            arms.push(&cell.arm);
        }
    }
    arms
}

fn figure(name: String, alt: String, caption: String, svg: Result<String, ChartError>) -> Option<Figure> {
    // A chart that cannot be drawn has no data; its table says so.
    Some(Figure { name, alt, caption, svg: svg.ok()? })
}

/// The effects that answer the question, with their intervals.
pub(super) fn forest(record: &Record, judged: &Judged<'_>) -> Option<Figure> {
    let chart = if record.decision.is_agreement { agreements(record, judged) } else { pooled(record, judged) };
    let caption = "Effects with simultaneous 95 % intervals. An arrow is an interval that reaches beyond the chart.";
    figure("ratios.svg".to_owned(), "Ratios of each arm to the reference".to_owned(), caption.to_owned(), chart.svg())
}

/// What each generator reports, figure by figure.
fn agreements(record: &Record, judged: &Judged<'_>) -> ForestChart {
    let row = |(group, name, effect): (String, String, Effect)| {
        let word = agreement::word(&effect);
        ForestRow { group, name, effect, word }
    };
    ForestChart {
        title: format!("{}: ratio to {}", record.experiment, judged.reference),
        ratio_name: "what is reported, ratio".to_owned(),
        sides: ["less", "more"],
        rows: agreement::effects(record).into_iter().map(row).collect(),
    }
}

/// The pooled effects on what decides, and the controls below them.
fn pooled(record: &Record, judged: &Judged<'_>) -> ForestChart {
    let row = |(arm, effect): (Contestant<'_>, Effect)| {
        let group = if arm.role.is_control() { "controls: what this run makes of what is known" } else { "arms" };
        let word = match effect.finding {
            Finding::SignKnown => "sign known",
            other => other.words(),
        };
        ForestRow { group: group.to_owned(), name: arm.name.to_owned(), effect, word }
    };
    let (controls, mut arms): (Vec<_>, Vec<_>) = judged.pooled().partition(|(arm, _)| arm.role.is_control());
    arms.sort_by(|a, b| a.1.ratio.total_cmp(&b.1.ratio));
    ForestChart {
        title: format!("{}: ratio to {}", record.experiment, judged.reference),
        ratio_name: match judged.loads.len() {
            1 => format!("{}, ratio", record.metric.words()),
            loads => format!("{}, ratio over {loads} loads together", record.metric.words()),
        },
        sides: ["cheaper", "dearer"],
        rows: arms.into_iter().chain(controls).map(row).collect(),
    }
}

/// One chart of percentiles per load, the decisive loads first.
pub(super) fn percentiles(record: &Record, curves: &[Curve], judged: &Judged<'_>) -> Vec<Figure> {
    let arms = arms(record);
    let lines = |load: usize| lines(&judged.loads[load], curves, &arms);
    let mut drawable: Vec<usize> = (0..judged.loads.len()).filter(|load| !lines(*load).is_empty()).collect();
    let total = drawable.len();
    if total > CHARTS_MAX {
        let decided = |load: usize| {
            let found = judged.arms.iter().filter_map(|arm| judged.under(load, arm.name));
            found.filter(|effect| matches!(effect.finding, Finding::Cheaper | Finding::Dearer)).count()
        };
        drawable.sort_by_key(|load| std::cmp::Reverse(decided(*load)));
        drawable.truncate(CHARTS_MAX);
    }
    let draw = |load: usize| {
        let first = judged.loads[load].first()?;
        let title = title(first);
        let chart =
            PercentileChart { title: title.clone(), value_name: "response time, µs".to_owned(), lines: lines(load) };
        let mut caption = format!(
            "All starts merged by counts, from the intended send time, up to the percentile with ten values above it{}.",
            match first.load_loop {
                Loop::Closed => "; a closed loop does not see the requests that it holds back",
                Loop::Open { .. } => "",
            }
        );
        if total > CHARTS_MAX {
            caption += &format!(" One of the {CHARTS_MAX} loads of {total} with the most differences.");
        }
        let name = format!("latency-{}.svg", word(&title));
        figure(name, format!("Response time at each percentile, {title}"), caption, chart.svg())
    };
    drawable.into_iter().filter_map(draw).collect()
}

/// The curve of each arm that has one, in the arm's colour.
fn lines(cells: &[&Cell], curves: &[Curve], arms: &[&str]) -> Vec<Line> {
    let line = |arm: &&str| {
        let cell = cells.iter().find(|cell| cell.arm == *arm)?;
        let curve = curves.iter().find(|curve| curve.cell == cell.key)?;
        Some(Line { name: (*arm).to_owned(), points: curve.points.clone(), is_reference: false, has_marks: false })
    };
    arms.iter().filter_map(line).collect()
}

/// Cost against connections, for workloads that ran with several numbers of connections.
pub(super) fn costs(record: &Record) -> Vec<Figure> {
    let arms = arms(record);
    let mut groups: BTreeMap<String, Vec<&Cell>> = BTreeMap::new();
    for cell in &record.cells {
        groups.entry(group_name(cell)).or_default().push(cell);
    }
    let draw = |(name, cells): (&String, &Vec<&Cell>)| {
        let line = |(index, arm): (usize, &&str)| {
            let mut points: Vec<(f64, crate::stats::Range)> = cells
                .iter()
                .filter(|cell| cell.arm == *arm)
                .filter_map(|cell| Some((cell.connections as f64, record.metric.range(&cell.summary)?)))
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            (points.len() > 1).then(|| CostLine { name: (*arm).to_owned(), index, points })
        };
        let chart = CostChart {
            title: format!("{}: cost against connections", name),
            value_name: format!("{}, µs", record.metric.words()),
            lines: arms.iter().enumerate().filter_map(line).collect(),
        };
        let caption = "Medians, with the range of the starts as vertical lines, moved apart a little.";
        let file = format!("connections-{}.svg", word(name));
        figure(file, format!("Cost per request against connections, {name}"), caption.to_owned(), chart.svg())
    };
    let mut figures: Vec<Figure> = groups.iter().filter_map(draw).collect();
    let total = figures.len();
    if total > COSTS_MAX {
        figures.truncate(COSTS_MAX);
        figures.iter_mut().for_each(|figure| figure.caption += &format!(" One of the first {COSTS_MAX} of {total}."));
    }
    figures
}

/// What loads that differ only in connections have in common.
fn group_name(cell: &Cell) -> String {
    let load_loop = match cell.load_loop {
        Loop::Closed => "closed loop".to_owned(),
        Loop::Open { rate } => format!("{} requests/s", crate::figures::count(rate)),
    };
    let server = if cell.server.is_empty() { String::new() } else { format!(", {}", cell.server) };
    format!("{}, {load_loop}, pipeline {}{}{server}", cell.workload, cell.pipeline, churn(cell))
}
