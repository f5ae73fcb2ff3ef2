//! What may be said of an arm against its reference, where less is better.

use serde::{Deserialize, Serialize};

/// One of five findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The interval lies below 1, and the effect is one that matters.
    Cheaper,
    /// The interval lies above 1, likewise.
    Dearer,
    /// The whole interval is closer to 1 than an effect that matters.
    Equal,
    /// The interval excludes 1, but the effect may be too small to matter.
    SignKnown,
    /// The interval allows a difference either way that matters.
    Undecided,
}

impl Finding {
    /// All of them, in the order of reports.
    pub const ALL: [Finding; 5] =
        [Finding::Cheaper, Finding::Dearer, Finding::Equal, Finding::SignKnown, Finding::Undecided];

    /// What it is called in reports and on terminals.
    pub fn words(self) -> &'static str {
        match self {
            Finding::Cheaper => "cheaper",
            Finding::Dearer => "dearer",
            Finding::Equal => "equal",
            Finding::SignKnown => "sign known, size not",
            Finding::Undecided => "undecided",
        }
    }

    /// What a ratio with its interval means, where effects below `effect_min` (0.02 for 2 %) do not matter.
    pub(crate) fn of(ratio: f64, low: f64, high: f64, effect_min: f64) -> Finding {
        let (matters, least) = (1.0 + effect_min, 1.0 / (1.0 + effect_min));
        match () {
            () if low >= least && high <= matters => Finding::Equal,
            () if high < 1.0 && ratio <= least => Finding::Cheaper,
            () if low > 1.0 && ratio >= matters => Finding::Dearer,
            () if high < 1.0 || low > 1.0 => Finding::SignKnown,
            () => Finding::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_need_the_interval_and_the_effect() {
        for ((ratio, low, high), expected) in [
            ((0.90, 0.85, 0.95), Finding::Cheaper),
            ((1.10, 1.05, 1.15), Finding::Dearer),
            ((1.10, 0.99, 1.15), Finding::Undecided),
            ((1.00, 0.985, 1.015), Finding::Equal),
            ((1.01, 1.002, 1.018), Finding::Equal),
            ((0.99, 0.97, 0.999), Finding::SignKnown),
            ((1.015, 1.001, 1.03), Finding::SignKnown),
            ((1.00, 0.97, 1.03), Finding::Undecided),
        ] {
            assert_eq!(Finding::of(ratio, low, high, 0.02), expected, "{ratio} [{low}, {high}]");
        }
    }
}
