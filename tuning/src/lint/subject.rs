//! What the mistakes are looked for in: everything that was read, and who wins. Answers questions; judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ::host::sysctl;

use super::containers::ContainerLine;
use super::files::Files;
use super::limits::Limits;
use super::names;
use super::numbers::numbers;
use super::place::Place;
use super::sysctl_d::{Entry, Setting, Sysctls};
use super::tree::Tree;
use super::units::{UnitLine, Units};
use crate::knowledge::{Kind, Knowledge, Rule, release};

/// Everything that was read.
pub(crate) struct Subject<'a> {
    pub(crate) tree: &'a Tree<'a>,
    pub(crate) knowledge: &'a Knowledge,
    pub(crate) place: &'a Place,
    pub(crate) files: &'a Files,
    pub(crate) sysctls: &'a Sysctls,
    pub(crate) limits: &'a Limits,
    pub(crate) units: &'a Units,
    pub(crate) containers: &'a [ContainerLine],
    /// Modules that are loaded before sysctls are set.
    pub(crate) modules: &'a [String],
    /// Users of /etc/passwd.
    pub(crate) users: &'a BTreeSet<String>,
    /// Names of sysctls that this kernel shows.
    pub(crate) names: &'a [String],
    /// The setting in force for each key, after a boot and after `sysctl --system`.
    pub(crate) boot: BTreeMap<String, &'a Setting>,
    pub(crate) by_sysctl: BTreeMap<String, &'a Setting>,
}

impl<'a> Subject<'a> {
    /// The settings of a key that are in force after a boot or after `sysctl --system`.
    pub(crate) fn winning(&self, key: &str) -> Vec<&'a Setting> {
        let boot = self.boot.get(key).copied();
        let other = self.by_sysctl.get(key).copied().filter(|other| boot.is_none_or(|boot| boot.value != other.value));
        boot.into_iter().chain(other).collect()
    }

    /// The value after a boot: that of the files, or what the kernel has now.
    pub(crate) fn after_boot(&self, key: &str) -> Option<String> {
        match self.winning(key).first() {
            Some(setting) => Some(setting.value.clone()),
            None => self.live(key),
        }
    }

    /// The first number of the same.
    pub(crate) fn number_after_boot(&self, key: &str) -> Option<i128> {
        numbers(&self.after_boot(key)?).first().copied()
    }

    /// What the kernel has now, with single spaces.
    pub(crate) fn live(&self, key: &str) -> Option<String> {
        let value = sysctl::value(self.tree.root(), key)?;
        Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// What is known of a sysctl.
    pub(crate) fn rule(&self, key: &str) -> Option<&'a Rule> {
        self.knowledge.sysctl(key)
    }

    /// The kernel's own numbers; `None`: nobody knows them here.
    pub(crate) fn defaults(&self, key: &str) -> Option<Vec<i128>> {
        self.rule(key)?.default.as_ref()?.numbers(&self.place.variables)
    }

    /// The kernel's own number.
    pub(crate) fn default(&self, key: &str) -> Option<i128> {
        self.defaults(key)?.first().copied()
    }

    /// Whether the kernel is older than a release; false if its release is not known.
    pub(crate) fn is_older_than(&self, version: (u64, u64)) -> bool {
        self.release().is_some_and(|release| release < version)
    }

    pub(crate) fn release(&self) -> Option<(u64, u64)> {
        release(self.place.release.as_deref()?)
    }

    /// How many numbers a key takes; `None`: it takes none, or nobody knows.
    pub(crate) fn takes_numbers(&self, key: &str) -> Option<usize> {
        if !names::may_be_numbers(key) {
            return None;
        }
        let live = self.live(key).and_then(|live| super::numbers::only_numbers(&live));
        let known = || Some(self.rule(key)?.default.as_ref()?.formulas().len());
        live.map(|live| live.len()).or_else(known)
    }

    /// Names of all sysctls that somebody could mean.
    pub(crate) fn known_names(&self) -> impl Iterator<Item = &'a str> + Clone {
        let rules = self.knowledge.rules().iter().filter(|rule| rule.kind == Kind::Sysctl && rule.removed.is_none());
        rules.map(|rule| rule.name.as_str()).chain(self.names.iter().map(String::as_str))
    }

    /// Whether the kernel has a sysctl.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.names.binary_search_by(|name| name.as_str().cmp(key)).is_ok()
    }

    /// LimitNOFILE= of every unit, as the last line says.
    pub(crate) fn unit_nofile(&self) -> Vec<&'a UnitLine> {
        self.units.of.keys().filter_map(|unit| self.units.winner(unit, "LimitNOFILE")).collect()
    }

    /// The directory of this kernel's modules, if the host has it.
    pub(crate) fn module_directory(&self) -> Option<String> {
        let release = self.place.release.as_deref()?;
        let candidates = [format!("/usr/lib/modules/{release}"), format!("/lib/modules/{release}")];
        candidates.into_iter().find(|path| self.tree.is_directory(path))
    }

    /// Whether a list of modules, `modules.builtin` or `modules.dep`, names one. `None`: there is no such list.
    pub(crate) fn list_has_module(&self, list: &str, module: &str) -> Option<bool> {
        let path = format!("{}/{list}", self.module_directory()?);
        let text = self.tree.text(&path).ok()??.text;
        let is_it = |word: &str| {
            let file = word.rsplit('/').next().unwrap_or(word);
            file.split('.').next().is_some_and(|name| name.replace('-', "_") == module)
        };
        Some(text.lines().any(|line| line.split(':').next().is_some_and(|path| is_it(path.trim()))))
    }
}

/// The setting in force for each key after a reader has applied all lines: the last one of the key itself, or else the
/// last pattern that matches it, unless the key is excluded (sysctl.d(5)).
pub(crate) fn outcome<'a>(entries: &'a [Entry], names: &[String]) -> BTreeMap<String, &'a Setting> {
    let mut exact: BTreeMap<&str, Option<&Setting>> = BTreeMap::new();
    let mut patterns: Vec<&Setting> = Vec::new();
    for entry in entries {
        match entry {
            Entry::Set(setting) if names::is_pattern(&setting.key) => patterns.push(setting),
            Entry::Set(setting) => {
                exact.insert(&setting.key, Some(setting));
            }
            Entry::Exclude { key } => {
                exact.insert(key, None);
            }
            Entry::Broken(_) => {}
        }
    }
    let mut outcome = BTreeMap::new();
    for setting in patterns {
        let matching = names.iter().filter(|name| !exact.contains_key(name.as_str()) && matches(&setting.key, name));
        outcome.extend(matching.map(|name| (name.clone(), setting)));
    }
    outcome.extend(exact.into_iter().filter_map(|(key, setting)| Some((key.to_owned(), setting?))));
    outcome
}

/// Whether a pattern matches a name. A star stays within its part, as in glob(7) on the path below /proc/sys.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    // Both have dots between the parts and slashes inside them; glob separates at slashes.
    let swapped = |text: &str| {
        let swap = |sign| match sign {
            '.' => '/',
            '/' => '.',
            other => other,
        };
        text.chars().map(swap).collect::<String>()
    };
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    glob::Pattern::new(&swapped(pattern)).is_ok_and(|pattern| pattern.matches_with(&swapped(name), options))
}

/// The names in /etc/passwd.
pub(crate) fn users(tree: &Tree<'_>) -> BTreeSet<String> {
    let text = tree.text("/etc/passwd").ok().flatten().map(|text| text.text).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect()
}

/// Names of sysctls below a root.
pub(crate) fn shown(root: &Path) -> Vec<String> {
    sysctl::names(root)
}
