//! CPU time per request as bars of parts that add up, one bar per row.

use super::canvas::{Canvas, SMALL_SIZE, Scale, Side, TEXT_SIZE, short as axis_value};
use super::ink::{ChartError, FAINT, colour};
use crate::figures::measure;

const WIDTH: i32 = 1000;
const LEFT: i32 = 250;
const RIGHT: i32 = 900;
const TOP: i32 = 84;
const ROW_HEIGHT: i32 = 24;
const BAR_HEIGHT: i32 = 16;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct StackRow {
    /// The group under whose name the row stands.
    pub group: String,
    /// Name of the bar.
    pub name: String,
    /// One value for each part name of the chart. Negative values are not drawn.
    pub parts: Vec<f64>,
}

/// Bars of parts.
#[derive(Debug, Clone, PartialEq)]
pub struct StackChart {
    /// Above the chart.
    pub title: String,
    /// What the values mean, with their unit.
    pub value_name: String,
    /// The parts, from left to right.
    pub part_names: Vec<String>,
    /// From top to bottom.
    pub rows: Vec<StackRow>,
}

/// Blue, sky and orange: different for everybody, and ordered by darkness.
const SHADES: [usize; 3] = [0, 1, 6];

impl StackChart {
    /// The SVG document.
    ///
    /// # Errors
    /// When no bar has a length.
    pub fn svg(&self) -> Result<String, ChartError> {
        let longest = self.rows.iter().map(length).fold(0.0, f64::max);
        if longest <= 0.0 {
            return Err(ChartError("there is nothing to draw".to_owned()));
        }
        let groups = 1 + self.rows.windows(2).filter(|pair| pair[0].group != pair[1].group).count();
        let bottom = TOP + (self.rows.len() + groups) as i32 * ROW_HEIGHT + 6;
        let scale = Scale { low: 0.0, high: longest * 1.02, is_logarithmic: false, pixels: (LEFT, RIGHT) };
        let mut text = String::new();
        let canvas = Canvas::on(&mut text, (WIDTH, bottom + 56), &self.title)?;
        let mut x = LEFT;
        for (index, name) in self.part_names.iter().enumerate() {
            canvas.bar((x, 50), (x + 14, 64), colour(SHADES[index % SHADES.len()]))?;
            canvas.words((x + 20, 57), name, Side::Right, SMALL_SIZE)?;
            x += 48 + name.chars().count() as i32 * 8;
        }
        for tick in scale.ticks() {
            canvas.words((scale.at(tick), bottom + 16), &axis_value(tick), Side::Centre, SMALL_SIZE)?;
        }
        canvas.words(((LEFT + RIGHT) / 2, bottom + 40), &self.value_name, Side::Centre, TEXT_SIZE)?;
        let mut y = TOP;
        for rows in self.rows.chunk_by(|a, b| a.group == b.group) {
            canvas.words((24, y + ROW_HEIGHT / 2), &rows[0].group, Side::Right, SMALL_SIZE)?;
            y += ROW_HEIGHT;
            // The lines end at each group, so that none crosses its name.
            let end = y + rows.len() as i32 * ROW_HEIGHT;
            for tick in scale.ticks() {
                canvas.line(vec![(scale.at(tick), y), (scale.at(tick), end)], FAINT, 1)?;
            }
            for row in rows {
                draw_row(&canvas, &scale, row, y + ROW_HEIGHT / 2)?;
                y += ROW_HEIGHT;
            }
        }
        canvas.finish()?;
        Ok(text)
    }
}

fn draw_row(canvas: &Canvas<'_>, scale: &Scale, row: &StackRow, y: i32) -> Result<(), ChartError> {
    canvas.words((LEFT - 12, y), &row.name, Side::Left, SMALL_SIZE)?;
    let (mut sum, half) = (0.0, BAR_HEIGHT / 2);
    for (index, part) in row.parts.iter().enumerate() {
        let (from, to) = (scale.at(sum), scale.at(sum + part.max(0.0)));
        if to > from {
            canvas.bar((from, y - half), (to, y + half), colour(SHADES[index % SHADES.len()]))?;
        }
        sum += part.max(0.0);
    }
    canvas.words((scale.at(sum) + 8, y), &measure(sum), Side::Right, SMALL_SIZE)
}

fn length(row: &StackRow) -> f64 {
    row.parts.iter().filter(|part| part.is_finite()).map(|part| part.max(0.0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_parts() {
        let row = |name: &str, parts: &[f64]| StackRow { group: "g".into(), name: name.into(), parts: parts.into() };
        let chart = StackChart {
            title: "t".into(),
            value_name: "µs".into(),
            part_names: vec!["user".into(), "system".into(), "rest".into()],
            rows: vec![row("a", &[1.0, 4.0, 0.5]), row("b", &[0.0, 2.0, -0.5])],
        };
        let svg = chart.svg().unwrap();
        for part in ["5.50", "2.00", "user", "system", "rest", "µs"] {
            assert!(svg.contains(part), "{part} is missing: {svg}");
        }
        // The background, three of the legend, and three parts and one.
        assert_eq!(svg.matches("<rect").count(), 8, "{svg}");
        assert!(StackChart { rows: vec![row("a", &[0.0])], ..chart }.svg().is_err());
    }
}
