//! A chart embedded in a page.

use plotters::style::{Color, RGBColor};

use super::ink::{COLOURS, FAINT, GROUND, INK};

/// The chart for a page with its own colours: no background, text in the page's text colour, and the custom properties
/// `--grid` and `--series-1` to `--series-12`. The page determines its width. `name` describes it for readers who
/// cannot see it.
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
    // The page determines the size in pixels; the view box keeps the proportions.
    match text.split_once("viewBox=") {
        Some((_, rest)) => format!("<svg role=\"img\" aria-label=\"{name}\" viewBox={rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Line, PercentileChart};

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
