//! One value against another: on axes that begin at zero, so that proportional values form a straight line, or on
//! logarithmic ones where sizes span decades.

use super::canvas::{Canvas, Scale, Side, TEXT_SIZE};
use super::ink::{ChartError, colour};

const SIZE: (i32, i32) = (1000, 460);
const LEFT: i32 = 84;
const RIGHT: i32 = 720;
const TOP: i32 = 64;
const BOTTOM: i32 = 390;
/// More points per line than there are pixels would show nothing more.
const POINTS_MAX: usize = 400;

/// How the axes of a chart are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axes {
    /// From zero.
    Linear,
    /// Both logarithmic, from the least to the most. Every value has to be above zero.
    Logarithmic,
}

/// Several values over a common axis.
#[derive(Debug, Clone, PartialEq)]
pub struct LinesChart {
    /// Above the chart.
    pub title: String,
    /// What the horizontal axis shows, with its unit.
    pub x_name: String,
    /// What the values mean, with their unit.
    pub y_name: String,
    /// Name and points of each line, by rising x.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
    /// Single points beside the lines, each of the line by this index.
    pub marks: Vec<(usize, (f64, f64))>,
    /// How the axes are divided.
    pub axes: Axes,
}

impl LinesChart {
    /// The SVG document.
    ///
    /// # Errors
    /// When no line has two points, or nothing on them is above zero.
    pub fn svg(&self) -> Result<String, ChartError> {
        let lines = || self.lines.iter().filter(|(_, points)| points.len() > 1).flat_map(|(_, points)| points);
        let all = || lines().chain(self.marks.iter().map(|(_, point)| point));
        let most = |of: fn(&(f64, f64)) -> f64| all().map(of).fold(0.0, f64::max);
        let (x_most, y_most) = (most(|point| point.0), most(|point| point.1));
        if x_most <= 0.0 || y_most <= 0.0 {
            return Err(ChartError("there is nothing to draw".to_owned()));
        }
        let least =
            |of: fn(&(f64, f64)) -> f64| all().map(of).filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        let is_logarithmic = self.axes == Axes::Logarithmic;
        let [x_low, y_low] = match self.axes {
            Axes::Linear => [0.0, 0.0],
            Axes::Logarithmic => [least(|point| point.0), least(|point| point.1) / 1.2],
        };
        let x = Scale { low: x_low, high: x_most, is_logarithmic, pixels: (LEFT, RIGHT - 12) };
        let y_high = y_most * if is_logarithmic { 1.2 } else { 1.05 };
        let y = Scale { low: y_low, high: y_high, is_logarithmic, pixels: (BOTTOM, TOP) };
        let mut text = String::new();
        let canvas = Canvas::on(&mut text, SIZE, &self.title)?;
        canvas.rows(&y, LEFT, RIGHT)?;
        canvas.columns(&x, TOP, BOTTOM)?;
        canvas.words(((LEFT + RIGHT) / 2, BOTTOM + 44), &self.x_name, Side::Centre, TEXT_SIZE)?;
        canvas.words((LEFT, TOP - 16), &self.y_name, Side::Right, TEXT_SIZE)?;
        let mut ends = Vec::new();
        for (index, (name, points)) in self.lines.iter().enumerate().filter(|(_, (_, points))| points.len() > 1) {
            let shade = colour(index);
            let step = points.len().div_ceil(POINTS_MAX);
            let kept = points.iter().enumerate().filter(|(at, _)| at % step == 0 || at + 1 == points.len());
            let pixels: Vec<(i32, i32)> = kept.map(|(_, point)| (x.at(point.0), y.at(point.1))).collect();
            if let Some(last) = pixels.last() {
                ends.push((last.1, name.clone(), shade));
            }
            canvas.line(pixels, shade, 2)?;
        }
        for (line, point) in &self.marks {
            canvas.mark((x.at(point.0), y.at(point.1)), 5, colour(*line))?;
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
    fn a_line_needs_two_points() {
        let chart = |points: &[(f64, f64)]| LinesChart {
            title: "t".into(),
            x_name: "connections".into(),
            y_name: "GiB".into(),
            lines: vec![("epoll level".into(), points.to_vec()), ("empty".into(), vec![])],
            marks: vec![],
            axes: Axes::Linear,
        };
        let svg = chart(&[(0.0, 0.0), (1_000_000.0, 8.0)]).svg().unwrap();
        for part in ["epoll level", "connections", "GiB", "1M"] {
            assert!(svg.contains(part), "{part} is missing: {svg}");
        }
        assert!(!svg.contains("empty"));
        assert!(chart(&[(1.0, 1.0)]).svg().is_err());
        let many: Vec<(f64, f64)> = (0..10_000).map(|at| (f64::from(at), 1.0)).collect();
        assert!(chart(&many).svg().unwrap().len() < 50_000);
    }

    #[test]
    fn decades_are_as_wide_as_one_another_and_marks_are_drawn() {
        let points = vec![(1e3, 0.1), (1e5, 10.0)];
        let line = LinesChart {
            title: "t".into(),
            x_name: "clients".into(),
            y_name: "s".into(),
            lines: vec![("full jitter".into(), points)],
            marks: vec![(0, (1e4, 1.0))],
            axes: Axes::Logarithmic,
        };
        let svg = line.svg().unwrap();
        // Halfway between the ends, on both axes.
        let middle = ((LEFT + RIGHT - 12) / 2, (TOP + BOTTOM) / 2);
        let mark = format!("cx=\"{}\" cy=\"{}\"", middle.0, middle.1);
        assert!(svg.contains(&mark) && svg.contains("10k"), "{mark}: {svg}");
    }
}
