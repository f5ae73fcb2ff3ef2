//! How many threads and how much memory this process may still use, according to kernel settings and its cgroups.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// What is left, and which limits could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// Maximum number of threads: the least of `threads-max`, `pid_max` and `pids.max`.
    pub threads_max: Option<u64>,
    /// The memory cgroup of this process, or an ancestor, that leaves the least. `None` means no limit.
    pub cgroup_memory: Option<CgroupMemory>,
    /// Whether a memory cgroup accounts for the objects of this process.
    pub charges_memory: bool,
    /// What could not be read: its meaning, and the file.
    pub unreadable: Vec<(&'static str, String)>,
}

/// A limit of a memory cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CgroupMemory {
    /// The limit in bytes.
    pub limit: u64,
    /// What it still allows, in bytes.
    pub left: u64,
}

impl Room {
    /// What is left on the host below `root`, which contains `proc` and `sys`.
    pub fn read(root: &Path) -> Room {
        let groups = Cgroups::read(root);
        let threads = ["proc/sys/kernel/threads-max", "proc/sys/kernel/pid_max"].map(|path| number(&root.join(path)));
        let pids = groups.limits("pids", "pids.max", "pids.max").into_iter();
        let always = [
            ("threads there may be", "proc/sys/kernel/threads-max"),
            ("numbers of threads", "proc/sys/kernel/pid_max"),
            ("the cgroups of this process", "proc/self/cgroup"),
        ];
        let missing = |path: &str| fs::read_to_string(root.join(path)).is_err();
        let always =
            always.into_iter().filter(|(_, path)| missing(path)).map(|(what, path)| (what, format!("/{path}")));
        Room {
            threads_max: threads.into_iter().flatten().chain(pids.map(|(max, _)| max)).min(),
            cgroup_memory: groups.memory(),
            charges_memory: groups.charges_memory(),
            unreadable: always.chain(groups.unreadable()).collect(),
        }
    }
}

/// The cgroups of this process, from cgroup(7) version 1 or 2.
struct Cgroups<'a> {
    root: &'a Path,
    /// Lines `hierarchy:controllers:path` of /proc/self/cgroup.
    lines: String,
}

impl<'a> Cgroups<'a> {
    fn read(root: &'a Path) -> Self {
        Cgroups { root, lines: fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default() }
    }

    /// The directory of the group for a controller of this process, the path below its mount, and whether it is
    /// version 2.
    fn group(&self, controller: &str) -> Option<(PathBuf, &str, bool)> {
        let parts = self.lines.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            Some((controllers, path))
        });
        let mut unified = None;
        for (controllers, path) in parts {
            if controllers.split(',').any(|name| name == controller) {
                return Some((self.root.join("sys/fs/cgroup").join(controller), path, false));
            }
            if controllers.is_empty() {
                unified = Some((self.root.join("sys/fs/cgroup"), path, true));
            }
        }
        unified
    }

    /// Objects are charged to every group but the root (linux mm/memcontrol.c).
    fn charges_memory(&self) -> bool {
        self.group("memory").is_some_and(|(_, path, _)| path != "/")
    }

    /// The limits of a group and of its ancestors, each with its directory.
    fn limits(&self, controller: &str, file_v1: &str, file_v2: &str) -> Vec<(u64, PathBuf)> {
        let Some((mount, path, is_v2)) = self.group(controller) else {
            return Vec::new();
        };
        if is_above(path) {
            return Vec::new();
        }
        let file = if is_v2 { file_v2 } else { file_v1 };
        let below = Path::new(path.trim_start_matches('/'));
        below
            .ancestors()
            .map(|ancestor| mount.join(ancestor))
            .filter_map(|directory| Some((number(&directory.join(file))?, directory)))
            .collect()
    }

    /// Limits of groups that this process may not read, and memory limits whose use cannot be read. A missing file
    /// means no limit, as in the root group. But if the group itself is hidden, nothing is known.
    fn unreadable(&self) -> Vec<(&'static str, String)> {
        let mut missing = Vec::new();
        for (what, controller, [limit_v1, limit_v2], [used_v1, used_v2]) in [
            ("threads the cgroup allows", "pids", ["pids.max"; 2], ["pids.current"; 2]),
            (
                "memory the cgroup allows",
                "memory",
                ["memory.limit_in_bytes", "memory.max"],
                ["memory.usage_in_bytes", "memory.current"],
            ),
        ] {
            let Some((mount, path, is_v2)) = self.group(controller) else { continue };
            if is_above(path) {
                missing.push((what, "/proc/self/cgroup".to_owned()));
                continue;
            }
            let own = mount.join(path.trim_start_matches('/'));
            // Every group has this file, even the root (cgroup-v2.rst, "Core Interface Files"; cgroup-v1/cgroups.rst
            // 1.2). A directory without it is a mount point without its mount.
            let members = own.join("cgroup.procs");
            if !members.exists() {
                missing.push((what, members.display().to_string()));
                continue;
            }
            let (limit, used) = if is_v2 { (limit_v2, used_v2) } else { (limit_v1, used_v1) };
            for directory in own.ancestors().take_while(|directory| directory.starts_with(&mount)) {
                let [limit, used] = [limit, used].map(|file| directory.join(file));
                let has_limit = match fs::read_to_string(&limit) {
                    Ok(text) => text.trim() != "max",
                    // Both files come with the controller, so if only one is missing, it has been hidden.
                    Err(error) if error.kind() == io::ErrorKind::NotFound && !used.exists() => false,
                    Err(_) => {
                        missing.push((what, limit.display().to_string()));
                        continue;
                    }
                };
                if has_limit && controller == "memory" && number(&used).is_none() {
                    missing.push((what, used.display().to_string()));
                }
            }
        }
        missing
    }

    fn memory(&self) -> Option<CgroupMemory> {
        let limits = self.limits("memory", "memory.limit_in_bytes", "memory.max");
        let known = limits.into_iter().filter_map(|(limit, directory)| {
            let used =
                ["memory.current", "memory.usage_in_bytes"].iter().find_map(|file| number(&directory.join(file)));
            // Version 1 writes "no limit" as the largest multiple of a page in a signed number.
            (limit < 1 << 62).then(|| CgroupMemory { limit, left: limit.saturating_sub(used.unwrap_or(0)) })
        });
        known.min_by_key(|memory| memory.left)
    }
}

/// Whether a path of /proc/self/cgroup leads out of the cgroup namespace (cgroup_namespaces(7)). If so, what is below
/// the mount belongs to other groups.
fn is_above(path: &str) -> bool {
    Path::new(path).components().any(|component| component == Component::ParentDir)
}

/// One number. `None` for `max`, an absent file and nonsense.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
