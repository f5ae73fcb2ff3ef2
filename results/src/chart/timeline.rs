//! One run over time: median and 99th percentile of each interval, and below them the counters that moved. A peak and
//! its cause are therefore in the same column.

use super::canvas::{Canvas, SMALL_SIZE, Scale, Side, TEXT_SIZE, decade};
use super::ink::{ChartError, FAINT, colour};
use crate::figures::measure;

const WIDTH: i32 = 1000;
const LEFT: i32 = 84;
const RIGHT: i32 = 760;
const TOP: i32 = 64;
const PLOT_HEIGHT: i32 = 250;
const STRIP_HEIGHT: i32 = 44;

/// A counter over the time of the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Strip {
    /// What is counted.
    pub name: String,
    /// Start and end of each interval, and how much was counted in it.
    pub values: Vec<(f64, f64, f64)>,
}

/// Latency over time.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineChart {
    /// Above the chart.
    pub title: String,
    /// Name of each line, and its points: time in s and latency in µs at the middle of each interval.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
    /// The counters below the lines.
    pub strips: Vec<Strip>,
}

impl TimelineChart {
    /// The SVG document.
    ///
    /// # Errors
    /// When no line has two points with positive values.
    pub fn svg(&self) -> Result<String, ChartError> {
        let values = || self.lines.iter().flat_map(|(_, points)| points).filter(|(_, us)| *us > 0.0 && us.is_finite());
        let starts = self.strips.iter().flat_map(|strip| &strip.values).map(|(start, end, _)| (*start, *end));
        let times = values().map(|(time, _)| (*time, *time)).chain(starts);
        let (first, last) =
            times.fold((f64::INFINITY, f64::NEG_INFINITY), |range, time| (range.0.min(time.0), range.1.max(time.1)));
        let low = values().map(|(_, us)| *us).fold(f64::INFINITY, f64::min);
        let high = values().map(|(_, us)| *us).fold(0.0, f64::max);
        if values().count() < 2 || last <= first {
            return Err(ChartError("there is nothing to draw".to_owned()));
        }
        let plot_bottom = TOP + PLOT_HEIGHT;
        let bottom = plot_bottom + 12 + self.strips.len() as i32 * STRIP_HEIGHT;
        let x = Scale { low: first, high: last, is_logarithmic: false, pixels: (LEFT, RIGHT) };
        let floor = decade(low.log10().floor() as i32);
        let y = Scale { low: floor, high: high * 1.3, is_logarithmic: true, pixels: (plot_bottom, TOP) };
        let mut text = String::new();
        let canvas = Canvas::on(&mut text, (WIDTH, bottom + 56), &self.title)?;
        canvas.columns(&x, TOP, bottom)?;
        canvas.rows(&y, LEFT, RIGHT)?;
        canvas.words((LEFT, TOP - 16), "response time, µs", Side::Right, TEXT_SIZE)?;
        canvas.words(((LEFT + RIGHT) / 2, bottom + 40), "seconds since the window began", Side::Centre, TEXT_SIZE)?;
        let mut ends = Vec::new();
        for (index, (name, points)) in self.lines.iter().enumerate() {
            // Blue and vermilion.
            let shade = colour(index * 3);
            let pixels: Vec<(i32, i32)> = points.iter().map(|(time, us)| (x.at(*time), y.at(*us))).collect();
            ends.extend(pixels.last().map(|last| (last.1, name.clone(), shade)));
            canvas.line(pixels, shade, 2)?;
        }
        canvas.names(RIGHT, TOP, plot_bottom, &ends)?;
        for (index, strip) in self.strips.iter().enumerate() {
            let base = plot_bottom + 12 + (index as i32 + 1) * STRIP_HEIGHT - 6;
            draw_strip(&canvas, &x, strip, base)?;
        }
        canvas.finish()?;
        Ok(text)
    }
}

/// Draws bars as high as the values, and names the greatest value beside them.
fn draw_strip(canvas: &Canvas<'_>, x: &Scale, strip: &Strip, base: i32) -> Result<(), ChartError> {
    let most = strip.values.iter().map(|(.., value)| *value).fold(0.0, f64::max);
    canvas.line(vec![(LEFT, base), (RIGHT, base)], FAINT, 1)?;
    for (start, end, value) in &strip.values {
        let height = if most > 0.0 { (value / most * f64::from(STRIP_HEIGHT - 14)).round() as i32 } else { 0 };
        if height > 0 {
            let to = (x.at(*end) - 1).max(x.at(*start) + 1);
            canvas.bar((x.at(*start), base - height), (to, base), colour(8))?;
        }
    }
    canvas.words((RIGHT + 14, base - 20), &strip.name, Side::Right, SMALL_SIZE)?;
    canvas.words((RIGHT + 14, base - 4), &format!("at most {}", measure(most)), Side::Right, SMALL_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_drawn_with_its_counters() {
        let chart = TimelineChart {
            title: "t".into(),
            lines: vec![
                ("p50".into(), vec![(0.5, 90.0), (1.5, 110.0)]),
                ("p99".into(), vec![(0.5, 900.0), (1.5, 0.0)]),
            ],
            strips: vec![Strip { name: "tcp_retrans_segs".into(), values: vec![(0.0, 1.0, 0.0), (1.0, 2.0, 7.0)] }],
        };
        let svg = chart.svg().unwrap();
        for part in ["p50", "p99", "tcp_retrans_segs", "at most 7.00", "seconds since"] {
            assert!(svg.contains(part), "{part} is missing: {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(TimelineChart { lines: vec![], ..chart }.svg().is_err());
    }
}
