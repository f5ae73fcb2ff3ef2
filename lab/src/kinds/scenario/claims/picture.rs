//! The chart: response time at each percentile, one line for each generator.

use results::chart::{Line, PercentileChart};

use crate::kinds::scenario::claims::form::Truth;
use crate::kinds::scenario::claims::record::{ArmRecord, Record};

/// Distance between two points of a smooth line, in nines of the percentile.
const STEP: f64 = 0.02;
/// The truth is drawn up to so many nines: ten seconds of requests reach no further.
const NINES_MAX: f64 = 4.3;

/// The whole distribution of a generator, if it has one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve {
    pub(crate) name: String,
    /// Quantile and ms.
    pub(crate) points: Vec<(f64, f64)>,
}

pub(crate) fn chart(record: &Record, truth: &Truth, curves: &[Curve]) -> PercentileChart {
    let reference = Line {
        name: "the truth".to_owned(),
        points: smooth(NINES_MAX, |quantile| Some(truth.at(quantile))),
        is_reference: true,
        has_marks: false,
    };
    let lines = record
        .arms
        .iter()
        .filter(|arm| !arm.runs.is_empty())
        .map(|arm| line(arm, curves.iter().find(|curve| curve.name == arm.name)));
    PercentileChart {
        title: format!(
            "What load generators report for a server that stalls {} ms every {} ms",
            record.stalls.planned_ms, record.stalls.every_ms
        ),
        value_name: "response time, ms".to_owned(),
        lines: std::iter::once(reference).chain(lines).collect(),
    }
}

/// The whole distribution if the generator has one. Otherwise the percentiles that it printed, and the maximum at the
/// percentile that so many requests reach.
fn line(arm: &ArmRecord, curve: Option<&Curve>) -> Line {
    let mut points = match curve {
        Some(curve) => curve.points.clone(),
        None => arm.percentiles.clone(),
    };
    if let (Some(max_ms), Some(requests)) = (arm.reported.max_ms, arm.requests.filter(|requests| *requests >= 1.0)) {
        let last = 1.0 - 1.0 / requests;
        // A percentile beyond the last request is the maximum.
        points.retain(|(quantile, _)| *quantile < last);
        points.push((last, max_ms));
    }
    Line { name: arm.name.clone(), points, is_reference: false, has_marks: curve.is_none() }
}

fn smooth(nines_max: f64, at: impl Fn(f64) -> Option<f64>) -> Vec<(f64, f64)> {
    let count = (nines_max / STEP).floor() as u32;
    let quantiles = (0..=count).map(|step| 1.0 - 10f64.powf(-f64::from(step) * STEP));
    quantiles.filter_map(|quantile| Some((quantile, at(quantile)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::scenario::claims::record::Figures;

    fn arm(percentiles: &[(f64, f64)], max_ms: f64, requests: f64) -> ArmRecord {
        ArmRecord {
            name: "a".to_owned(),
            load_loop: "closed".to_owned(),
            is_closed: true,
            claim: String::new(),
            tool_version: String::new(),
            command: vec![],
            reported: Figures { max_ms: Some(max_ms), ..Figures::default() },
            requests: Some(requests),
            percentiles: percentiles.to_vec(),
            runs: vec![],
        }
    }

    #[test]
    fn the_maximum_stands_where_one_request_is_left() {
        let drawn = line(&arm(&[(0.5, 1.0), (0.99, 2.0), (0.9999, 9.0)], 100.0, 1000.0), None);
        assert_eq!(drawn.points, [(0.5, 1.0), (0.99, 2.0), (0.999, 100.0)]);
        assert!(drawn.has_marks);
    }

    #[test]
    fn a_histogram_is_drawn_as_far_as_it_is_known() {
        let points = vec![(0.0, 1.0), (0.5, 1.0), (0.999, 1.0), (0.99995, 1.0)];
        let drawn = line(&arm(&[], 2.0, 10_000.0), Some(&Curve { name: "a".to_owned(), points }));
        assert_eq!(drawn.points, [(0.0, 1.0), (0.5, 1.0), (0.999, 1.0), (0.9999, 2.0)]);
        assert!(!drawn.has_marks);
    }

    #[test]
    fn the_truth_is_drawn_smoothly() {
        let points = smooth(NINES_MAX, Some);
        assert!(points.len() > 100 && points[0] == (0.0, 0.0), "{points:?}");
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(points.last().is_some_and(|last| last.0 > 0.9999));
    }
}
