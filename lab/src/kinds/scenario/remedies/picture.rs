//! The picture of a scenario about remedies: a line of each arm over time.

use results::chart::LinesChart;

use crate::kinds::scenario::remedies::record::{ArmRecord, Record, RunRecord};
use crate::kinds::scenario::remedies::table::Picture;

/// A line of each arm: its run that is the middle one by the figure that decides. `None` when there is nothing to draw.
pub(super) fn draw(picture: &Picture, record: &Record) -> Option<String> {
    // The twin of the first arm would be a second line of the same.
    let arms = record.remedies.iter().enumerate().filter(|(index, _)| *index != 1).map(|(_, arm)| arm);
    let lines = arms.filter_map(|arm| Some((arm.name.clone(), middle(arm)?))).collect();
    let [title, y_name, x_name] = [picture.title, picture.y_name, "s"].map(str::to_owned);
    LinesChart { title, x_name, y_name, lines }.svg().ok()
}

/// The points of the run that is the middle one by the figure that decides.
fn middle(arm: &ArmRecord) -> Option<Vec<(f64, f64)>> {
    let decides = |run: &&RunRecord| run.figures.first().copied().flatten().unwrap_or(0.0);
    let mut runs: Vec<&RunRecord> = arm.runs.iter().collect();
    runs.sort_by(|one, other| decides(one).total_cmp(&decides(other)));
    runs.get(runs.len() / 2).map(|run| run.points.clone())
}
