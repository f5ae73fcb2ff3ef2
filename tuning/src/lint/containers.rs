//! Reads limits and sysctls of containers: /etc/docker/daemon.json (dockerd has `default-ulimits` and nothing for
//! sysctls), containers.conf of Podman and its kin (containers.conf(5)), and Quadlet's .container and .pod files
//! (podman-systemd.unit(5)).

use super::files::Files;
use super::ini::{self, Item};
use super::line::Line;
use super::mistake::MistakeKind;
use super::order;
use super::sysctl_d::canonical;
use super::tree::{Tree, Trouble};

const DOCKER: &str = "/etc/docker/daemon.json";
const PODMAN: [&str; 2] = ["/usr/share/containers/containers.conf", "/etc/containers/containers.conf"];
const PODMAN_DIRECTORIES: [&str; 2] = ["/etc/containers/containers.conf.d", "/usr/share/containers/containers.conf.d"];
const QUADLETS: [&str; 3] = ["/etc/containers/systemd", "/run/containers/systemd", "/usr/share/containers/systemd"];
/// Quadlet reads directories in directories.
const DEPTH_MAX: usize = 4;

/// A limit or a sysctl of containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContainerLine {
    /// `name=value` or `name = value`.
    Sysctl { at: Line, key: String, value: String },
    /// `name=soft:hard`; one number is both.
    Limit { at: Line, name: String, soft: String, hard: String },
    /// A key of daemon.json for sysctls.
    DockerSysctls { at: Line },
    /// Not in the form that the reader expects.
    Broken { at: Line },
}

pub(crate) fn read(tree: &Tree<'_>, files: &mut Files) -> Vec<ContainerLine> {
    let mut lines = Vec::new();
    if let Some(text) = files.single(tree, DOCKER) {
        match serde_json::from_str(&text) {
            Ok(value) => docker(&text, &value, &mut lines),
            Err(error) => files.troubles.push(not_understood(DOCKER, &format!("dockerd wants JSON: {error}."))),
        }
    }
    let mut podman: Vec<(String, String)> = Vec::new();
    for path in PODMAN {
        podman.extend(files.single(tree, path).map(|text| (path.to_owned(), text)));
    }
    let listing = order::listing(tree, &PODMAN_DIRECTORIES.map(str::to_owned), ".conf");
    for path in files.add(listing) {
        podman.extend(files.text(tree, &path).map(|text| (path.clone(), text)));
    }
    for (path, text) in podman {
        match toml::from_str(&text) {
            Ok(table) => containers_conf(&path, &text, &table, &mut lines),
            Err(error) => {
                files.troubles.push(not_understood(&path, &format!("Podman wants TOML: {}.", error.message())))
            }
        }
    }
    for directory in QUADLETS {
        quadlets(tree, directory, 0, files, &mut lines);
    }
    lines
}

fn not_understood(path: &str, says: &str) -> Trouble {
    Trouble { path: path.to_owned(), kind: MistakeKind::NotUnderstood, says: says.to_owned() }
}

fn docker(text: &str, value: &serde_json::Value, lines: &mut Vec<ContainerLine>) {
    for key in ["default-sysctls", "sysctls", "default-sysctl", "sysctl"] {
        if value.get(key).is_some() {
            lines.push(ContainerLine::DockerSysctls { at: find(DOCKER, text, &format!("\"{key}\"")) });
        }
    }
    let limits = value.get("default-ulimits").and_then(|limits| limits.as_object());
    for (name, limit) in limits.into_iter().flatten() {
        let at = find(DOCKER, text, &format!("\"{name}\""));
        // Go's decoder takes names in any case.
        let number = |wanted: &str| {
            let fields = limit.as_object()?;
            let (_, value) = fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(wanted))?;
            Some(value.to_string())
        };
        lines.push(match (number("soft"), number("hard")) {
            (Some(soft), Some(hard)) => ContainerLine::Limit { at, name: name.clone(), soft, hard },
            // A missing one is 0.
            (soft, hard) if limit.is_object() => {
                let zero = || "0".to_owned();
                let (soft, hard) = (soft.unwrap_or_else(zero), hard.unwrap_or_else(zero));
                ContainerLine::Limit { at, name: name.clone(), soft, hard }
            }
            _ => ContainerLine::Broken { at },
        });
    }
}

fn containers_conf(path: &str, text: &str, table: &toml::Table, lines: &mut Vec<ContainerLine>) {
    let words = |name: &str| -> Vec<String> {
        let list = table.get("containers").and_then(|containers| containers.get(name)).and_then(|list| list.as_array());
        list.into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    for word in words("default_sysctls") {
        lines.push(sysctl(find(path, text, &word), &word));
    }
    for word in words("default_ulimits") {
        lines.push(limit(find(path, text, &word), &word));
    }
}

fn quadlets(tree: &Tree<'_>, directory: &str, depth: usize, files: &mut Files, lines: &mut Vec<ContainerLine>) {
    let names = match tree.names(directory) {
        Ok(names) => names,
        Err(trouble) => return files.troubles.push(trouble),
    };
    for name in names {
        let path = format!("{directory}/{name}");
        if tree.is_directory(&path) {
            if depth < DEPTH_MAX {
                quadlets(tree, &path, depth + 1, files, lines);
            }
            continue;
        }
        let is_drop_in =
            name.ends_with(".conf") && [".container.d", ".pod.d"].iter().any(|end| directory.ends_with(end));
        if !(name.ends_with(".container") || name.ends_with(".pod") || is_drop_in) {
            continue;
        }
        let Some(text) = files.single(tree, &path) else { continue };
        for item in ini::parse(&path, &text) {
            let Item::Assignment(line) = item else { continue };
            match (line.section.as_str(), line.key.as_str()) {
                ("Container" | "Pod", "Sysctl") => {
                    // Several in one line, with blanks between them.
                    lines.extend(line.value.split_whitespace().map(|word| sysctl(line.at.clone(), word)));
                }
                // `host` keeps the limits of the caller.
                ("Container" | "Pod", "Ulimit") if line.value == "host" => {}
                ("Container" | "Pod", "Ulimit") => lines.push(limit(line.at, &line.value)),
                _ => {}
            }
        }
    }
}

fn sysctl(at: Line, word: &str) -> ContainerLine {
    match word.trim_matches('"').split_once('=').and_then(|(key, value)| Some((canonical(key)?, value))) {
        Some((key, value)) => ContainerLine::Sysctl { at, key, value: value.trim().to_owned() },
        None => ContainerLine::Broken { at },
    }
}

fn limit(at: Line, word: &str) -> ContainerLine {
    let Some((name, value)) = word.split_once('=') else {
        return ContainerLine::Broken { at };
    };
    let (soft, hard) = value.split_once(':').unwrap_or((value, value));
    let word = |text: &str| text.trim().to_owned();
    ContainerLine::Limit { at, name: word(name), soft: word(soft), hard: word(hard) }
}

/// The first line with `needle`. JSON and TOML are read without line numbers.
fn find(path: &str, text: &str, needle: &str) -> Line {
    match text.lines().enumerate().find(|(_, line)| line.contains(needle)) {
        Some((index, line)) => Line::new(path, index, line),
        None => Line::file(path),
    }
}
