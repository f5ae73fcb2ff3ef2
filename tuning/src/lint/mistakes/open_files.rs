//! The chain of limits on open files: fs.file-max for the host, fs.nr_open for a process, and what logins, units and
//! containers ask for.

use super::found::Found;
use crate::lint::containers::ContainerLine;
use crate::lint::limits::Limit;
use crate::lint::line::Line;
use crate::lint::numbers::numbers;
use crate::lint::subject::Subject;
use crate::lint::sysctl_d::Setting;
use crate::lint::units::UnitLine;
use crate::lint::value::Effective;

const NR_OPEN: &str = "fs.nr_open";
const FILE_MAX: &str = "fs.file-max";

/// The hard limit of a value such as `1024:524288`.
fn hard(value: &str) -> Option<u64> {
    value.rsplit(':').next()?.trim().parse().ok()
}

/// Hard limits on open files that some file asks for, with their lines.
fn asked(subject: &Subject<'_>) -> Vec<(Line, u64)> {
    let logins = subject.limits.nofile().filter(|limit| limit.bound.has_hard());
    let mut all: Vec<(Line, u64)> =
        logins.filter_map(|limit| Some((limit.at.clone(), limit.value.number()?))).collect();
    all.extend(units(subject));
    all
}

/// The same of units, managers and containers.
fn units(subject: &Subject<'_>) -> Vec<(Line, u64)> {
    let managers = ["system.conf", "user.conf"].map(|file| subject.units.winner(file, "DefaultLimitNOFILE"));
    let lines = subject.unit_nofile().into_iter().chain(managers.into_iter().flatten());
    let of_unit = |unit: &UnitLine| Some((unit.line.at.clone(), hard(&unit.line.value)?));
    let of_container = |line: &ContainerLine| match line {
        ContainerLine::Limit { at, name, hard, .. } if name.eq_ignore_ascii_case("nofile") => {
            Some((at.clone(), hard.parse().ok()?))
        }
        _ => None,
    };
    let mut all: Vec<(Line, u64)> =
        lines.filter_map(of_unit).chain(subject.containers.iter().filter_map(of_container)).collect();
    all.dedup();
    all
}

fn nr_open(subject: &Subject<'_>) -> Option<u64> {
    u64::try_from(subject.number_after_boot(NR_OPEN)?).ok()
}

pub(super) fn nr_open_below_limit(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |setting: &Setting| {
        let most = *numbers(&setting.value).first()?;
        let asked = asked(subject);
        let (line, limit) =
            asked.iter().max_by_key(|(_, limit)| *limit).filter(|(_, limit)| i128::from(*limit) > most)?;
        let says = format!(
            "{} asks for {limit} open files, and no hard limit can be above {NR_OPEN}. setrlimit() then fails with EPERM.",
            line.file
        );
        Some(Found::bad(&setting.at, says).mend(format!("{NR_OPEN} = {limit}")))
    };
    subject.winning(NR_OPEN).into_iter().filter_map(found).collect()
}

pub(super) fn file_max_lowered(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let Some(own) = subject.default(FILE_MAX) else { return Vec::new() };
    let found = |setting: &Setting| {
        // The kernel counts memory that is free at boot, so its own is near the formula.
        let most = *numbers(&setting.value).first().filter(|most| **most < own - own / 10)?;
        let says = format!(
            "This allows the whole host {most} open files. The kernel's own is about {own} here, and systemd raises it as far \
             as it goes. Beyond it, everybody but root gets ENFILE."
        );
        Some(Found::warn(&setting.at, says).mend("remove the line"))
    };
    subject.winning(FILE_MAX).into_iter().filter_map(found).collect()
}

pub(super) fn file_max_below_limit(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |setting: &Setting| {
        let most = *numbers(&setting.value).first()?;
        let asked = asked(subject);
        let (line, limit) =
            asked.iter().max_by_key(|(_, limit)| *limit).filter(|(_, limit)| i128::from(*limit) > most)?;
        let says =
            format!("{} allows one process {limit} open files, and this allows the whole host {most}.", line.file);
        Some(Found::warn(&setting.at, says).mend("remove the line"))
    };
    subject.winning(FILE_MAX).into_iter().filter_map(found).collect()
}

pub(super) fn login_limit_above_nr_open(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let Some(nr_open) = nr_open(subject) else { return Vec::new() };
    let found = |limit: &Limit| {
        let number = limit.value.number().filter(|number| *number > nr_open)?;
        let says = format!(
            "{number} is above {NR_OPEN}, which is {nr_open}. pam_limits cannot set it, and refuses the login of everybody whom \
             the line covers."
        );
        Some(Found::bad(&limit.at, says).mend(format!("write at most {nr_open}, or raise {NR_OPEN} before")))
    };
    subject.limits.nofile().filter(|limit| limit.bound.has_hard()).filter_map(found).collect()
}

pub(super) fn unit_limit_above_nr_open(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let Some(nr_open) = nr_open(subject) else { return Vec::new() };
    let found = |(line, limit): (Line, u64)| {
        let says = format!(
            "{limit} is above {NR_OPEN}, which is {nr_open}, and setrlimit() refuses it. systemd then gives less without \
             failing; a container does not start."
        );
        Found::warn(&line, says).mend(format!("write at most {nr_open}, or raise {NR_OPEN} before"))
    };
    units(subject).into_iter().filter(|(_, limit)| *limit > nr_open).map(found).collect()
}
