//! What comparisons decide by, and how long they take.

use std::time::Duration;

use results::record::Decision;

use crate::kinds::comparison::plan::Length;

/// Compares every arm with `reference`; effects below `effect_min` (0.02 for 2 %) do not count.
pub(super) fn against(reference: &str, effect_min: f64) -> Decision {
    Decision { reference: reference.to_owned(), effect_min, is_agreement: false }
}

/// Asks whether every generator reports what `reference` reports; effects on their CPU below `effect_min` do not count.
pub(super) fn agreement_with(reference: &str, effect_min: f64) -> Decision {
    Decision { is_agreement: true, ..against(reference, effect_min) }
}

/// A window in seconds. Many short starts tell more than a few long ones: what differs from start to start does not
/// average out within one. On two virtual CPUs the logarithm of a start's CPU time per request varied by 0.09 to 0.14 with
/// windows of 0.1 s, and by 0.07 to 0.14 with 1 s; with 0.1 s twice as many starts fit as with 0.25.
pub(super) const WINDOW_S: f64 = 0.1;

/// A little less than five minutes, publishing included.
pub(super) const QUICK: Length = Length::Budget(Duration::from_secs(285));

/// So many minutes.
pub(super) const fn minutes(minutes: u64) -> Length {
    Length::Budget(Duration::from_secs(60 * minutes))
}
