//! The picture of a scenario about remedies: a line of each arm over time.

use results::chart::{Axes, LinesChart};

use crate::kinds::scenario::remedies::foretold::{Case, Foretold};
use crate::kinds::scenario::remedies::record::{ArmRecord, Record, RunRecord};
use crate::kinds::scenario::remedies::table::Picture;

/// A line of each arm: its run that is the middle one by the figure that decides. `None` when there is nothing to draw.
pub(super) fn draw(picture: &Picture, record: &Record) -> Option<String> {
    // The twin of the first arm would be a second line of the same.
    let arms = record.remedies.first().into_iter().chain(record.remedies());
    let lines = arms.filter_map(|arm| Some((arm.name.clone(), middle(arm)?))).collect();
    let [title, y_name, x_name] = [picture.title, picture.y_name, "s"].map(str::to_owned);
    LinesChart { title, x_name, y_name, lines, marks: vec![], axes: Axes::Linear }.svg().ok()
}

/// What a model foretells at each size as a line of each arm, and what was measured as marks. Only arms that the model
/// knows at more than one size. `None` when there is nothing to draw.
pub(super) fn foretold(foretold: &Foretold, what: &str) -> Option<String> {
    let mut names: Vec<&str> = foretold.cases.iter().map(|case| case.arm.as_str()).collect();
    names.dedup();
    let above_zero = |value: &Option<f64>| value.filter(|value| *value > 0.0);
    let points = |name: &str, values: fn(&Case) -> &Vec<Option<f64>>| -> Vec<(f64, f64)> {
        let own = foretold.cases.iter().filter(|case| case.arm == name);
        own.filter_map(|case| Some((case.clients as f64, above_zero(values(case).first()?)?))).collect()
    };
    let lines = names.iter().map(|name| ((*name).to_owned(), points(name, |case| &case.foretold))).collect();
    let marked = |(index, name): (usize, &&str)| {
        points(name, |case| &case.measured).into_iter().map(move |point| (index, point))
    };
    let marks = names.iter().enumerate().flat_map(marked).collect();
    let y_name = foretold.figures.first()?.clone();
    LinesChart { title: what.to_owned(), x_name: "clients".to_owned(), y_name, lines, marks, axes: Axes::Logarithmic }
        .svg()
        .ok()
}

/// The points of the run that is the middle one by the figure that decides.
fn middle(arm: &ArmRecord) -> Option<Vec<(f64, f64)>> {
    let decides = |run: &&RunRecord| run.figures.first().copied().flatten().unwrap_or(0.0);
    let mut runs: Vec<&RunRecord> = arm.runs.iter().collect();
    runs.sort_by(|one, other| decides(one).total_cmp(&decides(other)));
    runs.get(runs.len() / 2).map(|run| run.points.clone())
}
