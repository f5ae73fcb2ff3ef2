//! Where the files are in force: facts about the host that the linter judges by. Data only; the caller gathers them.

use ::host::{Facts, Namespace};

use crate::knowledge::Variables;

/// What the linter must know of a host besides its files.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// What formulas of rules are computed from.
    pub variables: Variables,
    /// The kernel's release, `uname -r`.
    pub release: Option<String>,
    /// Whether this process is in the first network namespace.
    pub namespace: Namespace,
    /// Whether systemd is the first process: the directory /run/systemd/system exists (sd_booted(3)).
    pub has_systemd: bool,
    /// Whether this is a container, whose files no boot of the host reads.
    pub is_container: bool,
    /// Whether this user is root, so that a setting that cannot be written is read-only for everybody here.
    pub is_root: bool,
    /// Ports that programs listen on.
    pub listening: Vec<u16>,
}

impl Place {
    /// The place of a host's facts. What the facts do not have is passed in.
    pub fn of(facts: &Facts, namespace: Namespace, has_systemd: bool, is_root: bool, listening: Vec<u16>) -> Place {
        Place {
            variables: Variables::of(facts),
            release: facts.kernel.release.clone(),
            namespace,
            has_systemd,
            is_container: !has_systemd && !facts.container.hints.is_empty(),
            is_root,
            listening,
        }
    }
}
