//! Names that the kernel does not have, does not have yet, or no longer has.

use super::found::Found;
use crate::lint::names;
use crate::lint::subject::Subject;
use crate::lint::sysctl_d::Setting;
use crate::lint::value::{Effective, Reach};

/// Each setting with whom it reaches.
fn reaches<'a>(subject: &Subject<'a>, values: &'a [Effective]) -> impl Iterator<Item = (&'a Setting, &'a Reach)> {
    let reach = |setting: &'a Setting| {
        let value = values.iter().find(|value| value.key == setting.key)?;
        Some((setting, &value.reach))
    };
    subject.sysctls.settings().filter_map(reach)
}

pub(super) fn removed(subject: &Subject<'_>, values: &[Effective]) -> Vec<Found> {
    let found = |(setting, reach): (&Setting, &Reach)| {
        let Reach::KernelTooNew { removed } = reach else { return None };
        let Setting { key, at, .. } = setting;
        let rule = subject.rule(key);
        let mut says = format!("The kernel has no {key} since {removed}, so this line does nothing.");
        if let Some(why) = rule.and_then(|rule| rule.how_it_fails.as_deref().or(rule.risk.as_deref())) {
            says = format!("{says} {why}");
        }
        let source = rule.map(|rule| rule.source.clone()).unwrap_or_default();
        Some(Found::warn(at, says).mend("remove the line").source(&source))
    };
    reaches(subject, values).filter_map(found).collect()
}

pub(super) fn of_newer_kernel(subject: &Subject<'_>, values: &[Effective]) -> Vec<Found> {
    let here = subject.place.release.as_deref().unwrap_or("older");
    let found = |(setting, reach): (&Setting, &Reach)| {
        let Reach::KernelTooOld { since } = reach else { return None };
        let Setting { key, at, .. } = setting;
        let says = format!("{key} exists from Linux {since} on. This kernel is {here}, so the line does nothing.");
        Some(Found::warn(at, says).mend("remove the line, or run a newer kernel"))
    };
    reaches(subject, values).filter_map(found).collect()
}

pub(super) fn misspelt(subject: &Subject<'_>, values: &[Effective]) -> Vec<Found> {
    let found = |(setting, reach): (&Setting, &Reach)| {
        let Reach::NoSuchSetting { nearest: Some(nearest) } = reach else { return None };
        let Setting { key, at, .. } = setting;
        let says = format!("There is no {key}. systemd skips the line without a word.");
        Some(Found::warn(at, says).mend(format!("write {nearest}, if that is meant")))
    };
    reaches(subject, values).filter_map(found).collect()
}

/// Of packages' files, and of lines marked as ones that may fail, absence is expected.
pub(super) fn unknown(subject: &Subject<'_>, values: &[Effective]) -> Vec<Found> {
    let found = |(setting, reach): (&Setting, &Reach)| {
        let is_expected = !setting.at.is_of_admin() || setting.may_fail;
        if is_expected || *reach != (Reach::NoSuchSetting { nearest: None }) {
            return None;
        }
        let says = format!("This kernel does not show {}, so the line does nothing here.", setting.key);
        Some(Found::info(&setting.at, says).mend("check the name, and whether a module brings it"))
    };
    reaches(subject, values).filter_map(found).collect()
}

pub(super) fn obsolete(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |setting: &Setting| {
        let rule = subject.rule(&setting.key)?;
        let why = rule.obsolete.as_deref()?;
        let says = format!("{} does not do what its name says. {why}", setting.key);
        Some(Found::info(&setting.at, says).mend("remove the line").source(&rule.source))
    };
    subject.sysctls.settings().filter_map(found).collect()
}

pub(super) fn before_module(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    if !subject.place.has_systemd {
        return Vec::new();
    }
    let found = |setting: &Setting| {
        let module = names::module(&setting.key)?;
        let is_loaded = subject.has(&setting.key);
        let is_built_in = subject.list_has_module("modules.builtin", module);
        let is_early = subject.modules.iter().any(|loaded| loaded == module) || has_udev_rule(subject, module);
        // Without the list of what is built in, a setting that is there may have been there from the start.
        if is_early || is_built_in == Some(true) || (is_loaded && is_built_in.is_none()) {
            return None;
        }
        let says = format!(
            "{} comes with the module {module}. At boot, sysctl.d is read before the module is loaded, and the line is lost.",
            setting.key
        );
        let mend = format!("echo {module} > /etc/modules-load.d/{module}.conf");
        let found = if is_loaded { Found::info(&setting.at, says) } else { Found::warn(&setting.at, says) };
        Some(found.mend(mend))
    };
    subject.sysctls.settings().filter(|setting| !setting.may_fail).filter_map(found).collect()
}

/// Whether a rule of udev sets the module's sysctls once it is loaded, as sysctl.d(5) shows.
fn has_udev_rule(subject: &Subject<'_>, module: &str) -> bool {
    let directory = "/etc/udev/rules.d";
    let names = subject.tree.names(directory).unwrap_or_default();
    let text = |name: &String| Some(subject.tree.text(&format!("{directory}/{name}")).ok()??.text);
    names.iter().filter_map(text).any(|text| {
        let mut lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        text.contains("sysctl") && lines.any(|line| line.contains(module))
    })
}
