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
