//! Help and documents name what there is: each variant, workload and experiment that the code has.

use std::fs;

use loadgen::reconnect::{Delay, key_names};
use protocol::Workload;
use serde_json::Value;
use server::Variant;
use tuning::plan::Backend;

use crate::program::run;

/// Those of `words` that `text` does not have, each as a word of its own.
fn lacking<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let is_part = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_');
    let there: Vec<&str> = text.split(|character| !is_part(character)).collect();
    words.into_iter().filter(|word| !there.contains(word)).collect()
}

fn help(arguments: &[&str]) -> String {
    let (code, text, complaint) = run(&[arguments, &["--help"]].concat());
    assert_eq!(code, 0, "{arguments:?}: {complaint}");
    text
}

/// What stands in `text` from `start` to `end`.
fn part<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap_or_else(|| panic!("there is no {start:?}"));
    let rest = &text[from + start.len()..];
    &rest[..rest.find(end).unwrap_or(rest.len())]
}

fn document(name: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    fs::read_to_string(format!("{root}/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn workloads() -> [&'static str; Workload::ALL.len()] {
    Workload::ALL.map(Workload::name)
}

#[test]
fn what_is_missing_is_found() {
    assert_eq!(lacking("`multishot`, inline-pieces", ["multishot", "inline", "pieces"]), ["inline", "pieces"]);
    assert_eq!(part("a: b c", "a:", "c"), " b ");
}

#[test]
fn help_names_each_variant_and_workload() {
    let serve = help(&["serve"]);
    let variants = part(&serve, "--variant <VARIANT>", "--reactors");
    for backend in Variant::backends() {
        let names = Variant::variants_of(backend).map(Variant::variant);
        assert_eq!(lacking(part(variants, &format!("{backend}:"), "."), names), [""; 0], "{backend}: {variants}");
    }
    assert_eq!(lacking(part(&serve, "--backend", "--variant"), Variant::backends()), [""; 0]);
    let plan = help(&["tune", "plan"]);
    for text in [part(&serve, "<WORKLOAD>\n", "Options:"), part(&plan, "--workload", "--backend")] {
        assert_eq!(lacking(text, workloads()), [""; 0], "{text}");
    }
    let backends = part(&plan, "--backend", "--heartbeat");
    assert!(Backend::ALL.iter().all(|backend| backends.contains(backend.name())), "{backends}");
}

#[test]
fn help_and_document_name_each_reconnect_policy() {
    let (help, document) = (help(&["load"]), document("docs/load-generator.md"));
    let names = || Delay::ALL.map(Delay::name).into_iter().chain(key_names());
    assert_eq!(lacking(part(&help, "--reconnect <POLICY>", "--connect-timeout"), names()), [""; 0]);
    assert_eq!(lacking(part(&document, "## Clients that come back", "\n## "), names()), [""; 0]);
}

#[test]
fn documents_name_each_variant_workload_and_experiment() {
    let (readme, architecture) = (document("README.md"), document("ARCHITECTURE.md"));
    let (backends, reports) = (document("docs/backends.md"), document("docs/reports.md"));
    let table = part(&backends, "## Backends", "\n\n");
    for variant in Variant::ALL {
        assert!(table.contains(&format!("`{}`", variant.backend())), "docs/backends.md lacks {}", variant.backend());
        assert!(table.contains(&format!("`{}`", variant.variant())), "docs/backends.md lacks {variant}");
    }
    for (name, text) in [("README.md", &readme), ("docs/backends.md", &backends)] {
        let serves: String = text.lines().filter(|line| line.starts_with("c10m serve ")).collect();
        assert_eq!(lacking(&serves, workloads()), [""; 0], "{name} shows how to serve each workload");
    }
    assert_eq!(lacking(part(&architecture, "**workload**", "\n\n"), workloads()), [""; 0], "ARCHITECTURE.md");
    let (code, listed, complaint) = run(&["bench", "list", "--json"]);
    assert_eq!(code, 0, "{complaint}");
    let listed: Vec<Value> = serde_json::from_str(&listed).expect("JSON");
    let names: Vec<&str> = listed.iter().map(|experiment| experiment["name"].as_str().expect("a name")).collect();
    assert!(names.len() > 5, "{names:?}");
    let (table, help) = (part(&reports, "## Experiments", "\n\n"), help(&["bench"]));
    assert_eq!(lacking(part(&help, "Experiments (", "\n\n"), names.iter().copied()), [""; 0], "bench --help");
    for name in names {
        assert!(table.contains(&format!("\n| `{name}` |")), "docs/reports.md lacks {name}");
    }
}

/// Each code that a command's help names has its row, and no row is for another.
#[test]
fn the_readme_explains_each_exit_code() {
    let readme = document("README.md");
    let table = part(&readme, "## Exit codes", "\n\n");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()?.parse().ok());
    let rows: Vec<u32> = rows.collect();
    assert_eq!(rows, [0, 1, 2, 3, 4]);
    for (command, expected) in [
        (&["serve"][..], &[0, 1, 2, 3][..]),
        (&["load"], &[0, 1, 2, 3, 4]),
        (&["bench"], &[0, 1, 2, 4]),
        (&["compare"], &[0, 1, 2, 4]),
        (&["report"], &[0, 1, 2]),
    ] {
        let help = help(command);
        let (_, codes) = help.split_once("Exit codes: ").unwrap_or_else(|| panic!("{command:?} names its exit codes"));
        let starts = codes.split([',', ';']).filter_map(|part| part.split_whitespace().next()?.parse::<u32>().ok());
        assert_eq!(starts.collect::<Vec<_>>(), expected, "{command:?}");
    }
}
