//! The parts of the tuning guide that are made from the rules and from the published runs are as they are made.
//! `C10M_WRITE=1 cargo test -p cli --test cli guide` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lab::Proof;
use serde_json::Value;
use tuning::knowledge::{Goal, Kind, Knowledge, Rule, Scope, Side};
use tuning::profiles;

fn tuning() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tuning")
}

fn proofs() -> BTreeMap<String, Vec<Proof>> {
    lab::proofs(&tuning().join("../results/runs"), &Value::Null)
}

fn row(cells: &[String]) -> String {
    // A bar would end a cell.
    format!("| {} |\n", cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "))
}

fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let header: Vec<String> = header.iter().map(|&name| name.to_owned()).collect();
    let rule = format!("|{}\n", "---|".repeat(header.len()));
    row(&header) + &rule + &rows.iter().map(|cells| row(cells)).collect::<String>()
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// The values of the ready profiles, a table for each side.
fn profiles_part() -> String {
    let mut text = String::new();
    for (side, word) in [(Side::Server, "Server"), (Side::Client, "Client")] {
        let of = |goal| profiles::profile_of(Knowledge::embedded(), goal, side);
        let goals: Vec<_> = Goal::ALL.map(|goal| (goal, of(goal))).to_vec();
        let mut names: Vec<String> = Vec::new();
        for (_, profile) in &goals {
            for wanted in &profile.settings {
                if !names.contains(&wanted.name) {
                    names.push(wanted.name.clone());
                }
            }
        }
        let value = |profile: &tuning::change::Profile, name: &str| {
            let found = profile.settings.iter().find(|wanted| wanted.name == name);
            found.map_or("–".to_owned(), |wanted| wanted.value.clone())
        };
        let mut rows: Vec<Vec<String>> = names
            .iter()
            .map(|name| [code(name)].into_iter().chain(goals.iter().map(|(_, profile)| value(profile, name))).collect())
            .collect();
        let files =
            goals.iter().map(|(_, profile)| profile.open_files.map_or("–".to_owned(), |count| count.to_string()));
        rows.push(["`LimitNOFILE=`".to_owned()].into_iter().chain(files).collect());
        let header: Vec<&str> = [word].into_iter().chain(Goal::ALL.map(Goal::name)).collect();
        text.push_str(&table(&header, rows));
        text.push('\n');
    }
    text
}

/// Every value that a published run tried.
fn evidence_part() -> String {
    let mut rows = Vec::new();
    for (setting, proofs) in proofs() {
        for proof in proofs {
            let without = if proof.is_left_out { "a profile without it, " } else { "" };
            rows.push(vec![
                format!("{} {without}{}", code(&setting), proof.value),
                proof.verdict.to_owned(),
                proof.effect.unwrap_or_else(|| "–".to_owned()),
                format!("{}: {}", proof.workload, proof.figure),
                proof.moved.unwrap_or_else(|| "none".to_owned()),
            ]);
        }
    }
    let runs: std::collections::BTreeSet<String> = proofs().into_values().flatten().map(|proof| proof.run).collect();
    let links: Vec<String> = runs.iter().map(|run| format!("[{run}](../results/runs/{run}/report.md)")).collect();
    let header = ["setting and value", "verdict", "times as good", "workload and figure", "counter that moved"];
    format!("{}\nMeasured in {}.\n", table(&header, rows), links.join(", "))
}

/// Why nothing was measured of a setting that is recommended.
fn why_unproven(rule: &Rule) -> &'static str {
    match (rule.kind, rule.scope) {
        (Kind::Device | Kind::Sysfs, _) => "needs a network card or a host of one's own",
        (Kind::Boot, _) => "needs a boot",
        (Kind::Cgroup | Kind::Systemd, _) => "a limit of whoever starts the program: it is enough or it is not",
        (Kind::Rlimit, _) => "a wall: see [what breaks first](../docs/failures.md)",
        (_, Scope::Host) => "a wall or a table of the whole host, sized by arithmetic",
        _ => "no workload tries it yet",
    }
}

/// What is recommended and was not tried.
fn unproven_part() -> String {
    let proofs = proofs();
    let rules = Knowledge::embedded().rules().iter();
    let unproven = rules.filter(|rule| !rule.recommend.is_empty() && !proofs.contains_key(&rule.name));
    let rows = unproven
        .map(|rule| vec![code(&rule.name), rule.title.clone(), why_unproven(rule).to_owned(), rule.best_before.clone()])
        .collect();
    table(&["setting", "what it is", "why it is not measured", "look again after"], rows)
}

/// What is wrongly said of settings.
fn myths_part() -> String {
    let rules = Knowledge::embedded().rules().iter();
    let rows = rules.filter_map(|rule| Some(vec![code(&rule.name), rule.myth.clone()?])).collect();
    table(&["setting", "what is wrongly said of it, and what is true"], rows)
}

/// The text with the part between two markers replaced.
fn with_part(text: &str, name: &str, part: &str) -> String {
    let (begin, end) = (format!("<!-- begin generated: {name} -->\n"), format!("<!-- end generated: {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no marker of {name}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no end of {name}"));
    format!("{before}{begin}{}\n{end}{after}", part.trim_end())
}

fn check(file: &str, parts: &[(&str, String)]) {
    let path = tuning().join(file);
    let text = fs::read_to_string(&path).expect("the guide");
    let made = parts.iter().fold(text.clone(), |text, (name, part)| with_part(&text, name, part));
    if std::env::var_os("C10M_WRITE").is_some() {
        fs::write(&path, &made).expect("writable");
        return;
    }
    assert_eq!(text, made, "{file}: C10M_WRITE=1 writes the parts anew");
}

#[test]
fn the_guide_says_what_the_rules_and_the_runs_say() {
    check("GUIDE.md", &[("profiles", profiles_part()), ("evidence", evidence_part()), ("unproven", unproven_part())]);
    check("WHAT-NOT-TO-SET.md", &[("myths", myths_part())]);
}

/// As many settings as the issue asks for have a measured verdict here, those that do nothing among them.
#[test]
fn twenty_settings_are_proven() {
    let proofs = proofs();
    let is_decided = |proof: &&Proof| matches!(proof.verdict, "helps" | "hurts" | "no effect");
    let decided = proofs.iter().filter(|(_, all)| all.iter().any(|proof| is_decided(&proof)));
    assert!(decided.count() >= 20, "{:?}", proofs.keys());
    for myth in ["net.ipv4.tcp_max_syn_backlog", "net.ipv4.tcp_fin_timeout", "net.core.rmem_max"] {
        let nulls = proofs.get(myth).into_iter().flatten().filter(|proof| proof.verdict == "no effect");
        assert!(nulls.count() > 0, "{myth}: {:?}", proofs.get(myth));
    }
    assert!(proofs.values().flatten().any(|proof| proof.is_left_out), "no profile was tried less one setting");
}
