//! What a request costs as connections grow: one line per arm over a logarithmic axis.

use super::canvas::{Canvas, Scale, Side, TEXT_SIZE, short};
use super::ink::{ChartError, FAINT, colour};
use crate::stats::Range;

const SIZE: (i32, i32) = (1000, 460);
const LEFT: i32 = 84;
const RIGHT: i32 = 760;
const TOP: i32 = 64;
const BOTTOM: i32 = 390;

/// One arm.
#[derive(Debug, Clone, PartialEq)]
pub struct CostLine {
    /// Its name, at the end of the line.
    pub name: String,
    /// Its position among all arms, for the colour.
    pub index: usize,
    /// Number of connections and cost of a request, by rising connections.
    pub points: Vec<(f64, Range)>,
}

/// Cost against connections.
#[derive(Debug, Clone, PartialEq)]
pub struct CostChart {
    /// Above the chart.
    pub title: String,
    /// What the values mean, with their unit.
    pub value_name: String,
    /// The arms.
    pub lines: Vec<CostLine>,
}

impl CostChart {
    /// The SVG document.
    ///
    /// # Errors
    /// When there are fewer than two numbers of connections to draw a line between.
    pub fn svg(&self) -> Result<String, ChartError> {
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let low = all().map(|(connections, _)| *connections).fold(f64::INFINITY, f64::min);
        let high = all().map(|(connections, _)| *connections).fold(0.0, f64::max);
        let most = all().map(|(_, range)| range.max).fold(0.0, f64::max);
        if low <= 0.0 || high <= low || most <= 0.0 {
            return Err(ChartError("there is nothing to draw".to_owned()));
        }
        let x = Scale { low, high, is_logarithmic: true, pixels: (LEFT + 20, RIGHT - 12) };
        let y = Scale { low: 0.0, high: most * 1.05, is_logarithmic: false, pixels: (BOTTOM, TOP) };
        let mut text = String::new();
        let canvas = Canvas::on(&mut text, SIZE, &self.title)?;
        canvas.rows(&y, LEFT, RIGHT)?;
        // Ticks only at the numbers of connections that were measured.
        let mut measured: Vec<f64> = all().map(|(connections, _)| *connections).collect();
        measured.sort_by(f64::total_cmp);
        measured.dedup();
        for connections in measured {
            let at = x.at(connections);
            canvas.line(vec![(at, TOP), (at, BOTTOM)], FAINT, 1)?;
            canvas.words((at, BOTTOM + 16), &short(connections), Side::Centre, TEXT_SIZE)?;
        }
        canvas.words(((LEFT + RIGHT) / 2, BOTTOM + 44), "connections", Side::Centre, TEXT_SIZE)?;
        canvas.words((LEFT, TOP - 16), &self.value_name, Side::Right, TEXT_SIZE)?;
        let mut ends = Vec::new();
        for line in &self.lines {
            let shade = colour(line.index);
            let points: Vec<(i32, i32)> =
                line.points.iter().map(|(connections, range)| (x.at(*connections), y.at(range.median))).collect();
            for ((_, range), (at, _)) in line.points.iter().zip(&points) {
                // Slightly apart, so that the ranges of two arms do not hide each other.
                let at = at + line.index as i32 % 7 * 3 - 9;
                canvas.line(vec![(at, y.at(range.min)), (at, y.at(range.max))], shade, 1)?;
            }
            for point in &points {
                canvas.mark(*point, 4, shade)?;
            }
            if let Some(last) = points.last() {
                ends.push((last.1, line.name.clone(), shade));
            }
            canvas.line(points, shade, 2)?;
        }
        canvas.names(RIGHT, TOP, BOTTOM + 40, &ends)?;
        canvas.finish()?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_need_two_numbers_of_connections() {
        let at = |connections, cost| (connections, Range { median: cost, min: cost * 0.9, max: cost * 1.1, count: 3 });
        let line = |points| CostLine { name: "epoll level".into(), index: 0, points };
        let chart = |points| CostChart { title: "t".into(), value_name: "µs".into(), lines: vec![line(points)] };
        let svg = chart(vec![at(64.0, 6.0), at(15_000.0, 9.0)]).svg().unwrap();
        for part in ["epoll level", "15k", "64", "connections"] {
            assert!(svg.contains(part), "{part} is missing: {svg}");
        }
        assert!(chart(vec![at(64.0, 6.0)]).svg().is_err());
        assert!(chart(vec![]).svg().is_err());
    }
}
