//! Reads limits in units, their drop-ins, system.conf and user.conf (systemd.unit(5), systemd.exec(5),
//! systemd-system.conf(5)). Of each file only the lines about limits and tasks are kept.

use std::collections::{BTreeMap, BTreeSet};

use super::files::Files;
use super::ini::{self, Assignment, Item};
use super::line::{Line, is_of_admin};
use super::order;
use super::tree::Tree;
use super::value::Standing;

/// Most important first.
const PLACES: [&str; 5] =
    ["/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd", "/lib/systemd"];
/// Kinds of units that limits or TasksMax= apply to.
const KINDS: [&str; 6] = ["service", "socket", "slice", "scope", "mount", "swap"];
/// The names behind `Limit` (systemd.exec(5)).
pub(crate) const RESOURCES: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NOFILE",
    "AS",
    "NPROC",
    "MEMLOCK",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

/// A line about a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnitLine {
    /// The unit; system.conf or user.conf; or a directory for many units, such as `service`.
    pub(crate) unit: String,
    pub(crate) line: Assignment,
}

/// What systemd's files say.
#[derive(Debug, Default)]
pub(crate) struct Units {
    /// Names of units that have a file.
    pub(crate) names: BTreeSet<String>,
    /// The lines in force for each unit, in the order in which they are read.
    pub(crate) of: BTreeMap<String, Vec<UnitLine>>,
    /// Lines that systemd does not understand.
    pub(crate) broken: Vec<Line>,
}

impl Units {
    /// Each line once.
    pub(crate) fn lines(&self) -> Vec<&UnitLine> {
        let mut seen = BTreeSet::new();
        let new = |unit: &&UnitLine| seen.insert((unit.line.at.file.clone(), unit.line.at.number));
        self.of.values().flatten().filter(new).collect()
    }

    /// The last line of a unit with a setting.
    pub(crate) fn winner(&self, unit: &str, key: &str) -> Option<&UnitLine> {
        self.of.get(unit)?.iter().rfind(|unit| unit.line.key == key && is_in_place(unit))
    }
}

/// Whether systemd looks for the setting in the section where it is.
pub(crate) fn is_in_place(unit: &UnitLine) -> bool {
    sections(&unit.line.key).is_some_and(|sections| sections.contains(&unit.line.section.as_str()))
}

/// The sections in which systemd looks for a setting; `None`: it is none about limits.
pub(crate) fn sections(key: &str) -> Option<&'static [&'static str]> {
    const EXECUTES: &[&str] = &["Service", "Socket", "Mount", "Swap"];
    let is_limit = |name: &str| name.strip_prefix("Limit").is_some_and(|name| RESOURCES.contains(&name));
    match key {
        "TasksMax" => Some(&["Service", "Socket", "Mount", "Swap", "Slice", "Scope"]),
        "DefaultTasksMax" => Some(&["Manager"]),
        _ if is_limit(key) => Some(EXECUTES),
        _ if key.strip_prefix("Default").is_some_and(is_limit) => Some(&["Manager"]),
        _ => None,
    }
}

/// Whether somebody meant a setting about limits, rightly or wrongly spelt.
fn is_about_limits(key: &str) -> bool {
    let key = key.to_lowercase();
    let key = key.strip_prefix("default").unwrap_or(&key);
    key.starts_with("limit") || key.starts_with("tasksmax") || key.starts_with("taskmax")
}

pub(crate) fn read(tree: &Tree<'_>, files: &mut Files) -> Units {
    let mut units = Units::default();
    for (name, kind) in [("system.conf", "system"), ("user.conf", "user")] {
        let mut found = Vec::new();
        // The first main file counts; systemd 254 and later also look below /usr.
        for place in PLACES {
            let path = format!("{place}/{name}");
            if !matches!(tree.resolve(&path), Ok(None)) {
                if let Some(text) = files.single(tree, &path) {
                    units.take(name, &path, &text, &mut found);
                }
                break;
            }
        }
        let listing = order::listing(tree, &order::below(&PLACES, &format!("{name}.d")), ".conf");
        for path in files.add(listing) {
            if let Some(text) = files.text(tree, &path) {
                units.take(name, &path, &text, &mut found);
            }
        }
        units.of.insert(name.to_owned(), found);
        units.read_units(tree, kind, files);
    }
    units
}

impl Units {
    /// The units of the system's manager, or of the users' managers.
    fn read_units(&mut self, tree: &Tree<'_>, manager: &str, files: &mut Files) {
        let places: Vec<String> = order::below(&PLACES, manager);
        let mut mains: BTreeMap<String, String> = BTreeMap::new();
        let mut directories: BTreeSet<String> = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for place in &places {
            if let Ok(Some(real)) = tree.resolve(place)
                && !seen.insert(real)
            {
                continue;
            }
            let names = match tree.names(place) {
                Ok(names) => names,
                Err(trouble) => {
                    files.troubles.push(trouble);
                    continue;
                }
            };
            for name in names {
                let path = format!("{place}/{name}");
                if let Some(unit) = name.strip_suffix(".d").filter(|unit| is_unit(unit) || KINDS.contains(unit)) {
                    directories.insert(unit.to_owned());
                } else if is_unit(&name) && !mains.contains_key(&name) && self.is_own_file(tree, &path, files) {
                    mains.insert(name, path);
                }
            }
        }
        let units: BTreeSet<&String> = mains.keys().chain(&directories).collect();
        for unit in units {
            let mut found = Vec::new();
            if let Some(path) = mains.get(unit) {
                self.names.insert(unit.clone());
                if let Some(text) = files.text(tree, path) {
                    self.take(unit, path, &text, &mut found);
                }
            }
            let listing = order::listing(tree, &drop_ins(&places, unit, &directories), ".conf");
            for path in files.add(listing) {
                if let Some(text) = files.text(tree, &path) {
                    self.take(unit, &path, &text, &mut found);
                }
            }
            if !found.is_empty() {
                if let Some(path) = mains.get(unit).filter(|path| found.iter().any(|unit| &unit.line.at.file == *path))
                {
                    let standing = Standing::Read;
                    files.list.push(super::value::FileRead { path: path.clone(), leads_to: None, standing });
                }
                self.of.entry(unit.clone()).or_default().append(&mut found);
            }
        }
        let mut listed = BTreeSet::new();
        files.list.retain(|file| listed.insert(file.path.clone()));
    }

    /// Whether a unit's file is no alias of another unit, and no link to /dev/null.
    fn is_own_file(&mut self, tree: &Tree<'_>, path: &str, files: &mut Files) -> bool {
        let Some(file) = order::entry(tree, path.to_owned(), &mut files.troubles) else { return false };
        let name = |path: &str| path.rsplit('/').next().map(str::to_owned);
        let is_alias = file.leads_to.as_deref().is_some_and(|target| name(target) != name(path));
        file.standing == Standing::Read && !is_alias
    }

    /// Keeps the lines about limits.
    fn take(&mut self, unit: &str, path: &str, text: &str, found: &mut Vec<UnitLine>) {
        for item in ini::parse(path, text) {
            match item {
                Item::Assignment(line) if is_about_limits(&line.key) && !line.section.starts_with("X-") => {
                    found.push(UnitLine { unit: unit.to_owned(), line });
                }
                Item::Assignment(_) => {}
                // A package's file was tested by its packager.
                Item::Broken(line) if is_of_admin(path) && !self.broken.contains(&line) => self.broken.push(line),
                Item::Broken(_) => {}
            }
        }
    }
}

/// Whether a name is that of a unit whose limits matter.
fn is_unit(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, kind)| !stem.is_empty() && KINDS.contains(&kind))
}

/// The directories of drop-ins of a unit, most important first: of each place the unit's own, then those of the parts of
/// its name up to a dash; last those of its kind (systemd.unit(5)).
fn drop_ins(places: &[String], unit: &str, existing: &BTreeSet<String>) -> Vec<String> {
    let Some((stem, kind)) = unit.rsplit_once('.') else {
        return places.iter().map(|place| format!("{place}/{unit}.d")).collect();
    };
    let mut names = vec![unit.to_owned()];
    if let Some((template, _)) = stem.split_once('@').filter(|(_, instance)| !instance.is_empty()) {
        names.push(format!("{template}@.{kind}"));
    }
    names.extend(stem.rmatch_indices('-').map(|(at, _)| format!("{}.{kind}", &stem[..=at])));
    names.retain(|name| existing.contains(name));
    let of = |name: &str| -> Vec<String> { places.iter().map(|place| format!("{place}/{name}.d")).collect() };
    let own = places.iter().flat_map(|place| names.iter().map(move |name| format!("{place}/{name}.d")));
    own.chain(if existing.contains(kind) { of(kind) } else { Vec::new() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_ins_of_a_unit() {
        let places = ["/etc/systemd/system".to_owned(), "/usr/lib/systemd/system".to_owned()];
        let existing = ["a-b.service", "a-.service", "service"].map(str::to_owned).into_iter().collect();
        let found = drop_ins(&places, "a-b.service", &existing);
        let expected = [
            "/etc/systemd/system/a-b.service.d",
            "/etc/systemd/system/a-.service.d",
            "/usr/lib/systemd/system/a-b.service.d",
            "/usr/lib/systemd/system/a-.service.d",
            "/etc/systemd/system/service.d",
            "/usr/lib/systemd/system/service.d",
        ];
        assert_eq!(found, expected);
        assert!(is_unit("nginx.service") && !is_unit("nginx.timer") && !is_unit("service"));
        assert_eq!(sections("LimitNOFILE").unwrap()[0], "Service");
        assert_eq!(sections("LimitNoFile"), None);
        assert!(
            is_about_limits("limitnofile") && is_about_limits("DefaultTaskMax") && !is_about_limits("StartLimitBurst")
        );
    }
}
