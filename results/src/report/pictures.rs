//! Chooses the charts of a record. If there are more loads or arms than a reader can take in, it draws the decisive
//! ones, and the caption says which.

use std::collections::BTreeMap;

use super::document::Figure;
use super::load::{churn, loads, title};
use super::verdicts::{Contest, Entry};
use crate::chart::{
    ChartError, CostChart, CostLine, ForestChart, ForestRow, Line, PercentileChart, StackChart, StackRow, Strip,
    TimelineChart,
};
use crate::record::{Cell, Loop, Metric, Point, Record, RunOfCell};
use crate::run::{Curve, word};
use crate::stats::{Judgement, median};

/// Rows of a chart that fit a page.
const ROWS_MAX: usize = 48;
/// Maximum number of charts of one kind.
const CHARTS_MAX: usize = 6;
/// Maximum number of charts of cost against connections. There is one for each workload, loop and pipeline.
const COSTS_MAX: usize = 12;
/// Maximum number of counters below the latency over time.
const STRIPS_MAX: usize = 6;

/// Every arm of the record, in order. The position of an arm determines its colour.
fn arms(record: &Record) -> Vec<&str> {
    let mut arms: Vec<&str> = Vec::new();
    for cell in &record.cells {
        if !arms.contains(&cell.arm.as_str()) {
            arms.push(&cell.arm);
        }
    }
    arms
}

fn figure(name: String, alt: String, caption: String, svg: Result<String, ChartError>) -> Option<Figure> {
    // A chart that cannot be drawn has no data; its table says so.
    Some(Figure { name, alt, caption: format!("{caption} Drawn by `c10m report`."), svg: svg.ok()? })
}

/// The ratios with their intervals.
pub(super) fn forest(record: &Record, contests: &[Contest<'_>]) -> Option<Figure> {
    let mut all: Vec<(&Contest<'_>, &Entry<'_>)> =
        contests.iter().flat_map(|contest| contest.entries.iter().map(move |entry| (contest, entry))).collect();
    all.retain(|(_, entry)| entry.comparison.is_some());
    let total = all.len();
    let is_cut = total > ROWS_MAX;
    if is_cut {
        // Decided before undecided, and far from 1 before near. The selected rows then return to the order of the
        // record.
        let weight = |entry: &Entry<'_>| {
            let is_decided = matches!(entry.judgement(), Judgement::Better | Judgement::Worse);
            (is_decided, entry.comparison.map_or(0.0, |comparison| comparison.ratio.ln().abs()))
        };
        let mut order: Vec<usize> = (0..total).collect();
        order.sort_by(|a, b| {
            let (a, b) = (weight(all[*a].1), weight(all[*b].1));
            b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
        });
        order.truncate(ROWS_MAX);
        order.sort_unstable();
        all = order.into_iter().map(|index| all[index]).collect();
    }
    let row = |(contest, entry): &(&Contest<'_>, &Entry<'_>)| {
        let group = match contest.reference {
            Some(reference) => format!("{} · 1 is {}", contest.title, reference.arm),
            None => contest.title.clone(),
        };
        Some(ForestRow { group, name: entry.cell.arm.clone(), comparison: entry.comparison? })
    };
    let chart = ForestChart {
        title: format!("{}: ratio to the reference, with 95 % intervals", record.experiment),
        ratio_name: format!("{}, ratio", record.metric.words()),
        rows: all.iter().filter_map(row).collect(),
    };
    let shown = match is_cut {
        true => {
            format!("The {ROWS_MAX} of {total} comparisons that are decided or farthest from 1; the table has all.")
        }
        false => "Every comparison of the table of ratios.".to_owned(),
    };
    let caption = format!("{shown} An arrow is an interval that reaches beyond the chart.");
    figure("ratios.svg".to_owned(), "Ratios of each arm to its reference".to_owned(), caption, chart.svg())
}

/// User time, system time and the other time of the server's processors.
pub(super) fn cpu(record: &Record) -> Option<Figure> {
    let groups = loads(record);
    let (mut rows, mut left_out) = (Vec::new(), 0);
    for cells in &groups {
        let bars: Vec<StackRow> = cells.iter().filter_map(|cell| stack(cell)).collect();
        if rows.len() + bars.len() > ROWS_MAX {
            left_out += 1;
        } else {
            rows.extend(bars);
        }
    }
    let chart = StackChart {
        title: format!("{}: CPU time of the server for each request", record.experiment),
        value_name: "µs of processor time per request, in the median repeat".to_owned(),
        part_names: ["user", "system", "rest: interrupts and others"].map(str::to_owned).to_vec(),
        rows,
    };
    let drawn = if record.metric == Metric::ServerRun { "server CPU" } else { "core CPU" };
    let mut caption = format!(
        "User and system are the server process's own; the rest is what else its processors did, mostly the packets \
         of the other side. Drawn is the repeat with the median {drawn}. Figures in the tables of results."
    );
    if left_out > 0 {
        caption += &format!(" The first loads that fit are drawn, {left_out} are not.");
    }
    figure("cpu.svg".to_owned(), "CPU time per request by arm".to_owned(), caption, chart.svg())
}

/// The parts of the median run, because they add up. The medians of each part would not.
fn stack(cell: &Cell) -> Option<StackRow> {
    let cost = |run: &RunOfCell| run.server_run_us_per_request.or(run.server_core_us_per_request);
    let mut runs: Vec<(f64, &RunOfCell)> = cell.runs.iter().filter_map(|run| Some((cost(run)?, run))).collect();
    runs.retain(|(cost, _)| cost.is_finite());
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (cost, run) = *runs.get(runs.len().checked_sub(1)? / 2)?;
    let core = run.server_core_us_per_request.map_or(cost, |core| core.max(cost));
    let user = run.server_user_us_per_request.unwrap_or(0.0).min(core);
    let system = run.server_system_us_per_request.unwrap_or(0.0).min(core - user);
    Some(StackRow { group: title(cell), name: cell.arm.clone(), parts: vec![user, system, core - user - system] })
}

/// One chart of percentiles for each load, the decisive loads first.
pub(super) fn percentiles(record: &Record, curves: &[Curve], contests: &[Contest<'_>]) -> Vec<Figure> {
    let arms = arms(record);
    let mut drawable: Vec<&Contest<'_>> =
        contests.iter().filter(|contest| lines(contest, curves, &arms).len() > 1).collect();
    if drawable.is_empty() {
        drawable = contests.iter().filter(|contest| !lines(contest, curves, &arms).is_empty()).collect();
    }
    let total = drawable.len();
    if total > CHARTS_MAX {
        let decided = |contest: &Contest<'_>| {
            contest
                .entries
                .iter()
                .filter(|entry| matches!(entry.judgement(), Judgement::Better | Judgement::Worse))
                .count()
        };
        drawable.sort_by_key(|contest| std::cmp::Reverse(decided(contest)));
        drawable.truncate(CHARTS_MAX);
    }
    let draw = |contest: &&Contest<'_>| {
        let chart = PercentileChart {
            title: contest.title.clone(),
            value_name: "response time, µs".to_owned(),
            lines: lines(contest, curves, &arms),
        };
        let mut caption = format!(
            "All repeats merged by counts, from the intended send time, up to the percentile with ten values above it{}.",
            match contest.cells.first().map(|cell| cell.load_loop) {
                Some(Loop::Closed) => "; a closed loop does not see the requests that it holds back",
                _ => "",
            }
        );
        if total > CHARTS_MAX {
            caption += &format!(" One of the {CHARTS_MAX} loads of {total} with the most differences.");
        }
        let name = format!("latency-{}.svg", word(&contest.title));
        let alt = format!("Response time at each percentile, {}", contest.title);
        figure(name, alt, caption, chart.svg())
    };
    drawable.iter().filter_map(draw).collect()
}

/// The curve of each arm that has one, in its colour.
fn lines(contest: &Contest<'_>, curves: &[Curve], arms: &[&str]) -> Vec<Line> {
    let line = |arm: &&str| {
        let cell = contest.cells.iter().find(|cell| cell.arm == *arm);
        let curve = cell.and_then(|cell| curves.iter().find(|curve| curve.cell == cell.key))?;
        Some(Line { name: (*arm).to_owned(), points: curve.points.clone(), is_reference: false, has_marks: false })
    };
    arms.iter().filter_map(line).collect()
}

/// Cost against connections, for each workload that ran with several numbers of connections.
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
        let caption = "Medians, with the range of the repeats as vertical lines, moved apart a little. Figures in the tables of results.";
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

/// The part of a load's name that does not depend on the connections.
fn group_name(cell: &Cell) -> String {
    let load_loop = match cell.load_loop {
        Loop::Closed => "closed loop".to_owned(),
        Loop::Open { rate } => format!("{} requests/s", crate::figures::count(rate)),
    };
    let server = if cell.server.is_empty() { String::new() } else { format!(", {}", cell.server) };
    format!("{}, {load_loop}, pipeline {}{}{server}", cell.workload, cell.pipeline, churn(cell))
}

/// Latency over time of the most eventful runs.
pub(super) fn timelines(record: &Record, points: &[Point]) -> Vec<Figure> {
    let mut runs: BTreeMap<(&str, u32), Vec<&Point>> = BTreeMap::new();
    for point in points {
        runs.entry((&point.cell, point.repeat)).or_default().push(point);
    }
    let mut ranked: Vec<(f64, &Cell, u32, Vec<&Point>)> = runs
        .into_iter()
        .filter_map(|((key, repeat), mut run)| {
            let cell = record.cells.iter().find(|cell| cell.key == key)?;
            run.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
            Some((eventfulness(&run)?, cell, repeat, run))
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    // One run from each of several cells, rather than several runs of one cell.
    let mut seen: Vec<&str> = Vec::new();
    ranked.retain(|(_, cell, ..)| {
        let is_new = !seen.contains(&cell.key.as_str());
        seen.push(&cell.key);
        is_new
    });
    let total = ranked.len();
    ranked.truncate(CHARTS_MAX);
    ranked.iter().filter_map(|(eventful, cell, repeat, run)| timeline(*eventful, cell, *repeat, run, total)).collect()
}

/// The worst p99 of an interval divided by that of the median interval.
fn eventfulness(run: &[&Point]) -> Option<f64> {
    let tails: Vec<f64> = run.iter().filter_map(|point| point.p99_us.or(point.p50_us)).collect();
    let middle = median(&tails).filter(|middle| *middle > 0.0)?;
    Some(tails.into_iter().fold(0.0, f64::max) / middle)
}

fn timeline(eventful: f64, cell: &Cell, repeat: u32, run: &[&Point], total: usize) -> Option<Figure> {
    let line = |name: &str, of: fn(&Point) -> Option<f64>| {
        let points = run.iter().filter_map(|point| Some((point.start_s + point.duration_s / 2.0, of(point)?)));
        (name.to_owned(), points.collect::<Vec<_>>())
    };
    let lines = vec![line("p50", |point| point.p50_us), line("p99", |point| point.p99_us)];
    let chart = TimelineChart {
        title: format!("{} · {} · repeat {}", cell.arm, title(cell), repeat + 1),
        lines: lines.into_iter().filter(|(_, points)| !points.is_empty()).collect(),
        strips: strips(run),
    };
    let moved = run.iter().flat_map(|point| point.counters.keys()).collect::<std::collections::BTreeSet<_>>().len();
    let mut caption = format!(
        "The worst interval's p99 is {eventful:.1} times the median interval's. One interval's p99 may rest on few values."
    );
    if moved > STRIPS_MAX {
        caption += &format!(" Of {moved} counters that moved, the {STRIPS_MAX} that moved most unevenly.");
    }
    if total > CHARTS_MAX {
        caption += &format!(" One of the {CHARTS_MAX} most eventful of {total} cells.");
    }
    let name = format!("time-{}-{}.svg", word(&cell.key), repeat + 1);
    figure(name, format!("Latency over time, {}, {}", cell.arm, title(cell)), caption, chart.svg())
}

/// The counters that moved most unevenly: a steady one explains no peak.
fn strips(run: &[&Point]) -> Vec<Strip> {
    let mut strips: Vec<Strip> = Vec::new();
    for point in run {
        for (name, value) in &point.counters {
            let span = (point.start_s, point.start_s + point.duration_s, value.max(0.0));
            match strips.iter_mut().find(|strip| strip.name == *name) {
                Some(strip) => strip.values.push(span),
                None => strips.push(Strip { name: name.clone(), values: vec![span] }),
            }
        }
    }
    let unevenness = |strip: &Strip| {
        let mean = strip.values.iter().map(|(.., value)| value).sum::<f64>() / run.len() as f64;
        let most = strip.values.iter().map(|(.., value)| *value).fold(0.0, f64::max);
        if mean > 0.0 { most / mean } else { 0.0 }
    };
    strips.retain(|strip| unevenness(strip) > 0.0);
    strips.sort_by(|a, b| unevenness(b).total_cmp(&unevenness(a)));
    strips.truncate(STRIPS_MAX);
    strips
}
