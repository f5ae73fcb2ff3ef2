//! The tools to draw charts with: lines, bars and words at pixels, scales that map values to pixels, and places for
//! names at the ends of lines.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ink::{ChartError, FAINT, GROUND, INK};

/// Sizes of text. The library divides them by 1.24.
pub(super) const TITLE_SIZE: u32 = 22;
pub(super) const TEXT_SIZE: u32 = 17;
pub(super) const SMALL_SIZE: u32 = 15;
/// Pixels between two names.
pub(super) const NAME_HEIGHT: i32 = 20;

/// Where words stand relative to their point. Vertically they are always centred on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Side {
    /// The words begin at the point.
    Right,
    /// The words end at the point.
    Left,
    Centre,
}

/// A white page.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

impl<'a> Canvas<'a> {
    pub(super) fn on(text: &'a mut String, size: (i32, i32), title: &str) -> Result<Canvas<'a>, ChartError> {
        let size = (size.0.unsigned_abs(), size.1.unsigned_abs());
        let area = SVGBackend::with_string(text, size).into_drawing_area();
        area.fill(&GROUND).map_err(failed)?;
        let canvas = Canvas { area };
        canvas.words((24, 26), title, Side::Right, TITLE_SIZE)?;
        Ok(canvas)
    }

    pub(super) fn line(&self, points: Vec<(i32, i32)>, colour: RGBColor, width: u32) -> Result<(), ChartError> {
        self.area.draw(&PathElement::new(points, colour.stroke_width(width))).map_err(failed)
    }

    pub(super) fn mark(&self, at: (i32, i32), radius: i32, colour: RGBColor) -> Result<(), ChartError> {
        self.area.draw(&Circle::new(at, radius, colour.filled())).map_err(failed)
    }

    pub(super) fn shape(&self, corners: Vec<(i32, i32)>, colour: RGBColor) -> Result<(), ChartError> {
        self.area.draw(&Polygon::new(corners, colour.filled())).map_err(failed)
    }

    pub(super) fn words(&self, at: (i32, i32), words: &str, side: Side, size: u32) -> Result<(), ChartError> {
        let horizontal = match side {
            Side::Right => HPos::Left,
            Side::Left => HPos::Right,
            Side::Centre => HPos::Center,
        };
        let style = ("sans-serif", size).into_font().color(&INK).pos(Pos::new(horizontal, VPos::Center));
        self.area.draw(&Text::new(words.to_owned(), at, style)).map_err(failed)
    }

    /// Vertical lines at the ticks of a scale, with their values below.
    pub(super) fn columns(&self, scale: &Scale, top: i32, bottom: i32) -> Result<(), ChartError> {
        for tick in scale.ticks() {
            let x = scale.at(tick);
            self.line(vec![(x, top), (x, bottom)], FAINT, 1)?;
            self.words((x, bottom + 16), &short(tick), Side::Centre, SMALL_SIZE)?;
        }
        Ok(())
    }

    /// Horizontal lines at the ticks of a scale, with their values on the left.
    pub(super) fn rows(&self, scale: &Scale, left: i32, right: i32) -> Result<(), ChartError> {
        for tick in scale.ticks() {
            let y = scale.at(tick);
            self.line(vec![(left, y), (right, y)], FAINT, 1)?;
            self.words((left - 8, y), &short(tick), Side::Left, SMALL_SIZE)?;
        }
        Ok(())
    }

    /// Draws names beside the ends of lines at `x`, moved apart where they would overlap: `(y, name, colour)`.
    pub(super) fn names(
        &self,
        x: i32,
        top: i32,
        bottom: i32,
        ends: &[(i32, String, RGBColor)],
    ) -> Result<(), ChartError> {
        let wanted: Vec<i32> = ends.iter().map(|(y, ..)| *y).collect();
        for ((y, name, colour), place) in ends.iter().zip(spread(&wanted, top, bottom)) {
            self.line(vec![(x, *y), (x + 14, place), (x + 26, place)], *colour, 2)?;
            self.words((x + 32, place), name, Side::Right, SMALL_SIZE)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), ChartError> {
        self.area.present().map_err(failed)
    }
}

fn failed(error: impl std::error::Error) -> ChartError {
    ChartError(error.to_string())
}

/// Maps the values of one axis to pixels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) is_logarithmic: bool,
    /// The pixel of `low`, and that of `high`.
    pub(super) pixels: (i32, i32),
}

impl Scale {
    /// The pixel of a value. A value outside the scale goes to the edge.
    pub(super) fn at(&self, value: f64) -> i32 {
        let on = |value: f64| if self.is_logarithmic { value.max(f64::MIN_POSITIVE).ln() } else { value };
        let share = (on(value) - on(self.low)) / (on(self.high) - on(self.low));
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        self.pixels.0 + (f64::from(self.pixels.1 - self.pixels.0) * share).round() as i32
    }

    /// Round values within the scale.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        if self.is_logarithmic && decades > 0.6 {
            let steps: &[f64] = if decades > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
            let exponents = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
            let all = exponents.flat_map(|exponent| steps.iter().map(move |step| step * decade(exponent)));
            return all.filter(|tick| (self.low..=self.high).contains(tick)).collect();
        }
        let size = (self.high - self.low) / 6.0;
        if !size.is_normal() || size < 0.0 {
            return Vec::new();
        }
        let step = round_up(size);
        let first = (self.low / step).ceil() as i64;
        // Multiples rather than sums, so that errors do not add up.
        (first..first + 12).map(|i| i as f64 * step).filter(|tick| *tick <= self.high * (1.0 + 1e-9)).collect()
    }
}

/// The next 1, 2 or 5 of a decade.
fn round_up(size: f64) -> f64 {
    let unit = decade(size.log10().floor() as i32);
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * unit).find(|step| *step >= size * (1.0 - 1e-9)).unwrap_or(size)
}

/// A power of ten, parsed from its notation: 10^-2 by multiplication is not exactly 0.01 and would print with all its
/// digits.
pub(super) fn decade(exponent: i32) -> f64 {
    if exponent < 0 { 1.0 / 10f64.powi(-exponent) } else { 10f64.powi(exponent) }
}

/// A value of an axis: `0.05`, `2`, `1,000`, `20k`, `3M`.
pub(super) fn short(value: f64) -> String {
    let trimmed = |value: f64, unit: &str| {
        let text = format!("{value:.3}");
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match value.abs() {
        size if size >= 1e6 => trimmed(value / 1e6, "M"),
        size if size >= 1e4 => trimmed(value / 1e3, "k"),
        size if size >= 1e3 => crate::figures::count(value),
        _ => trimmed(value, ""),
    }
}

/// Places between `top` and `bottom` that are at least one name apart, and otherwise as near as possible to the wanted
/// ones.
pub(super) fn spread(wanted: &[i32], top: i32, bottom: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|index| wanted[*index]);
    let mut places = wanted.to_vec();
    let mut free = top;
    for index in &order {
        places[*index] = places[*index].max(free);
        free = places[*index] + NAME_HEIGHT;
    }
    let mut free = bottom;
    for index in order.iter().rev() {
        places[*index] = places[*index].min(free);
        free = places[*index] - NAME_HEIGHT;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_overlap() {
        for (wanted, expected) in [
            (vec![100, 100, 100], vec![100, 120, 140]),
            (vec![300, 10, 302], vec![300, 10, 320]),
            (vec![390, 395, 400], vec![360, 380, 400]),
            (vec![], vec![]),
        ] {
            assert_eq!(spread(&wanted, 0, 400), expected, "{wanted:?}");
        }
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = |low, high, is_logarithmic| Scale { low, high, is_logarithmic, pixels: (0, 100) };
        for (scale, expected) in [
            (scale(0.0, 12.0, false), vec![0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]),
            (scale(0.5, 20.0, true), vec![0.5, 1.0, 2.0, 5.0, 10.0, 20.0]),
            (scale(1.0, 10_000.0, true), vec![1.0, 10.0, 100.0, 1000.0, 10_000.0]),
            (scale(0.9, 1.2, true), vec![0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2]),
            (scale(1.0, 1.0, false), vec![]),
        ] {
            let ticks = scale.ticks();
            assert_eq!(ticks.len(), expected.len(), "{scale:?}: {ticks:?}");
            assert!(ticks.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{scale:?}: {ticks:?}");
        }
    }

    #[test]
    fn what_lies_outside_is_on_the_edge() {
        let scale = Scale { low: 1.0, high: 100.0, is_logarithmic: true, pixels: (0, 200) };
        for (value, pixel) in [(1.0, 0), (10.0, 100), (1000.0, 200), (0.0, 0), (-5.0, 0), (f64::NAN, 0)] {
            assert_eq!(scale.at(value), pixel, "{value}");
        }
    }

    #[test]
    fn values_of_an_axis_are_short() {
        for (value, expected) in [
            (0.05, "0.05"),
            (2.0, "2"),
            (1000.0, "1,000"),
            (20_000.0, "20k"),
            (2.5e6, "2.5M"),
            (0.0, "0"),
            (1.1, "1.1"),
        ] {
            assert_eq!(short(value), expected);
        }
    }
}
