//! The colours of charts, and the error of one that cannot be drawn.

use plotters::style::RGBColor;

/// A chart that could not be drawn, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the chart: {0}")]
pub struct ChartError(pub(super) String);

pub(super) const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
pub(super) const FAINT: RGBColor = RGBColor(0xd8, 0xde, 0xe4);
pub(super) const GROUND: RGBColor = RGBColor(0xff, 0xff, 0xff);
/// Colours that people with any kind of colour vision can distinguish (Okabe and Ito). Darker ones follow for charts
/// with more lines.
pub(super) const COLOURS: [RGBColor; 12] = [
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
pub(super) fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}
