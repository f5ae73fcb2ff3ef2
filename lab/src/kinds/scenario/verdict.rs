//! A load generator's verdict on itself, in a few words.

use loadgen::record::{State, Verdict};

/// The state, and the checks that object.
pub(super) fn verdict(verdict: &Verdict) -> String {
    let objecting = verdict.checks.iter().filter(|check| check.state > State::Valid);
    let names: Vec<&str> = objecting.map(|check| check.id.as_str()).collect();
    let state = verdict.state.name();
    if names.is_empty() { state.to_owned() } else { format!("{state} ({})", names.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_names_what_is_not_ok() {
        let check = |id: &str, state: State| {
            let text = |words: &str| serde_json::Value::from(words);
            serde_json::json!({"id": id, "title": "", "value": "", "warn": "", "invalid": "", "state": text(state.name()), "why": ""})
        };
        for (state, checks, expected) in [
            (
                "WARN",
                vec![check("V1", State::Valid), check("V2", State::Warn), check("V6", State::Skipped)],
                "WARN (V2)",
            ),
            ("INVALID", vec![check("V3", State::Invalid), check("V2", State::Warn)], "INVALID (V3 V2)"),
            ("VALID", vec![check("V1", State::Valid)], "VALID"),
        ] {
            let document = serde_json::json!({"state": state, "checks": checks});
            assert_eq!(verdict(&serde_json::from_value(document).expect("a verdict")), expected);
        }
    }
}
