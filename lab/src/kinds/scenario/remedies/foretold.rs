//! What a model says about the arms, at sizes that were measured and at others.

use serde::{Deserialize, Serialize};

/// What was foretold, as written to `record.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Foretold {
    /// Where it comes from, in a sentence or two.
    pub(crate) model: String,
    /// What is foretold, with units.
    pub(crate) figures: Vec<String>,
    pub(crate) cases: Vec<Case>,
    /// How far it may be off, as a share of what was measured; absent where nothing is said about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tolerance: Option<f64>,
    /// How it depends on two things, if there is such a table.
    pub(crate) diagram: Option<Diagram>,
}

/// What the model says by row and column, in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Diagram {
    pub(crate) title: String,
    pub(crate) columns: Vec<String>,
    /// The name of each row, and its cells.
    pub(crate) rows: Vec<(String, Vec<String>)>,
}

/// An arm at a size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) arm: String,
    pub(crate) clients: u64,
    /// In the order of [`Foretold::figures`]; absent where the model says that it does not come to that.
    pub(crate) foretold: Vec<Option<f64>>,
    /// The same as measured; absent where it was not.
    pub(crate) measured: Vec<Option<f64>>,
}

impl Foretold {
    /// Whether the model is as good as it should be, and where it is off most. `None` where nothing is said about that, or
    /// nothing was measured.
    pub(crate) fn judgement(&self) -> Option<String> {
        let tolerance = self.tolerance?;
        let errors: Vec<(f64, &Case, &str)> = self
            .cases
            .iter()
            .flat_map(|case| {
                case.errors()
                    .zip(&self.figures)
                    .filter_map(move |(error, figure)| Some((error?, case, figure.as_str())))
            })
            .collect();
        let (worst, case, figure) = errors.iter().max_by(|one, other| one.0.abs().total_cmp(&other.0.abs()))?;
        let of_figure = |figure: &String| {
            let own = || errors.iter().filter(|(_, _, known)| known == figure);
            let within = own().filter(|(error, ..)| error.abs() <= tolerance).count();
            (own().count() > 0).then(|| format!("{figure} in {within} of {} cases", own().count()))
        };
        let by_figure: Vec<String> = self.figures.iter().filter_map(of_figure).collect();
        Some(format!(
            "The model is within {:.0} % of what was measured: {}. The worst is {figure} of {} with {} clients: {:+.0} %.",
            100.0 * tolerance,
            by_figure.join(", "),
            case.arm,
            results::report::count(case.clients as f64),
            100.0 * worst,
        ))
    }
}

impl Case {
    /// How far the model is off, as a share of what was measured.
    pub(crate) fn errors(&self) -> impl Iterator<Item = Option<f64>> {
        let pairs = self.foretold.iter().zip(&self.measured);
        pairs.map(|(foretold, measured)| {
            let (foretold, measured) = ((*foretold)?, (*measured).filter(|value| *value > 0.0)?);
            Some(foretold / measured - 1.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(foretold: [Option<f64>; 2], tolerance: Option<f64>) -> Option<String> {
        let case = |clients, foretold| Case {
            arm: "fixed".to_owned(),
            clients,
            foretold: vec![foretold, Some(5.0)],
            measured: vec![Some(10.0), None],
        };
        let cases = vec![case(10_000, foretold[0]), case(100_000, foretold[1])];
        let figures = vec!["99 % served (s)".to_owned(), "peak".to_owned()];
        Foretold { model: String::new(), figures, cases, tolerance, diagram: None }.judgement()
    }

    #[test]
    fn a_model_that_is_off_is_said_to_be() {
        let off = judged([Some(11.9), Some(7.0)], Some(0.2)).expect("two cases");
        assert!(off.contains("within 20 % of what was measured: 99 % served (s) in 1 of 2 cases. The worst"), "{off}");
        assert!(off.contains("worst is 99 % served (s) of fixed with 100,000 clients: -30 %"), "{off}");
        let good = judged([Some(11.9), Some(9.0)], Some(0.2)).expect("two cases");
        assert!(good.contains("in 2 of 2 cases"), "{good}");
    }

    #[test]
    fn nothing_is_said_where_nothing_was_asked_or_measured() {
        assert_eq!(judged([Some(11.0), Some(9.0)], None), None);
        assert_eq!(judged([None, None], Some(0.2)), None);
    }
}
