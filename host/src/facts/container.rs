//! Reads what limits this process from outside: control groups and signs of a container. Follows the paths of groups
//! but does not keep them, because they name the host's services.

use std::path::Path;

use serde::Serialize;

use super::process::{Bound, has_user_namespace};
use super::source::Source;

/// Where control groups are mounted (cgroups(7)).
const MOUNT: &str = "sys/fs/cgroup";

/// How many nested groups to follow upwards. The kernel has no default limit of its own.
const DEPTH_MAX: usize = 64;

/// What limits this process from outside.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Container {
    /// Signs of a container. Each can also have another cause.
    pub hints: Vec<&'static str>,
    /// Limits of the control groups this process is in.
    pub cgroup: Cgroup,
}

/// Limits of this process's control groups: the tightest on the path to the root, as far as this process can see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cgroup {
    /// 1 or 2. Null without control groups. If both are mounted, the one that limits memory.
    pub version: Option<u64>,
    /// Processor time per second of time, in thousandths of a processor.
    pub cpu_millis: Option<Bound>,
    /// Memory, including the kernel's memory for sockets.
    pub memory_bytes: Option<Bound>,
    /// Processes and threads.
    pub pids: Option<Bound>,
}

impl Cgroup {
    /// The limits of this process's groups, read from a handful of files.
    pub fn of_this_process() -> Cgroup {
        let mut source = Source::new(Path::new("/"));
        let groups = source.text("proc/self/cgroup").unwrap_or_default();
        cgroup(&mut source, &groups)
    }
}

pub(super) fn container(source: &mut Source<'_>) -> Container {
    let groups = source.text("proc/self/cgroup").unwrap_or_default();
    Container { hints: hints(source, &groups), cgroup: cgroup(source, &groups) }
}

fn hints(source: &mut Source<'_>, groups: &str) -> Vec<&'static str> {
    let mut hints = Vec::new();
    for (file, hint) in [
        (".dockerenv", "docker file"),
        ("run/.containerenv", "podman file"),
        ("run/systemd/container", "systemd-nspawn or similar"),
        ("var/run/secrets/kubernetes.io", "kubernetes secrets"),
    ] {
        if source.exists(file) {
            hints.push(hint);
        }
    }
    let names = ["docker", "kubepods", "libpod", "lxc", "containerd"];
    if names.iter().any(|name| groups.contains(name)) {
        hints.push("control group named by a container manager");
    }
    if has_user_namespace(source) {
        hints.push("user namespace");
    }
    hints
}

fn cgroup(source: &mut Source<'_>, groups: &str) -> Cgroup {
    let unified = group(groups, |controllers| controllers.is_empty());
    let legacy_memory = group(groups, |controllers| controllers == "memory");
    if legacy_memory.is_some() || (unified.is_none() && !groups.is_empty()) {
        return Cgroup {
            version: Some(1),
            cpu_millis: tightest(source, "/cpu", group(groups, |list| list.split(',').any(|name| name == "cpu")), cfs),
            memory_bytes: tightest(source, "/memory", legacy_memory, |source, folder| {
                let bytes = source.number(&format!("{folder}/memory.limit_in_bytes"))?;
                // "No limit" is the largest multiple of a page in a signed number (mm/memcontrol-v1.c).
                Some(if bytes >= i64::MAX as u64 - 65_535 { Bound::Unlimited } else { Bound::At(bytes) })
            }),
            pids: tightest(source, "/pids", group(groups, |controllers| controllers == "pids"), pids),
        };
    }
    Cgroup {
        version: unified.map(|_| 2),
        cpu_millis: tightest(source, "", unified, |source, folder| {
            source.parsed(&format!("{folder}/cpu.max"), "quota and period", cpu_max)
        }),
        memory_bytes: tightest(source, "", unified, |source, folder| {
            source.parsed(&format!("{folder}/memory.max"), "bytes or max", |text| Bound::parse(text, "max"))
        }),
        pids: tightest(source, "", unified, pids),
    }
}

/// The path of the first group whose list of controllers fits, from lines such as `4:memory:/some/path`.
fn group(groups: &str, fits: impl Fn(&str) -> bool) -> Option<&str> {
    groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        fits(controllers).then_some(path)
    })
}

/// The tightest limit between the group's folder and the mount. In a container the path may be the host's, of which
/// only the mount itself is visible. A folder without the file sets no limit.
fn tightest(
    source: &mut Source<'_>,
    controller: &str,
    group: Option<&str>,
    mut read: impl FnMut(&mut Source<'_>, &str) -> Option<Bound>,
) -> Option<Bound> {
    // A path that leaves the visible part of the tree begins with `/..` (cgroup_namespaces(7)).
    let mut path = group?.trim_end_matches('/').to_owned();
    if path.contains("..") {
        path.clear();
    }
    let mut bound: Option<Bound> = None;
    for _ in 0..DEPTH_MAX {
        if let Some(here) = read(source, &format!("{MOUNT}{controller}{path}")) {
            bound = Some(bound.map_or(here, |tightest| tightest.min(here)));
        }
        let Some((parent, _)) = path.rsplit_once('/') else {
            break;
        };
        path.truncate(parent.len());
    }
    bound
}

fn pids(source: &mut Source<'_>, folder: &str) -> Option<Bound> {
    source.parsed(&format!("{folder}/pids.max"), "a number or max", |text| Bound::parse(text, "max"))
}

fn cfs(source: &mut Source<'_>, folder: &str) -> Option<Bound> {
    let quota: i64 = source.parsed(&format!("{folder}/cpu.cfs_quota_us"), "one number", |text| text.parse().ok())?;
    let period = source.number(&format!("{folder}/cpu.cfs_period_us"))?;
    match u64::try_from(quota) {
        Ok(quota) => share(quota, period),
        Err(_) => Some(Bound::Unlimited), // -1 says so
    }
}

/// `max 100000` or `150000 100000`.
fn cpu_max(text: &str) -> Option<Bound> {
    let (quota, period) = text.split_once(' ')?;
    match Bound::parse(quota, "max")? {
        Bound::Unlimited => Some(Bound::Unlimited),
        Bound::At(quota) => share(quota, period.trim().parse().ok()?),
    }
}

fn share(quota: u64, period: u64) -> Option<Bound> {
    quota.checked_mul(1000)?.checked_div(period).map(Bound::At)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_shares() {
        for (text, expected) in [
            ("max 100000", Some(Bound::Unlimited)),
            ("150000 100000", Some(Bound::At(1500))),
            ("150000 0", None),
            ("150000", None),
            ("x 100000", None),
        ] {
            assert_eq!(cpu_max(text), expected, "{text:?}");
        }
    }

    #[test]
    fn groups_are_found_by_their_controllers() {
        let text = "5:cpu,cpuacct:/a\n4:memory:/b/c\n0::/d";
        assert_eq!(group(text, |list| list == "memory"), Some("/b/c"));
        assert_eq!(group(text, str::is_empty), Some("/d"));
        assert_eq!(group(text, |list| list.split(',').any(|name| name == "cpu")), Some("/a"));
        assert_eq!(group("nonsense", str::is_empty), None);
    }
}
