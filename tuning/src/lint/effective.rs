//! Who wins, what is live, what a reboot would change, and whom it reaches.

use std::collections::BTreeMap;

use ::host::Namespace;
use ::host::sysctl::{Access, access};

use super::containers::ContainerLine;
use super::limits::Bound;
use super::names;
use super::numbers::is_same;
use super::refusal::is_refused;
use super::subject::{Subject, matches};
use super::sysctl_d::{Entry, Setting};
use super::units;
use super::value::{AfterReboot, Assignment, Effective, Reach};
use crate::knowledge::{InNamespaces, Scope, release};

/// kernel.* that belong to an IPC or UTS namespace (ipc_namespaces(7), uts_namespaces(7)).
const NAMESPACED: [&str; 9] = [
    "kernel.hostname",
    "kernel.domainname",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

/// All settings that a file assigns, sysctls first.
pub(crate) fn values(subject: &Subject<'_>) -> Vec<Effective> {
    let mut values = sysctls(subject);
    values.extend(limits(subject));
    values.extend(of_units(subject));
    values.extend(of_containers(subject));
    values
}

fn sysctls(subject: &Subject<'_>) -> Vec<Effective> {
    let mut by_key: BTreeMap<String, Vec<&Setting>> = BTreeMap::new();
    for setting in subject.sysctls.settings() {
        let matching: Vec<&String> = match names::is_pattern(&setting.key) {
            true => subject.names.iter().filter(|name| matches(&setting.key, name)).collect(),
            false => vec![&setting.key],
        };
        for key in matching.iter().copied().chain(matching.is_empty().then_some(&setting.key)) {
            by_key.entry(key.clone()).or_default().push(setting);
        }
    }
    by_key.into_iter().map(|(key, settings)| sysctl(subject, key, &settings)).collect()
}

fn sysctl(subject: &Subject<'_>, key: String, settings: &[&Setting]) -> Effective {
    let has =
        |entries: &[Entry], setting: &Setting| entries.iter().filter_map(Entry::setting).any(|each| each == setting);
    let assignments: Vec<Assignment> = settings
        .iter()
        .map(|setting| Assignment {
            file: setting.at.file.clone(),
            line: setting.at.number.unwrap_or(0),
            value: setting.value.clone(),
            at_boot: has(&subject.sysctls.boot, setting),
            by_sysctl: has(&subject.sysctls.by_sysctl, setting),
        })
        .collect();
    let place = |winner: Option<&&Setting>| {
        let winner = *winner?;
        settings.iter().position(|setting| *setting == winner || subject.sysctls.is_link_of(setting, winner))
    };
    let wins = place(subject.boot.get(&key));
    let other = place(subject.by_sysctl.get(&key));
    let wins_with_sysctl = other.filter(|other| wins.is_none_or(|wins| settings[wins].value != settings[*other].value));
    let live = subject.live(&key);
    let reach = reach(subject, &key, live.is_some());
    let after_reboot = after_reboot(subject, &key, wins.map(|wins| settings[wins]), live.as_deref());
    Effective { key, assignments, wins, wins_with_sysctl, live, after_reboot, reach }
}

fn after_reboot(subject: &Subject<'_>, key: &str, winner: Option<&Setting>, live: Option<&str>) -> AfterReboot {
    let unknown = |because: &str| AfterReboot::Unknown { because: because.to_owned() };
    if subject.place.is_container {
        return unknown("this is a container, and no boot reads its files");
    }
    let Some(live) = live else { return unknown("the kernel does not have the setting now") };
    let Some(winner) = winner else { return unknown("no file that the boot reads sets it") };
    if is_refused(subject, winner) {
        return unknown("the kernel refuses the value in the file");
    }
    let module = names::module(key).filter(|module| !subject.modules.iter().any(|loaded| loaded == module));
    if module.is_some_and(|module| subject.list_has_module("modules.builtin", module) != Some(true)) {
        return unknown("its module may be loaded after the files are read");
    }
    match is_same(live, &winner.value) {
        true => AfterReboot::Same,
        false => AfterReboot::Changes { to: winner.value.clone() },
    }
}

/// Whom a sysctl reaches, or why it is absent.
pub(crate) fn reach(subject: &Subject<'_>, key: &str, is_readable: bool) -> Reach {
    let rule = subject.rule(key);
    if !(is_readable || subject.has(key)) {
        return absent(subject, key);
    }
    let is_child = subject.place.namespace == Namespace::Own;
    let read_only = rule.is_some_and(|rule| rule.in_namespaces == Some(InNamespaces::ReadOnly)) && is_child;
    // To an ordinary user nearly everything is read-only, and that says nothing of the place.
    let refused = subject.place.is_root && access(subject.tree.root(), key) == Access::ReadOnly;
    if read_only || refused {
        return Reach::ReadOnlyHere;
    }
    match rule.map(|rule| rule.scope) {
        Some(Scope::Host) => Reach::HostWide,
        Some(Scope::Namespace) => Reach::OfThisNamespace,
        _ if key.starts_with("net.") || key.starts_with("fs.mqueue.") || NAMESPACED.contains(&key) => Reach::Present,
        _ => Reach::HostWide,
    }
}

fn absent(subject: &Subject<'_>, key: &str) -> Reach {
    if subject.names.is_empty() {
        return Reach::NotShown;
    }
    let rule = subject.rule(key);
    let here = subject.release();
    let bound = |version: &Option<String>| version.clone().filter(|version| release(version).is_some());
    if let Some(removed) = rule.and_then(|rule| bound(&rule.removed)).filter(|removed| here >= release(removed)) {
        return Reach::KernelTooNew { removed };
    }
    let too_old = |since: &String| here.is_some() && here < release(since);
    if let Some(since) = rule.and_then(|rule| bound(&rule.since)).filter(too_old) {
        return Reach::KernelTooOld { since };
    }
    let hidden = rule.is_some_and(|rule| rule.in_namespaces == Some(InNamespaces::Absent));
    if hidden && subject.place.namespace == Namespace::Own {
        return Reach::NotInThisNamespace;
    }
    if let Some(module) = names::module(key) {
        return Reach::ModuleNotLoaded { module: module.to_owned() };
    }
    if names::interface(key).is_some_and(|(_, default)| subject.has(&default)) {
        return Reach::NoSuchInterface;
    }
    if rule.is_some() || names::is_pattern(key) {
        return Reach::NotInThisKernel;
    }
    let nearest = names::nearest(key, subject.known_names()).map(str::to_owned);
    Reach::NoSuchSetting { nearest }
}

/// Those of limits.conf, by domain, kind and item.
fn limits(subject: &Subject<'_>) -> Vec<Effective> {
    let mut by_key: BTreeMap<String, Vec<Assignment>> = BTreeMap::new();
    for limit in &subject.limits.lines {
        let kinds: &[&str] = match limit.bound {
            Bound::Soft => &["soft"],
            Bound::Hard => &["hard"],
            Bound::Both => &["soft", "hard"],
        };
        for kind in kinds {
            let key = format!("{} {kind} {}", limit.domain, limit.item);
            by_key.entry(key).or_default().push(assignment(&limit.at, &limit.written));
        }
    }
    files_only(by_key, &Reach::OfLogins)
}

fn of_units(subject: &Subject<'_>) -> Vec<Effective> {
    let mut by_key: BTreeMap<String, Vec<Assignment>> = BTreeMap::new();
    for (unit, lines) in &subject.units.of {
        for line in lines.iter().filter(|line| units::is_in_place(line)) {
            let key = format!("{unit} {}", line.line.key);
            by_key.entry(key).or_default().push(assignment(&line.line.at, &line.line.value));
        }
    }
    files_only(by_key, &Reach::OfAUnit)
}

fn of_containers(subject: &Subject<'_>) -> Vec<Effective> {
    let mut by_key: BTreeMap<String, Vec<Assignment>> = BTreeMap::new();
    for line in subject.containers {
        let (at, name, value) = match line {
            ContainerLine::Sysctl { at, key, value } => (at, key, value.clone()),
            ContainerLine::Limit { at, name, soft, hard } => (at, name, format!("{soft}:{hard}")),
            ContainerLine::DockerSysctls { .. } | ContainerLine::Broken { .. } => continue,
        };
        // Settings of one Quadlet say nothing of another.
        let file = at.file.rsplit('/').next().unwrap_or_default();
        by_key.entry(format!("{file} {name}")).or_default().push(assignment(at, &value));
    }
    files_only(by_key, &Reach::OfContainers)
}

fn assignment(at: &super::line::Line, value: &str) -> Assignment {
    let line = at.number.unwrap_or(0);
    Assignment { file: at.file.clone(), line, value: value.to_owned(), at_boot: true, by_sysctl: false }
}

/// Settings whose value no file of the kernel shows: the last one wins.
fn files_only(by_key: BTreeMap<String, Vec<Assignment>>, reach: &Reach) -> Vec<Effective> {
    let value = |(key, assignments): (String, Vec<Assignment>)| Effective {
        key,
        wins: assignments.len().checked_sub(1),
        wins_with_sysctl: None,
        assignments,
        live: None,
        after_reboot: AfterReboot::Unknown { because: "each process has its own".to_owned() },
        reach: reach.clone(),
    };
    by_key.into_iter().map(value).collect()
}
