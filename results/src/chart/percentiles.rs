//! Latency at each percentile, one line per series. Every further nine of the percentile gets the same width on the
//! axis, so the tail takes up most of the chart.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::combinators::{BindKeyPoints, IntoLogRange};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{NAME_HEIGHT, decade, spread};
use super::ink::{COLOURS, ChartError, FAINT, INK};

/// Pixels of the whole chart.
const SIZE: (u32, u32) = (1000, 560);
/// Pixels beside the plot, for the names of the lines.
const NAMES_WIDTH: u32 = 250;
/// The largest distance of a name from the end of its line.
const LEADER_HEIGHT_MAX: i32 = 110;
/// Height in pixels of the title, and of the lines below it.
const TITLE_HEIGHT: u32 = 44;
/// Sizes of text. The library divides them by 1.24.
const TITLE_SIZE: u32 = 22;
const TEXT_SIZE: u32 = 17;

/// Ratio of the top of the chart to the greatest value.
const HEADROOM: f64 = 1.5;

/// The labels of the percentile axis.
const PERCENTILES: [(f64, &str); 6] =
    [(0.0, "0 %"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")];

/// One series.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The name beside the end of its line.
    pub name: String,
    /// Quantile (0.99 for p99) and value, by rising quantile. Values that are not positive are drawn at the bottom of
    /// the chart.
    pub points: Vec<(f64, f64)>,
    /// Draws it black and dashed, over all others: the line to compare the others with.
    pub is_reference: bool,
    /// Whether each point gets a mark. Lines with few points should have marks.
    pub has_marks: bool,
}

/// A chart of latency by percentile, both logarithmic.
#[derive(Debug, Clone, PartialEq)]
pub struct PercentileChart {
    /// Above the chart.
    pub title: String,
    /// What the values mean, with their unit.
    pub value_name: String,
    /// The series, in the order of their colours.
    pub lines: Vec<Line>,
}

impl PercentileChart {
    /// The SVG document.
    ///
    /// # Errors
    /// When no line has a point with a positive value.
    pub fn svg(&self) -> Result<String, ChartError> {
        let mut text = String::new();
        self.draw(&mut text).map_err(|error| ChartError(error.to_string()))?;
        Ok(text)
    }

    fn draw(&self, text: &mut String) -> Result<(), Box<dyn std::error::Error + '_>> {
        let (bottom, top) = self.value_range().ok_or("there is nothing to draw")?;
        let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        root.draw(&Text::new(self.title.as_str(), (24, 16), ("sans-serif", TITLE_SIZE).into_font().color(&INK)))?;
        let (_, body) = root.split_vertically(TITLE_HEIGHT);
        let (plot, names) = body.split_horizontally(SIZE.0 - NAMES_WIDTH);
        let nines_max = self.nines_max();
        let mut chart = ChartBuilder::on(&plot)
            .margin(12)
            .margin_right(4)
            .x_label_area_size(48)
            .y_label_area_size(76)
            .build_cartesian_2d(
                PercentileAxis { nines_max },
                (bottom..top).log_scale().with_key_points(decades(bottom, top)),
            )?;
        chart
            .configure_mesh()
            .axis_style(FAINT)
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .label_style(("sans-serif", TEXT_SIZE).into_font().color(&INK))
            .axis_desc_style(("sans-serif", TEXT_SIZE).into_font().color(&INK))
            .x_desc("percentile of all requests")
            .y_desc(self.value_name.as_str())
            .y_label_formatter(&|value: &f64| format!("{value}"))
            .draw()?;
        for reference in [false, true] {
            for (line, colour) in self.coloured().filter(|(line, _)| line.is_reference == reference) {
                let points: Vec<(f64, f64)> = line
                    .points
                    .iter()
                    .filter(|(_, value)| value.is_finite())
                    .map(|(quantile, value)| (*quantile, value.max(bottom)))
                    .collect();
                if line.is_reference {
                    chart.draw_series(DashedLineSeries::new(points.clone(), 8, 5, colour.stroke_width(3)))?;
                } else {
                    chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?;
                }
                if line.has_marks {
                    chart.draw_series(points.into_iter().map(|point| Circle::new(point, 4, colour.filled())))?;
                }
            }
        }
        // Where each line ends. A line without points also has a name, at the bottom.
        let end = |line: &Line| {
            let last = line.points.iter().rev().find(|(_, value)| value.is_finite());
            let (quantile, value) = last.copied().unwrap_or((0.0, bottom));
            chart.backend_coord(&(quantile, value.max(bottom))).1 - TITLE_HEIGHT as i32
        };
        let ends: Vec<i32> = self.lines.iter().map(end).collect();
        self.draw_names(&names, &ends)?;
        root.present()?;
        Ok(())
    }

    /// Draws the name of each line beside its end, moved apart where they would overlap.
    fn draw_names<'a>(
        &self,
        area: &DrawingArea<SVGBackend<'a>, Shift>,
        ends: &[i32],
    ) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>> {
        let style = ("sans-serif", TEXT_SIZE).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
        let lowest = (SIZE.1 - TITLE_HEIGHT) as i32 - NAME_HEIGHT / 2;
        let places = spread(ends, NAME_HEIGHT / 2, lowest);
        // If all lines end close together, their ends say nothing, and a plain legend is easier to read.
        let farthest = ends.iter().zip(&places).map(|(end, place)| (end - place).abs()).max().unwrap_or(0);
        let is_legend = farthest > LEADER_HEIGHT_MAX;
        for (index, ((line, colour), end)) in self.coloured().zip(ends).enumerate() {
            let place = if is_legend { NAME_HEIGHT * (index as i32 + 1) } else { places[index] };
            let start = if is_legend { place } else { *end };
            let width = if line.is_reference { 3 } else { 2 };
            area.draw(&PathElement::new(vec![(0, start), (14, place), (26, place)], colour.stroke_width(width)))?;
            if line.has_marks {
                area.draw(&Circle::new((20, place), 4, colour.filled()))?;
            }
            area.draw(&Text::new(line.name.as_str(), (34, place), style.clone()))?;
        }
        Ok(())
    }

    /// Each line with its colour. The reference does not use up a colour.
    fn coloured(&self) -> impl Iterator<Item = (&Line, RGBColor)> {
        let mut colours = COLOURS.iter().copied().cycle();
        self.lines.iter().map(move |line| match line.is_reference {
            true => (line, INK),
            false => (line, colours.next().unwrap_or(INK)),
        })
    }

    /// From the decade below all positive values to slightly above the greatest.
    fn value_range(&self) -> Option<(f64, f64)> {
        let values = self.lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value);
        let positive = values.filter(|value| *value > 0.0 && value.is_finite());
        let (low, high) =
            positive.fold((f64::INFINITY, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
        (high > 0.0).then(|| (decade(low.log10().floor() as i32), high * HEADROOM))
    }

    /// The right end of the axis: the farthest percentile of any line, but at least p99.9.
    fn nines_max(&self) -> f64 {
        let quantiles = self.lines.iter().flat_map(|line| &line.points).map(|(quantile, _)| nines(*quantile));
        quantiles.filter(|nines| nines.is_finite()).fold(3.0, f64::max).min(6.0) + 0.05
    }
}

/// How many nines a quantile has: 1 for p90, 2 for p99.
fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).max(0.0).log10()
}

/// From quantile 0 to the quantile with `nines_max` nines. Larger quantiles go to that end.
struct PercentileAxis {
    nines_max: f64,
}

impl Ranged for PercentileAxis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, quantile: &f64, (left, right): (i32, i32)) -> i32 {
        let share = nines(*quantile).min(self.nines_max) / self.nines_max;
        left + (f64::from(right - left) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Leaves out the lighter lines between the labelled ones.
        let labelled = PERCENTILES.iter().map(|(quantile, _)| *quantile);
        let is_bold = !hint.weight().allow_light_points();
        labelled.filter(|quantile| is_bold && nines(*quantile) <= self.nines_max).collect()
    }

    fn range(&self) -> Range<f64> {
        0.0..1.0 - 10f64.powf(-self.nines_max)
    }
}

impl ValueFormatter<f64> for PercentileAxis {
    fn format_ext(&self, wanted: &f64) -> String {
        let found = PERCENTILES.iter().find(|(quantile, _)| quantile == wanted);
        found.map_or_else(String::new, |(_, label)| (*label).to_owned())
    }
}

/// The powers of ten from `bottom`, which is one itself, up to `top`.
fn decades(bottom: f64, top: f64) -> Vec<f64> {
    (bottom.log10().round() as i32..=top.log10().floor() as i32).map(decade).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, points: &[(f64, f64)]) -> Line {
        Line { name: name.to_owned(), points: points.to_vec(), is_reference: false, has_marks: true }
    }

    fn chart(lines: Vec<Line>) -> PercentileChart {
        PercentileChart { title: "What <they> say".to_owned(), value_name: "time, ms".to_owned(), lines }
    }

    #[test]
    fn nines_spread_the_tail() {
        for (quantile, expected) in [(0.0, 0.0), (0.9, 1.0), (0.99, 2.0), (0.9999, 4.0)] {
            assert!((nines(quantile) - expected).abs() < 1e-9, "{quantile}");
        }
        assert_eq!(nines(1.0), f64::INFINITY);
        let axis = PercentileAxis { nines_max: 4.0 };
        for (quantile, x) in [(0.0, 100), (0.9, 200), (0.99, 300), (0.9999, 500), (0.999_999, 500), (1.0, 500)] {
            assert_eq!(axis.map(&quantile, (100, 500)), x, "{quantile}");
        }
        assert_eq!((axis.format_ext(&0.999), axis.format_ext(&0.95)), ("99.9 %".to_owned(), String::new()));
    }

    #[test]
    fn decades_are_marked_from_below_the_values() {
        let range = |points: &[(f64, f64)]| chart(vec![line("a", points)]).value_range();
        assert_eq!(range(&[(0.5, 0.03), (0.9, 7.0)]), Some((0.01, 10.5)));
        assert_eq!(range(&[(0.5, 0.0), (0.9, 100.0)]), Some((100.0, 150.0)));
        assert_eq!(range(&[(0.5, 0.0), (0.9, f64::NAN)]), None);
        assert_eq!(decades(0.01, 150.0), [0.01, 0.1, 1.0, 10.0, 100.0]);
    }

    #[test]
    fn a_chart_shows_every_line_and_breaks_nothing() {
        let mut truth = line("truth", &[(0.0, 0.05), (0.99, 90.0)]);
        truth.is_reference = true;
        let drawn = chart(vec![truth, line("a & b", &[(0.5, 0.1), (0.99, 3.0), (1.0, 100.0)]), line("none", &[])]);
        let svg = drawn.svg().unwrap();
        for part in ["<svg", "What &lt;they&gt; say", "time, ms", "99.9 %", "truth", "a &amp; b", "none", "0.01"] {
            assert!(svg.contains(part), "{part} is missing: {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg, drawn.svg().unwrap(), "the same data give the same file");
    }

    #[test]
    fn nothing_to_draw_is_an_error() {
        for lines in [vec![], vec![line("a", &[])], vec![line("a", &[(0.5, 0.0)])]] {
            let error = chart(lines).svg().unwrap_err();
            assert!(error.to_string().contains("nothing to draw"), "{error}");
        }
    }
}
