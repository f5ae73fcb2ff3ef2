//! Reads what this process may do: capabilities, resource limits, seccomp and processors.

use serde::{Serialize, Serializer};

use super::source::Source;
use crate::text::field;

/// The capabilities of capabilities(7), in the order of their bits (include/uapi/linux/capability.h).
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// The capabilities that decide what can be set up or measured here: hard limits, namespaces and TUN devices, sysctls
/// and exemptions, locked rings, priorities, hardware counters, programs in the kernel, ports below 1024.
const CAPABILITIES_THAT_MATTER: [&str; 8] =
    ["net_bind_service", "net_admin", "ipc_lock", "sys_admin", "sys_nice", "sys_resource", "perfmon", "bpf"];

/// The capabilities that decide what can be set up here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// May raise its hard limits.
    pub sys_resource: Option<bool>,
    /// May create interfaces and devices in namespaces.
    pub net_admin: Option<bool>,
    /// Is exempt from fs.file-max, among many other things.
    pub sys_admin: Option<bool>,
    /// All effective capabilities, without their prefix `CAP_`. A bit without a name is `bit_` and its number.
    pub effective: Option<Vec<String>>,
    /// The capabilities that matter here and are not effective.
    pub missing: Option<Vec<&'static str>>,
}

/// Restrictions of this process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Process {
    /// off, strict or filter. A filter runs at every system call.
    pub seccomp: Option<&'static str>,
    /// Number of attached filters.
    pub seccomp_filter_count: Option<u64>,
    /// Whether starting a program can never give it more rights.
    pub no_new_privileges: Option<bool>,
    /// The processors on which it may run, as a list such as `0-3,8`.
    pub cpus_allowed: Option<String>,
    /// Its resource limits.
    pub limits: Limits,
}

impl Process {
    /// The file of its capabilities, its seccomp and its processors, below the root.
    pub const STATUS_PATH: &str = "proc/self/status";
}

/// Resource limits of the process that asks, getrlimit(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// RLIMIT_NOFILE: one more than the highest descriptor number.
    pub open_files: Option<Limit>,
    /// RLIMIT_MEMLOCK, in bytes: rings and registered buffers count against it before Linux 5.12.
    pub locked_memory_bytes: Option<Limit>,
    /// RLIMIT_NPROC: threads of the user.
    pub processes: Option<Limit>,
    /// RLIMIT_STACK, in bytes: the address space of a new thread, unless the program sets it.
    pub stack_bytes: Option<Limit>,
}

/// A resource limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// The limit that applies now.
    pub soft: Bound,
    /// How far the process may raise the limit by itself.
    pub hard: Bound,
}

/// A limit that may be absent. In JSON a number, or `"unlimited"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// At most this.
    At(u64),
    /// No limit.
    Unlimited,
}

impl Bound {
    /// A number, or the kernel's word for no limit.
    pub(super) fn parse(text: &str, unlimited: &str) -> Option<Bound> {
        if text == unlimited { Some(Bound::Unlimited) } else { text.parse().ok().map(Bound::At) }
    }

    /// The tighter of the two.
    pub(super) fn min(self, other: Bound) -> Bound {
        match (self, other) {
            (Bound::At(one), Bound::At(two)) => Bound::At(one.min(two)),
            (Bound::Unlimited, bound) | (bound, Bound::Unlimited) => bound,
        }
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Bound::At(number) => serializer.serialize_u64(*number),
            Bound::Unlimited => serializer.serialize_str("unlimited"),
        }
    }
}

pub(super) fn capabilities(source: &mut Source<'_>) -> Capabilities {
    let effective = source.parsed(Process::STATUS_PATH, "CapEff in hexadecimal", |text| {
        u64::from_str_radix(field(text, "CapEff")?, 16).ok()
    });
    let effective = effective.map(capability_names);
    let has = |name: &str| effective.as_ref().map(|names| names.iter().any(|found| found == name));
    // Before raising a hard limit (setrlimit(2)) or exceeding fs.file-max, the kernel checks these two in the first
    // user namespace. Those of another namespace do not help (user_namespaces(7)).
    let is_first = !has_user_namespace(source);
    let over_host = |name: &str| has(name).map(|has| has && is_first);
    Capabilities {
        sys_resource: over_host("sys_resource"),
        net_admin: has("net_admin"),
        sys_admin: over_host("sys_admin"),
        missing: effective
            .as_ref()
            .map(|_| CAPABILITIES_THAT_MATTER.into_iter().filter(|name| has(name) == Some(false)).collect()),
        effective,
    }
}

/// Whether this process is in another user namespace than the first. In the first one, a single line maps everything
/// to itself (user_namespaces(7)).
pub(super) fn has_user_namespace(source: &mut Source<'_>) -> bool {
    let map = source.text("proc/self/uid_map").unwrap_or_default();
    !map.is_empty() && map.split_whitespace().ne(["0", "0", "4294967295"])
}

fn capability_names(set: u64) -> Vec<String> {
    let bits = (0..u64::BITS as usize).filter(|bit| set >> bit & 1 == 1);
    bits.map(|bit| CAPABILITIES.get(bit).map_or_else(|| format!("bit_{bit}"), |name| (*name).to_owned())).collect()
}

pub(super) fn process(source: &mut Source<'_>) -> Process {
    let status = source.text(Process::STATUS_PATH).unwrap_or_default();
    Process {
        // 0, 1 and 2 in proc_pid_status(5).
        seccomp: match field(&status, "Seccomp") {
            Some("0") => Some("off"),
            Some("1") => Some("strict"),
            Some("2") => Some("filter"),
            _ => None,
        },
        seccomp_filter_count: field(&status, "Seccomp_filters").and_then(|text| text.parse().ok()),
        no_new_privileges: field(&status, "NoNewPrivs").map(|text| text == "1"),
        cpus_allowed: field(&status, "Cpus_allowed_list").map(str::to_owned),
        limits: limits(source),
    }
}

fn limits(source: &mut Source<'_>) -> Limits {
    let text = source.text("proc/self/limits").unwrap_or_default();
    Limits {
        open_files: limit(&text, "Max open files"),
        locked_memory_bytes: limit(&text, "Max locked memory"),
        processes: limit(&text, "Max processes"),
        stack_bytes: limit(&text, "Max stack size"),
    }
}

/// `Max open files            1024                 524288               files`.
fn limit(text: &str, name: &str) -> Option<Limit> {
    let mut words = text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace();
    let mut bound = || Bound::parse(words.next()?, "unlimited");
    Some(Limit { soft: bound()?, hard: bound()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_named_by_their_bits() {
        assert_eq!(capability_names(0), Vec::<String>::new());
        assert_eq!(capability_names(1 << 12 | 1 << 24), ["net_admin", "sys_resource"]);
        assert_eq!(capability_names(1 | 1 << 40 | 1 << 63), ["chown", "checkpoint_restore", "bit_63"]);
        assert!(CAPABILITIES_THAT_MATTER.iter().all(|name| CAPABILITIES.contains(name)));
    }

    /// As any user in `unshare --user --map-root-user`, whose set of capabilities is full.
    #[test]
    fn the_rights_of_a_user_namespace_are_none_over_the_host() {
        let root = std::env::temp_dir().join(format!("tuning-rights-{}", std::process::id()));
        std::fs::create_dir_all(root.join("proc/self")).unwrap();
        std::fs::write(root.join("proc/self/status"), "CapEff:\t000001ffffffffff\n").unwrap();
        for (map, expected) in [("0 0 4294967295\n", true), ("0 65534 1\n", false)] {
            std::fs::write(root.join("proc/self/uid_map"), map).unwrap();
            let found = capabilities(&mut Source::new(&root));
            assert_eq!((found.sys_resource, found.sys_admin), (Some(expected), Some(expected)), "{map}");
            assert_eq!(found.net_admin, Some(true), "its own network namespace is its own");
        }
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn limits_are_numbers_or_unlimited() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max stack size            8388608              unlimited            bytes     \n\
                    Max open files            20000\n";
        let expected = Limit { soft: Bound::At(8_388_608), hard: Bound::Unlimited };
        assert_eq!(limit(text, "Max stack size"), Some(expected));
        assert_eq!(serde_json::to_string(&expected).unwrap(), r#"{"soft":8388608,"hard":"unlimited"}"#);
        assert_eq!(limit(text, "Max open files"), None);
        assert_eq!(limit(text, "Max processes"), None);
    }

    #[test]
    fn the_tighter_bound_counts() {
        for (one, other, expected) in [
            (Bound::Unlimited, Bound::Unlimited, Bound::Unlimited),
            (Bound::Unlimited, Bound::At(5), Bound::At(5)),
            (Bound::At(7), Bound::Unlimited, Bound::At(7)),
            (Bound::At(7), Bound::At(5), Bound::At(5)),
        ] {
            assert_eq!(one.min(other), expected);
        }
    }
}
