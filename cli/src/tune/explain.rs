//! `c10m tune explain`: what is known of a setting, or of what somebody saw.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use host::Facts;
use host::sysctl::Access;
use lab::Proof;
use serde::Serialize;
use tuning::knowledge::{Applies, FoundBy, How, InNamespaces, Rule, Scope, Side};
use tuning::{Explained, Explanation};

use super::layout::{shown, terminal_width, wrapped};
use super::rules::RulesArgs;

const EXAMPLES: &str = "\
Examples:
  c10m tune explain somaxconn
  c10m tune explain too many open files
  c10m tune explain ListenOverflows";

/// Where the text of an entry begins.
const INDENT: &str = "             ";

/// Arguments of `c10m tune explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExplainArgs {
    /// A setting, a part of its name, a message or another symptom, or a counter.
    #[arg(required = true, value_name = "NAME")]
    question: Vec<String>,
    /// Directory with runs of `c10m tune prove`.
    #[arg(long, value_name = "DIR", default_value = "results/runs")]
    runs: PathBuf,
    #[command(flatten)]
    rules: RulesArgs,
    /// Print one JSON document instead of text.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints: the explanation, and the proofs of each of its settings.
#[derive(Debug, Serialize)]
struct WithProofs<'a> {
    #[serde(flatten)]
    explanation: &'a Explanation<'a>,
    proofs: BTreeMap<String, Vec<Proof>>,
}

/// The text about what was asked.
pub(super) fn text(args: &ExplainArgs) -> anyhow::Result<String> {
    let knowledge = args.rules.knowledge()?;
    let question = args.question.join(" ");
    let facts = Facts::of_this_host();
    let explanation = Explanation::new(&knowledge, &question, &facts, Path::new("/"));
    let mut proofs = lab::proofs(&args.runs, &serde_json::to_value(&facts)?);
    proofs.retain(|setting, _| explanation.settings.iter().any(|each| each.rule.name == *setting));
    if args.json {
        let whole = WithProofs { explanation: &explanation, proofs };
        return Ok(serde_json::to_string_pretty(&whole)? + "\n");
    }
    if explanation.settings.is_empty() {
        match explanation.proposals.as_slice() {
            [] => bail!("no rule is about {question:?}: give a setting's name, a message that you saw, or a counter"),
            like => bail!("no rule is about {question:?}; there is {}", like.join(", ")),
        }
    }
    Ok(render(&explanation, &proofs, terminal_width().into()))
}

fn render(explanation: &Explanation<'_>, proofs: &BTreeMap<String, Vec<Proof>>, width: usize) -> String {
    let mut text = String::new();
    let [first, others @ ..] = explanation.settings.as_slice() else { return text };
    if !others.is_empty() {
        let how = match explanation.found_by {
            Some(FoundBy::Symptom) => "settings can be behind that, the likeliest first",
            Some(FoundBy::Counter) => "settings move that counter",
            _ => "settings have that in their name",
        };
        text.push_str(&wrapped(&format!("{} {how}:", explanation.settings.len()), "", width));
        for each in &explanation.settings {
            let line = format!("  {}: {}", each.rule.name, each.rule.title);
            text.push_str(&wrapped(&line, "    ", width));
        }
        text.push_str(&wrapped("The first one in full; the others by `c10m tune explain NAME`.", "", width));
        text.push('\n');
    }
    let proofs = proofs.get(&first.rule.name).map_or(&[][..], Vec::as_slice);
    text + &one(first, proofs, width)
}

/// All about one setting.
fn one(explained: &Explained<'_>, proofs: &[Proof], width: usize) -> String {
    let rule = explained.rule;
    let mut text = wrapped(&format!("{}: {}", rule.name, rule.title), "", width);
    let mut entry = |word: &str, said: &str| {
        text.push_str(&wrapped(&format!("  {word:<10} {said}"), INDENT, width));
    };
    entry("here", &value_here(explained));
    for line in recommendations(explained) {
        entry("set to", &line);
    }
    entry("what", &rule.what);
    entry("why", &rule.why);
    let optional =
        [("fails", &rule.how_it_fails), ("myth", &rule.myth), ("risk", &rule.risk), ("obsolete", &rule.obsolete)];
    optional.into_iter().for_each(|(word, said)| said.iter().for_each(|said| entry(word, said)));
    let lists = [("seen as", &rule.symptoms), ("counters", &rule.counters), ("seen in", &rule.seen_in)];
    for (word, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        entry(word, &list.join("; "));
    }
    entry("reaches", &reach(rule));
    rule.cost.iter().for_each(|cost| entry("cost", cost));
    if let Some(versions) = versions(rule) {
        entry("kernels", &versions);
    }
    proofs.iter().for_each(|each| entry("proof", &proof(each)));
    if proofs.is_empty() {
        entry("proof", "none here; `c10m tune prove NAME` tries it, if a workload does");
    }
    entry("known from", &evidence(rule));
    if !rule.related.is_empty() {
        entry("see also", &rule.related.join(", "));
    }
    entry("source", &rule.source.join("; "));
    text
}

fn value_here(explained: &Explained<'_>) -> String {
    let here = &explained.here;
    let own = match &here.default {
        Some(default) => format!("the kernel's own value is {default}"),
        None => "the kernel's own value depends on what this host does not show".to_owned(),
    };
    let varies = explained.rule.default_varies.as_ref().map(|varies| format!(" ({varies})")).unwrap_or_default();
    let found = match (&here.value, here.access) {
        (Some(value), Some(Access::ReadOnly)) => format!("{}, read-only from here", shown(value)),
        (Some(value), _) => shown(value),
        (None, Some(Access::Absent)) => "there is no such setting here".to_owned(),
        (None, _) => return format!("not read; {own}{varies}"),
    };
    format!("{found} {}; {own}{varies}", unit(explained.rule)).replace(" ;", ";")
}

/// The unit where it says something.
fn unit(rule: &Rule) -> &str {
    match rule.unit.as_str() {
        "switch" | "word" | "mask" | "number" => "",
        unit => unit,
    }
}

/// What to set it to: goals with the same value together, then the reason.
fn recommendations(explained: &Explained<'_>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for each in &explained.rule.recommend {
        let side = if each.side == Side::Client { Side::Client } else { Side::Server };
        let value = |goal| {
            let found = explained.here.recommended.iter().find(|known| known.goal == goal && known.side == side);
            found.and_then(|found| found.value.clone()).unwrap_or_else(|| "?".to_owned())
        };
        let how = match each.how {
            How::AtLeast => "at least ",
            How::AtMost => "at most ",
            How::Exactly => "",
        };
        let mut values: Vec<(String, Vec<&str>)> = Vec::new();
        for goal in &each.goals {
            let value = value(*goal);
            match values.iter_mut().find(|(known, _)| *known == value) {
                Some((_, goals)) => goals.push(goal.name()),
                None => values.push((value, vec![goal.name()])),
            }
        }
        let values: Vec<String> =
            values.into_iter().map(|(value, goals)| format!("{how}{value} for {}", goals.join(", "))).collect();
        let whose = match each.side {
            Side::Server => "on a server",
            Side::Client => "on a client",
            Side::Both => "on both ends",
        };
        lines.push(format!("{}, {whose}: {}", values.join("; "), each.because));
    }
    lines
}

fn reach(rule: &Rule) -> String {
    let scope = match (rule.scope, rule.in_namespaces) {
        (Scope::Host, Some(InNamespaces::Absent)) => "the whole host; a child network namespace does not have it",
        (Scope::Host, Some(InNamespaces::ReadOnly)) => "the whole host; a child network namespace can only read it",
        (Scope::Host, None) => "the whole host",
        (Scope::Namespace, _) => "its network namespace, so each container has its own",
        (Scope::Process, _) => "a process and its children",
        (Scope::Socket, _) => "a socket",
        (Scope::Device, _) => "a network device",
        (Scope::Boot, _) => "the host, from the kernel's command line",
        (Scope::Cgroup, _) => "a control group",
        (Scope::Unit, _) => "a unit of systemd",
    };
    let applies = match rule.applies {
        Applies::Now => "a change counts at once",
        Applies::Listen => "a change counts for listeners that call listen() after it",
        Applies::Socket => "a change counts for sockets made after it",
        Applies::Process => "a change counts for processes started after it",
        Applies::Namespace => "a change counts for network namespaces made after it",
        Applies::Device => "a change counts for devices made after it",
        Applies::Start => "a change counts from the unit's next start",
        Applies::Boot => "a change counts from the next boot",
    };
    format!("{scope}; {applies}")
}

fn versions(rule: &Rule) -> Option<String> {
    match (&rule.since, &rule.removed) {
        (Some(since), Some(removed)) => Some(format!("from {since}, gone since {removed}")),
        (Some(since), None) => Some(format!("from {since}")),
        (None, Some(removed)) => Some(format!("gone since {removed}")),
        (None, None) => None,
    }
}

/// What a run says of a value.
fn proof(proof: &Proof) -> String {
    let what = if proof.is_left_out { format!("a profile without it ({})", proof.value) } else { proof.value.clone() };
    let effect = proof.effect.as_ref().map(|effect| format!(", {effect} times as good")).unwrap_or_default();
    let moved = proof.moved.as_ref().map(|moved| format!("; {moved}")).unwrap_or_default();
    let place = if proof.is_of_this_host { "on this host" } else { "on another host" };
    format!(
        "{what}: {}{effect} ({}, {}{moved}); {place}, {}, {}",
        proof.verdict, proof.workload, proof.figure, proof.measured_on, proof.run
    )
}

fn evidence(rule: &Rule) -> String {
    let known = match (&rule.measured_on, &rule.read_on) {
        (Some(measured), _) => format!("measured on {measured}"),
        (None, Some(read)) => format!("read on {read}, not measured"),
        (None, None) => "not measured; from the sources below".to_owned(),
    };
    format!("{known}; look again after {}", rule.best_before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::OpenFilesLimit;
    use tuning::knowledge::Knowledge;

    #[test]
    fn every_rule_has_a_page_that_fits() {
        let knowledge = Knowledge::embedded();
        let limit = OpenFilesLimit { soft: Some(1024), hard: None };
        for facts in [Facts::of_this_host(), Facts::read(Path::new("/nonexistent"), limit)] {
            for rule in knowledge.rules() {
                let explanation = Explanation::new(knowledge, &rule.name, &facts, Path::new("/"));
                assert_eq!(explanation.settings[0].rule.name, rule.name);
                for width in [60, 80, 200] {
                    let text = render(&explanation, &BTreeMap::new(), width);
                    // A word that is longer than a line is not broken: people copy names.
                    let fits = |line: &str| line.chars().count() <= width || line.trim_start().split(' ').count() < 3;
                    assert!(text.lines().all(fits), "{width}: {text}");
                    assert!(text.contains(rule.source[0].split(' ').next().unwrap_or_default()), "{text}");
                }
            }
        }
    }
}
