//! Finds rules by what people have: a name, a part of it, a message that they saw, a counter that grows.

use std::collections::BTreeSet;

use serde::Serialize;

use super::load::Knowledge;
use super::rule::Rule;

/// How a rule was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoundBy {
    /// It is its name, or the last part of it.
    Name,
    /// It is a message or an observation that it causes.
    Symptom,
    /// It is a counter that moves when it is hit.
    Counter,
    /// It is a part of its name.
    PartOfName,
}

/// Names that are proposed where nothing is found.
const PROPOSALS_MAX: usize = 3;

/// The least likeness of a proposed name, from 0 to 1.
const LIKENESS_MIN: f64 = 0.7;

/// The least share of a question's words that a symptom must have.
const SHARE_MIN: f64 = 0.75;

/// Words that say nothing about a symptom.
const EMPTY_WORDS: [&str; 12] = ["a", "an", "and", "at", "by", "in", "is", "it", "of", "on", "the", "to"];

impl Knowledge {
    /// The rules that a question is about and how they were found, the likeliest first. All were found in the same way.
    pub fn find(&self, question: &str) -> (Option<FoundBy>, Vec<&Rule>) {
        let name = question.trim().replace('/', ".").to_lowercase();
        let tail = |rule: &Rule| rule.name.rsplit(['.', '/']).next().unwrap_or_default().to_lowercase();
        let named = |is: &dyn Fn(&Rule) -> bool| self.rules().iter().filter(|rule| is(rule)).collect::<Vec<_>>();
        let whole = named(&|rule| rule.name.to_lowercase().replace('/', ".") == name);
        if !whole.is_empty() {
            return (Some(FoundBy::Name), whole);
        }
        for way in [FoundBy::Name, FoundBy::Symptom, FoundBy::Counter, FoundBy::PartOfName] {
            let found = match way {
                FoundBy::Name => named(&|rule| tail(rule) == name),
                FoundBy::Symptom => self.by_symptom(question),
                FoundBy::Counter => named(&|rule| rule.counters.iter().any(|counter| is_counter(counter, &name))),
                FoundBy::PartOfName => {
                    named(&|rule| name.len() > 2 && rule.name.to_lowercase().replace('/', ".").contains(&name))
                }
            };
            if !found.is_empty() {
                return (Some(way), found);
            }
        }
        (None, Vec::new())
    }

    /// Names that are like one that nothing has.
    pub fn proposals(&self, name: &str) -> Vec<&str> {
        let name = name.trim().replace('/', ".").to_lowercase();
        let tail = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let likeness = |known: &str| {
            let known = known.to_lowercase();
            // Half a name is compared with half a name.
            let (asked, known) = if name.contains('.') { (name.clone(), known) } else { (tail(&name), tail(&known)) };
            strsim::normalized_damerau_levenshtein(&asked, &known)
        };
        let mut like: Vec<(f64, &str)> =
            self.rules().iter().map(|rule| (likeness(&rule.name), rule.name.as_str())).collect();
        like.retain(|(likeness, _)| *likeness >= LIKENESS_MIN);
        like.sort_by(|one, other| other.0.total_cmp(&one.0));
        like.into_iter().take(PROPOSALS_MAX).map(|(_, name)| name).collect()
    }

    fn by_symptom(&self, question: &str) -> Vec<&Rule> {
        let asked = words(question);
        let mut found: Vec<(f64, &Rule)> = self
            .rules()
            .iter()
            .filter_map(|rule| {
                let best = rule.symptoms.iter().map(|symptom| agreement(&asked, &words(symptom))).fold(0.0, f64::max);
                (best > 0.0).then_some((best, rule))
            })
            .collect();
        found.sort_by(|one, other| other.0.total_cmp(&one.0));
        found.into_iter().map(|(_, rule)| rule).collect()
    }
}

/// How well a symptom answers a question: 0 if it has too few of its words. A question that is a part of a symptom, and a
/// symptom that is a part of a pasted message, are both answered.
fn agreement(asked: &BTreeSet<String>, symptom: &BTreeSet<String>) -> f64 {
    let common = asked.intersection(symptom).count() as f64;
    let (of_asked, of_symptom) = (common / asked.len().max(1) as f64, common / symptom.len().max(1) as f64);
    let is_answer = of_asked >= SHARE_MIN || (of_symptom >= 1.0 && common >= 2.0);
    if is_answer { of_asked + of_symptom } else { 0.0 }
}

/// The words of a message without numbers, which differ from host to host.
fn words(text: &str) -> BTreeSet<String> {
    let is_number = |word: &str| word.chars().all(|sign| sign.is_ascii_digit());
    text.to_lowercase()
        .split(|sign: char| !sign.is_alphanumeric() && sign != '_')
        .filter(|word| !word.is_empty() && !is_number(word) && !EMPTY_WORDS.contains(word))
        .map(str::to_owned)
        .collect()
}

fn is_counter(counter: &str, asked: &str) -> bool {
    let counter = counter.to_lowercase();
    // `nstat` writes TcpExtListenOverflows.
    counter == asked || counter.replace('.', "") == asked || counter.rsplit('.').next() == Some(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_compared_by_their_words() {
        let agree = |asked: &str, symptom: &str| agreement(&words(asked), &words(symptom)) > 0.0;
        for (asked, symptom, expected) in [
            ("too many open files", "accept: Too many open files", true),
            ("VFS: file-max limit 123456 reached", "VFS: file-max limit N reached", true),
            (
                "kernel: [12.3] nf_conntrack: nf_conntrack: table full, dropping packet",
                "table full, dropping packet",
                true,
            ),
            (
                "possible SYN flooding",
                "TCP: request_sock_TCP: Possible SYN flooding on port 80. Sending cookies.",
                true,
            ),
            ("files", "too many open files", true),
            ("connection refused", "too many open files", false),
            ("the", "the table is full", false),
            ("", "too many open files", false),
            ("open", "", false),
        ] {
            assert_eq!(agree(asked, symptom), expected, "{asked:?} {symptom:?}");
        }
        assert!(is_counter("TcpExt.ListenOverflows", "listenoverflows"));
        assert!(is_counter("TcpExt.ListenOverflows", "tcpextlistenoverflows"));
        assert!(!is_counter("TcpExt.ListenOverflows", "overflows"));
    }
}
