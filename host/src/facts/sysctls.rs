//! Compares sysctls with what the kernel would set by itself on a host like this one, and lists those that somebody
//! changed. The defaults are in `table` and `defaults`.

mod default;
mod defaults;
mod table;

use serde::Serialize;

use super::source::{Source, sysctl_path};

use default::Default;
pub(super) use defaults::{Host, release};
use table::{Rule, SETTINGS};

/// Sysctls that matter here, compared with the kernel's defaults.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sysctls {
    /// Number of settings that were read and whose default is known.
    pub compared_count: usize,
    /// The settings that differ from the default.
    pub differing: Vec<ChangedSysctl>,
    /// Settings that were read, but whose default cannot be computed from what this host shows.
    pub not_computed: Vec<&'static str>,
}

/// A sysctl that differs from the kernel's default.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedSysctl {
    /// The name for sysctl(8).
    pub name: &'static str,
    /// The value that is set.
    pub value: String,
    /// What the kernel would have set. Several values if its release or build leaves a choice.
    pub default: String,
    /// How far a computed default may be from the exact one, in percent. Null if it is exact.
    pub tolerance_percent: Option<f64>,
    /// Where the kernel sets the default.
    pub source: &'static str,
}

pub(super) fn sysctls(source: &mut Source<'_>, host: &Host) -> Sysctls {
    let mut sysctls = Sysctls { compared_count: 0, differing: Vec::new(), not_computed: Vec::new() };
    for setting in SETTINGS {
        let Some(text) = source.text(&sysctl_path(setting.name)) else {
            continue;
        };
        let value = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let default = match (host.is_known(), &setting.rule) {
            (false, _) => Default::Unknown,
            (true, Rule::Is(value)) => Default::OneOf(vec![(*value).to_owned()]),
            (true, Rule::Computed(compute)) => compute(host),
        };
        if default == Default::Unknown {
            sysctls.not_computed.push(setting.name);
            continue;
        }
        sysctls.compared_count += 1;
        if !default.holds(&value) {
            let (default, tolerance_percent) = default.words();
            let name = setting.name;
            let source = setting.source;
            sysctls.differing.push(ChangedSysctl { name, value, default, tolerance_percent, source });
        }
    }
    sysctls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_stands_in_the_table_twice() {
        let mut names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(SETTINGS.iter().all(|setting| setting.source.contains('/')), "a source is a file of the kernel");
    }
}
