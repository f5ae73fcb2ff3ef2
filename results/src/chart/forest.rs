//! Ratios with their intervals, one row each, around a vertical line at 1.

use super::canvas::{Canvas, SMALL_SIZE, Scale, Side, TEXT_SIZE, short as axis_value};
use super::ink::{ChartError, FAINT, INK, colour};
use crate::figures::ratio as short;
use crate::stats::blocks::{Effect, Finding};

const WIDTH: i32 = 1000;
/// Pixels of the names on the left, and of the figures on the right.
const LEFT: i32 = 250;
const RIGHT: i32 = 740;
const TOP: i32 = 76;
const ROW_HEIGHT: i32 = 22;
/// The axis extends beyond all ratios by at most this factor. Longer intervals end in an arrow.
const ROOM: f64 = 1.6;

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct ForestRow {
    /// The group under whose name the row stands.
    pub group: String,
    /// What the row compares.
    pub name: String,
    /// The ratio.
    pub effect: Effect,
    /// What was found, in a word short enough for the margin.
    pub word: &'static str,
}

/// Ratios on a logarithmic axis.
#[derive(Debug, Clone, PartialEq)]
pub struct ForestChart {
    /// Above the chart.
    pub title: String,
    /// Numerator and denominator of the ratio, in words.
    pub ratio_name: String,
    /// What a ratio below 1 is called, and one above.
    pub sides: [&'static str; 2],
    /// From top to bottom.
    pub rows: Vec<ForestRow>,
}

impl ForestChart {
    /// The SVG document.
    ///
    /// # Errors
    /// When there is no row.
    pub fn svg(&self) -> Result<String, ChartError> {
        let (low, high) = self.range().ok_or_else(|| ChartError("there is nothing to draw".to_owned()))?;
        let groups = 1 + self.rows.windows(2).filter(|pair| pair[0].group != pair[1].group).count();
        let bottom = TOP + (self.rows.len() + groups) as i32 * ROW_HEIGHT + 6;
        let scale = Scale { low, high, is_logarithmic: true, pixels: (LEFT, RIGHT) };
        let mut text = String::new();
        let canvas = Canvas::on(&mut text, (WIDTH, bottom + 56), &self.title)?;
        for tick in scale.ticks() {
            canvas.words((scale.at(tick), bottom + 16), &axis_value(tick), Side::Centre, SMALL_SIZE)?;
        }
        canvas.words(((LEFT + RIGHT) / 2, bottom + 40), &self.ratio_name, Side::Centre, TEXT_SIZE)?;
        canvas.words((scale.at(1.0) - 8, TOP - 10), &format!("← {}", self.sides[0]), Side::Left, SMALL_SIZE)?;
        canvas.words((scale.at(1.0) + 8, TOP - 10), &format!("{} →", self.sides[1]), Side::Right, SMALL_SIZE)?;
        let mut y = TOP;
        for rows in self.rows.chunk_by(|a, b| a.group == b.group) {
            canvas.words((24, y + ROW_HEIGHT / 2), &rows[0].group, Side::Right, SMALL_SIZE)?;
            y += ROW_HEIGHT;
            // The lines end at each group, so that none crosses its name.
            let end = y + rows.len() as i32 * ROW_HEIGHT;
            for tick in scale.ticks() {
                canvas.line(vec![(scale.at(tick), y), (scale.at(tick), end)], FAINT, 1)?;
            }
            canvas.line(vec![(scale.at(1.0), y), (scale.at(1.0), end)], INK, 2)?;
            for row in rows {
                draw_row(&canvas, &scale, row, y + ROW_HEIGHT / 2)?;
                y += ROW_HEIGHT;
            }
        }
        canvas.finish()?;
        Ok(text)
    }

    /// A range with all ratios, 1, and the intervals as far as [`ROOM`] allows.
    fn range(&self) -> Option<(f64, f64)> {
        let effects = || self.rows.iter().map(|row| row.effect);
        let least = effects().map(|effect| effect.ratio).fold(1.0, f64::min) / ROOM;
        let greatest = effects().map(|effect| effect.ratio).fold(1.0, f64::max) * ROOM;
        let low = effects().map(|effect| effect.low).fold(0.95, f64::min).max(least);
        let high = effects().map(|effect| effect.high).fold(1.05, f64::max).min(greatest);
        (!self.rows.is_empty()).then_some((low / 1.01, high * 1.01))
    }
}

fn draw_row(canvas: &Canvas<'_>, scale: &Scale, row: &ForestRow, y: i32) -> Result<(), ChartError> {
    let Effect { ratio, low, high, finding, .. } = row.effect;
    // Blue and vermilion of Okabe and Ito differ for everybody. The words on the right say the same.
    let shade = match finding {
        Finding::Cheaper => colour(0),
        Finding::Dearer => colour(3),
        Finding::Equal => INK,
        Finding::SignKnown | Finding::Undecided => colour(8),
    };
    canvas.words((LEFT - 12, y), &row.name, Side::Left, SMALL_SIZE)?;
    canvas.line(vec![(LEFT, y + ROW_HEIGHT / 2), (RIGHT, y + ROW_HEIGHT / 2)], FAINT, 1)?;
    let (from, to) = (scale.at(low), scale.at(high));
    canvas.line(vec![(from, y), (to, y)], shade, 2)?;
    for (end, is_beyond, direction) in [(from, low < scale.low, 1), (to, high > scale.high, -1)] {
        if is_beyond {
            let inner = end + 8 * direction;
            canvas.shape(vec![(end, y), (inner, y - 4), (inner, y + 4)], shade)?;
        } else {
            canvas.line(vec![(end, y - 4), (end, y + 4)], shade, 2)?;
        }
    }
    let figures = format!("{}  [{}, {}]  {}", short(ratio), short(low), short(high), row.word);
    canvas.mark((scale.at(ratio), y), 5, shade)?;
    canvas.words((RIGHT + 14, y), &figures, Side::Right, SMALL_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(group: &str, name: &str, (low, ratio, high): (f64, f64, f64)) -> ForestRow {
        let finding = Finding::of(ratio, low, high, 0.02);
        let effect = Effect { ratio, low, high, ratio_hodges_lehmann: ratio, error: 0.1, blocks: 9, finding };
        ForestRow { group: group.into(), name: name.into(), effect, word: finding.words() }
    }

    #[test]
    fn every_row_has_its_figures() {
        let rows = vec![
            row("echo", "a & b", (0.49, 0.5, 0.52)),
            row("echo", "wild", (0.01, 1.0, 100.0)),
            row("http", "near", (0.99, 1.001, 1.01)),
        ];
        let sides = ["less", "more"];
        let chart = ForestChart { title: "t".into(), ratio_name: "ratio".into(), sides, rows };
        let svg = chart.svg().unwrap();
        for part in [
            "a &amp; b",
            "0.50  [0.49, 0.52]  cheaper",
            "undecided",
            "1.001  [0.99, 1.01]  equal",
            "<polygon",
            "← less",
        ] {
            assert!(svg.contains(part), "{part} is missing: {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg, chart.svg().unwrap());
        let (low, high) = chart.range().unwrap();
        assert!(low > 0.2 && high < 6.0, "one wild interval does not squeeze the others: {low} {high}");
        assert!(ForestChart { rows: vec![], ..chart }.svg().is_err());
    }
}
