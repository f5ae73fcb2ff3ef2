//! Which file is read, which wins, and what the kernel has instead.

use std::collections::{BTreeMap, BTreeSet};

use super::found::Found;
use crate::State;
use crate::lint::line::{Line, is_of_admin};
use crate::lint::numbers::is_same;
use crate::lint::subject::Subject;
use crate::lint::sysctl_d::{SYSCTL_CONF, Setting};
use crate::lint::value::{AfterReboot, Effective, FileRead, Standing};

/// Endings and beginnings of names that tell that nobody wants the file to be read.
const ASIDE: [&str; 15] = [
    "~",
    ".bak",
    ".old",
    ".orig",
    ".save",
    ".disabled",
    ".off",
    ".swp",
    ".md",
    ".rpmnew",
    ".rpmsave",
    ".rpmorig",
    ".example",
    ".sample",
    ".in",
];

pub(super) fn file_without_conf(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |path: &String| {
        let name = path.rsplit('/').next()?;
        let is_aside = name.starts_with(['.', '#']) || name.to_uppercase().starts_with("README");
        if is_aside || ASIDE.iter().any(|end| name.ends_with(end)) || name.contains(".dpkg-") || name.contains(".ucf-")
        {
            return None;
        }
        let text = subject.tree.text(path).ok()??.text;
        let sets = |line: &&str| {
            let line = line.trim();
            let is_comment = line.is_empty() || line.starts_with(['#', ';']);
            !is_comment && (line.contains('=') || path.contains("limits.d") && line.split_whitespace().count() == 4)
        };
        let (index, line) = text.lines().enumerate().find(|(_, line)| sets(line))?;
        let says = format!(
            "Nothing reads this file, because its name does not end in .conf. Line {} has no effect.",
            index + 1
        );
        Some(Found::warn(&Line::new(path, index, line), says).mend(format!("mv {path} {path}.conf")))
    };
    subject.files.others.iter().filter_map(found).collect()
}

pub(super) fn masked_file(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |file: &FileRead| {
        let Standing::Masked { by } = &file.standing else { return None };
        let is_mask = subject.files.list.iter().any(|other| &other.path == by && other.standing == Standing::Empty);
        let (what, mend) = match is_mask {
            true => ("links to /dev/null and switches it off", format!("nothing, if that is meant; or rm {by}")),
            false => ("has the same name and replaces all of it", format!("nothing, if that is meant; or rename {by}")),
        };
        Some(Found::info(&Line::file(&file.path), format!("This file is not read: {by} {what}.")).mend(mend))
    };
    subject.files.list.iter().filter_map(found).collect()
}

pub(super) fn sysctl_conf_not_read(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let Some(first) = subject.sysctls.unread.first() else { return Vec::new() };
    let says = "systemd does not read this file at boot, because no link in sysctl.d leads to it. Its lines take effect \
                only through `sysctl -p` or `sysctl --system`, and a reboot undoes them.";
    let mend = format!("mv {SYSCTL_CONF} /etc/sysctl.d/90-local.conf");
    vec![Found::warn(&first.at, says).mend(mend)]
}

pub(super) fn readers_disagree(subject: &Subject<'_>, values: &[Effective]) -> Vec<Found> {
    let found = |value: &Effective| {
        let boot = *subject.boot.get(&value.key)?;
        let other = *subject.by_sysctl.get(&value.key)?;
        value.wins_with_sysctl?;
        let says = format!(
            "systemd sets {} to {} at boot, from {}. `sysctl --system` sets it to {}, because it reads {SYSCTL_CONF} last.",
            value.key, boot.value, boot.at.file, other.value
        );
        Some(Found::warn(&other.at, says).mend("keep one of the two lines"))
    };
    values.iter().filter_map(found).collect()
}

pub(super) fn twice_in_a_file(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let mut last: BTreeMap<(&str, &str), &Setting> = BTreeMap::new();
    let mut found = Vec::new();
    for setting in subject.sysctls.settings() {
        let before = last.insert((&setting.at.file, &setting.key), setting);
        let Some(before) = before.filter(|before| !is_same(&before.value, &setting.value)) else { continue };
        let says = format!(
            "This file sets {} twice, and the last line wins: {} here, {} in line {}.",
            setting.key,
            setting.value,
            before.value,
            before.at.number.unwrap_or(0)
        );
        found.push(Found::warn(&setting.at, says).mend("keep one of the two lines"));
    }
    found
}

/// Packages' files are meant to be overruled from /etc, so only files of whoever runs the host can contradict.
pub(super) fn two_files(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let mut lines: BTreeMap<&str, Vec<&Setting>> = BTreeMap::new();
    for setting in subject.sysctls.boot.iter().filter_map(|entry| entry.setting()) {
        lines.entry(&setting.key).or_default().push(setting);
    }
    let mut found = Vec::new();
    for (key, settings) in lines {
        let Some(winner) = settings.last().filter(|winner| winner.at.is_of_admin()) else { continue };
        let mut files = BTreeSet::from([winner.at.file.as_str()]);
        for loser in settings.iter().rev().filter(|loser| is_of_admin(&loser.at.file)) {
            if files.insert(&loser.at.file) && !is_same(&loser.value, &winner.value) {
                let says = format!(
                    "{} sets {key}, too, and its name comes later, so {} wins and {} here has no effect.",
                    winner.at.file, winner.value, loser.value
                );
                found.push(Found::info(&loser.at, says).mend("remove the line that should not win"));
            }
        }
    }
    found
}

pub(super) fn live_differs(subject: &Subject<'_>, values: &[Effective]) -> Vec<Found> {
    let found = |value: &Effective| {
        let AfterReboot::Changes { to } = &value.after_reboot else { return None };
        let winner = subject.boot.get(&value.key)?;
        let live = value.live.as_deref()?;
        let says = format!(
            "The kernel has {live} for {}, and this line says {to}. Either the file was never applied, or somebody changed \
             the value since; a reboot sets {to}.",
            value.key
        );
        let mend = match live.is_empty() {
            true => "sysctl --system, if the file is right".to_owned(),
            false => format!("sysctl --system, if the file is right; or write {} = {live}", value.key),
        };
        let state = if winner.at.is_of_admin() { State::Warn } else { State::Info };
        Some(Found::new(state, &winner.at, says).mend(mend))
    };
    values.iter().filter_map(found).collect()
}
