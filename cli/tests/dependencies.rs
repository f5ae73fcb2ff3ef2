//! What may be depended on, by the rules of `deny.toml`: licenses, sources, crates that are banned. Advisories are
//! left to cargo-deny, which `scripts/deny.sh` runs where it and their database are at hand.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use spdx::{Expression, Licensee};

#[derive(Deserialize)]
struct Rules {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
}

/// What `cargo metadata` prints, as far as it matters here (cargo-metadata(1), version 1).
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// None for the crates of this workspace.
    source: Option<String>,
}

/// The one place that crates come from; a mirror of it is named like the original.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

fn rules() -> Rules {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("it is there");
    toml::from_str(&text).expect("the rules of cargo-deny")
}

/// What is wrong with one package, in words.
fn judge(package: &Package, rules: &Rules) -> Option<String> {
    let Package { name, version, license, source } = package;
    if rules.bans.deny.iter().any(|banned| banned.name == *name) {
        return Some(format!("{name} {version} is banned"));
    }
    if let Some(source) = source.as_deref().filter(|source| *source != REGISTRY) {
        return Some(format!("{name} {version} comes from {source}"));
    }
    let Some(license) = license else { return Some(format!("{name} {version} has no license")) };
    // Old manifests separate alternatives by a slash.
    let expression = match Expression::parse_mode(license, spdx::ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => return Some(format!("{name} {version}: {license:?} is no license expression: {error}")),
    };
    let allowed: Vec<Licensee> =
        rules.licenses.allow.iter().map(|name| Licensee::parse(name).expect("a license")).collect();
    let holds = expression.evaluate(|wanted| allowed.iter().any(|licensee| licensee.satisfies(wanted)));
    (!holds).then(|| format!("{name} {version}: {license} is not allowed"))
}

/// Those of the program and of its tests; fuzzers and peers are workspaces of their own that nobody installs.
#[test]
fn every_dependency_keeps_the_rules() {
    let rules = rules();
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked"]).current_dir(root());
    for target in &rules.graph.targets {
        command.args(["--filter-platform", target]);
    }
    let output = command.output().expect("cargo is here");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("its documented form");
    assert!(metadata.packages.len() > 50, "the dependencies were not found");
    let faults: Vec<String> = metadata.packages.iter().filter_map(|package| judge(package, &rules)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_breaks_a_rule_is_named() {
    let rules = rules();
    let package = |name: &str, license: Option<&str>, source: Option<&str>| Package {
        name: name.into(),
        version: "1.0.0".into(),
        license: license.map(str::to_owned),
        source: source.map(str::to_owned),
    };
    for (license, is_allowed) in [
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only OR MIT", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("MIT AND GPL-3.0-only", false),
        ("GPL-2.0-or-later", false),
        ("MPL-2.0", false),
        ("as is", false),
    ] {
        let fault = judge(&package("a", Some(license), Some(REGISTRY)), &rules);
        assert_eq!(fault.is_none(), is_allowed, "{license}: {fault:?}");
    }
    for (package, part) in [
        (package("tokio", Some("MIT"), Some(REGISTRY)), "is banned"),
        (package("a", None, Some(REGISTRY)), "no license"),
        (package("a", Some("MIT"), Some("git+https://example.org/a")), "comes from git"),
    ] {
        let fault = judge(&package, &rules).expect("a fault");
        assert!(fault.contains(part), "{fault}");
    }
}
