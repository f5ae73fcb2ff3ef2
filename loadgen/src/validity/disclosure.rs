//! V20: whether the record says what a reader must know before comparing its numbers with any others.

use super::evidence::{Disclosure, Evidence};
use super::rule::{rule, state};
use crate::record::Check;

/// V20: a missing part makes the number hard to compare, not wrong.
pub(super) fn disclosure(evidence: &Evidence<'_>) -> Check {
    let rule = rule("disclosure", "anything missing", "-");
    let told = evidence.disclosure.as_ref();
    let is_co_located = evidence.is_co_located || told.is_some_and(|told| told.is_co_located);
    let label = match is_co_located {
        true => "co-located: absolute throughput is not claimed",
        false => "separate host or namespace",
    };
    let Some(told) = told else { return rule.skipped(label, "needs the facts of the host in the record") };
    let parts = parts(told);
    let missing: Vec<&str> = parts.iter().filter(|(_, text)| text.is_none()).map(|(name, _)| *name).collect();
    let known = parts.iter().filter_map(|(name, text)| Some(format!("{name} {}", text.as_ref()?)));
    let value = std::iter::once(label.to_owned()).chain(known).collect::<Vec<_>>().join("; ");
    let why = format!("not known: {}; say so beside the number", missing.join(", "));
    rule.judged(value, state(!missing.is_empty(), false), why)
}

/// Every part by its name; `None` when it is missing.
fn parts(told: &Disclosure) -> [(&'static str, Option<String>); 7] {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let cpus = match told.cpus.is_empty() {
        true => "not pinned".to_owned(),
        false => told.cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
    };
    [
        ("version", Some(told.version.clone()).filter(|version| !version.is_empty())),
        ("seed", told.seed.map(|seed| seed.to_string())),
        ("kernel", given(&told.kernel)),
        ("clock", given(&told.clocksource)),
        ("governor", given(&told.governor)),
        ("mitigations", given(&told.mitigations)),
        ("CPUs", Some(cpus)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::sound::{Run, expect};
    use crate::record::State;

    #[test]
    fn v20_finds_what_is_not_told() {
        expect("V20", State::Warn, |run| run.disclosure().governor = None);
        expect("V20", State::Warn, |run| run.disclosure().kernel = None);
        expect("V20", State::Warn, |run| run.disclosure().mitigations = Some(String::new()));
        expect("V20", State::Warn, |run| run.disclosure().clocksource = None);
        expect("V20", State::Warn, |run| run.disclosure().seed = None);
        expect("V20", State::Warn, |run| run.disclosure().version = String::new());
        expect("V20", State::Valid, |run| run.disclosure().cpus.clear());
        expect("V20", State::Skipped, |run| run.evidence.disclosure = None);
    }

    #[test]
    fn v20_names_what_is_told_and_what_is_not() {
        let mut run = Run::sound();
        run.disclosure().governor = None;
        run.evidence.is_co_located = true;
        let check = &run.verdict().checks[19];
        assert!(
            check.value.starts_with("co-located: absolute throughput is not claimed; version 1"),
            "{}",
            check.value
        );
        assert!(check.why.contains("governor"), "{}", check.why);
    }
}
