//! The rule that comparisons decide by.

use results::record::Decision;

/// A rule that compares every arm of a load with `reference`.
pub(super) fn decision(reference: Option<&str>, effect_min: f64, words: &str) -> Decision {
    Decision { reference: reference.map(str::to_owned), effect_min, words: words.to_owned() }
}
