//! The picture of trials: a row for each value, its effect and interval, by workload.

use results::chart::{ForestChart, ForestRow};

use crate::kinds::scenario::trials::record::{Part, Record};
use crate::kinds::scenario::trials::verdict::{Verdict, sees_planted};

/// `None` when there is nothing to draw.
pub(super) fn forest(record: &Record) -> Option<String> {
    let mut rows = Vec::new();
    for workload in &record.trials {
        let sees = sees_planted(workload);
        for (part, arm) in workload.parts.iter().zip(&workload.arms) {
            let Some(effect) = arm.effect else { continue };
            // A better figure is to the right here, so the colours of less and more change places.
            let word = match part {
                Part::Planted => "planted",
                _ => Verdict::of(Some(effect), sees).words(),
            };
            rows.push(ForestRow { group: workload.name.clone(), name: arm.name.clone(), effect, word });
        }
    }
    let title = "Each value against the usual one".to_owned();
    let ratio_name = "times as good as with the usual value".to_owned();
    ForestChart { title, ratio_name, sides: ["worse", "better"], rows }.svg().ok()
}
