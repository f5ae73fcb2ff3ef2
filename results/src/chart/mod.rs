//! Charts of reports as SVG. As files they stand on a white panel of their own, so they can be read on a
//! light and on a dark page; [`for_page`] lets a page with colours of its own choose. The same data always gives the
//! same file.
//!
//! Lines are named where they end. Colours are fixed by position, so an arm has the same one in all charts of a report.

mod canvas;
mod costs;
mod forest;
mod lines;
mod percentiles;
mod stacks;
mod timeline;

use plotters::style::{Color, RGBColor};

pub use costs::{CostChart, CostLine};
pub use forest::{ForestChart, ForestRow};
pub use lines::LinesChart;
pub use percentiles::{Line, PercentileChart};
pub use stacks::{StackChart, StackRow};
pub use timeline::{Strip, TimelineChart};

/// A chart that could not be drawn, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the chart: {0}")]
pub struct ChartError(String);

const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const FAINT: RGBColor = RGBColor(0xd8, 0xde, 0xe4);
const GROUND: RGBColor = RGBColor(0xff, 0xff, 0xff);
/// Colours that people with any kind of colour vision can tell apart (Okabe and Ito), and darker ones for
/// more lines than that.
const COLOURS: [RGBColor; 12] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x7a, 0x1f, 0x5c),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x8c, 0x56, 0x00),
    RGBColor(0x99, 0x99, 0x99),
    RGBColor(0xb2, 0x18, 0x2b),
    RGBColor(0xf4, 0x7a, 0x7a),
    RGBColor(0x4d, 0xac, 0x26),
];

/// The colour of a series by its position.
fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

/// The chart for a page that has colours of its own: no ground, text in the colour of the page's text, and
/// the custom properties `--grid` and `--series-1` to `--series-12`. It is as wide as its place and has
/// `name` for those who do not see it.
pub fn for_page(svg: &str, name: &str) -> String {
    let mut text = svg.to_owned();
    let mut recolour = |colour: RGBColor, property: &str| {
        let (red, green, blue) = colour.rgb();
        text = text.replace(&format!("\"#{red:02X}{green:02X}{blue:02X}\""), &format!("\"{property}\""));
    };
    recolour(GROUND, "none");
    recolour(INK, "currentColor");
    recolour(FAINT, "var(--grid)");
    for (index, colour) in COLOURS.iter().enumerate() {
        recolour(*colour, &format!("var(--series-{})", index + 1));
    }
    let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    // The size in pixels gives way to that of the page; the view box keeps the proportions.
    match text.split_once("viewBox=") {
        Some((_, rest)) => format!("<svg role=\"img\" aria-label=\"{name}\" viewBox={rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_chooses_the_colours() {
        let line = Line { name: "a".into(), points: vec![(0.5, 1.0)], is_reference: false, has_marks: true };
        let chart = PercentileChart { title: "t".into(), value_name: "ms".into(), lines: vec![line] };
        let page = for_page(&chart.svg().unwrap(), "Time of <a> & \"b\"");
        assert!(
            page.starts_with("<svg role=\"img\" aria-label=\"Time of &lt;a> &amp; &quot;b&quot;\" viewBox=\"0 0 1000"),
            "{page}"
        );
        for part in ["\"currentColor\"", "\"var(--grid)\"", "\"var(--series-1)\"", "fill=\"none\""] {
            assert!(page.contains(part), "{part} is missing: {page}");
        }
        assert!(!page.contains("#FFFFFF") && !page.contains("#1F2328"), "{page}");
    }
}
