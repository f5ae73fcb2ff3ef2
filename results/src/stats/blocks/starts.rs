//! What was measured: a value for each start of each block.

/// Starts of the reference in a block.
pub const REFERENCES: usize = 2;

/// The starts under one load. Under every load of a comparison the blocks are the same, in the same order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Starts {
    /// The arms beside the reference, by their numbers in the comparison.
    pub arms: Vec<usize>,
    /// By block: the [`REFERENCES`] values of the reference, then one for each of `arms`; each is positive.
    pub blocks: Vec<Vec<f64>>,
}

impl Starts {
    /// The logarithms, or `None` when a value is no positive number or a block has too few or too many.
    pub(super) fn logarithms(&self) -> Option<Table> {
        let width = REFERENCES + self.arms.len();
        let is_whole = self.blocks.iter().all(|block| block.len() == width);
        let logarithm = |value: &f64| (value.is_finite() && *value > 0.0).then(|| value.ln());
        let values = self.blocks.iter().flatten().map(logarithm).collect::<Option<_>>()?;
        is_whole.then_some(Table { width, values })
    }
}

/// Values under one load, block after block.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// Starts of a block.
    pub(super) width: usize,
    /// All of them.
    pub(super) values: Vec<f64>,
}

impl Table {
    /// Takes the mean of each arm away, and of the reference that of all its starts.
    pub(super) fn without_effects(&self) -> Table {
        let blocks = self.values.chunks_exact(self.width);
        let mean = |column: usize| blocks.clone().map(|block| block[column]).sum::<f64>() / blocks.len() as f64;
        let mut means: Vec<f64> = (0..self.width).map(mean).collect();
        let of_reference = reference(&means);
        means[..REFERENCES].fill(of_reference);
        let values = blocks.clone().flat_map(|block| block.iter().zip(&means).map(|(value, mean)| value - mean));
        Table { width: self.width, values: values.collect() }
    }

    /// By arm and block, how far it is from the reference.
    pub(super) fn differences(&self, found: &mut Vec<Vec<f64>>) {
        for column in REFERENCES..self.width {
            let blocks = self.values.chunks_exact(self.width);
            found.push(blocks.map(|block| block[column] - reference(block)).collect());
        }
    }
}

/// The mean of the reference's values.
fn reference(block: &[f64]) -> f64 {
    block[..REFERENCES].iter().sum::<f64>() / REFERENCES as f64
}
