//! What a reader must know about the host before comparing numbers. Reads /sys and uname(2) once.

use serde::{Deserialize, Serialize};

use crate::namespace::{Namespace, namespace};
use std::fs;

/// Facts about the generator's host. What cannot be read is absent. If the host lacks a feature, its fact is `none`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Release of the kernel.
    pub kernel: Option<String>,
    /// Frequency governor of the first CPU.
    pub governor: Option<String>,
    /// CPU vulnerabilities: how many are mitigated, how many are not, and how many do not affect this CPU.
    pub mitigations: Option<String>,
    /// Whether this network namespace differs from that of the host's first process.
    pub is_in_own_namespace: bool,
}

impl HostFacts {
    /// Reads the facts of this host.
    pub fn read() -> HostFacts {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        HostFacts {
            kernel: Some(release).filter(|release| !release.is_empty()),
            governor: governor("/sys/devices/system/cpu/cpu0/cpufreq"),
            mitigations: mitigations("/sys/devices/system/cpu/vulnerabilities"),
            is_in_own_namespace: namespace() == Namespace::Own,
        }
    }
}

fn governor(directory: &str) -> Option<String> {
    if !fs::exists(directory).ok()? {
        return Some("none".into()); // usual in virtual machines
    }
    fs::read_to_string(format!("{directory}/scaling_governor")).ok().map(|text| text.trim().to_owned())
}

fn mitigations(directory: &str) -> Option<String> {
    let states = fs::read_dir(directory).ok()?.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
    Some(summary(states))
}

/// Each file says `Not affected`, `Vulnerable…`, or names its mitigation (kernel's admin-guide/hw-vuln).
fn summary(states: impl Iterator<Item = String>) -> String {
    let (mut mitigated, mut vulnerable, mut absent) = (0, 0, 0);
    for state in states {
        match state.trim() {
            state if state.starts_with("Not affected") => absent += 1,
            state if state.contains("Vulnerable") => vulnerable += 1,
            _ => mitigated += 1,
        }
    }
    format!("{mitigated} mitigated, {vulnerable} vulnerable, {absent} not affected")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vulnerabilities_are_counted() {
        let states =
            ["Not affected\n", "Vulnerable: no microcode\n", "Mitigation: PTI\n", "Mitigation: x; SMT Vulnerable"];
        let found = summary(states.into_iter().map(str::to_owned));
        assert_eq!(found, "1 mitigated, 2 vulnerable, 1 not affected");
        assert_eq!(governor("/nowhere"), Some("none".into()));
        assert_eq!(mitigations("/nowhere"), None);
        assert!(HostFacts::read().kernel.is_some());
    }
}
