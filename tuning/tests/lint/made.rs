//! Made-up hosts: a root with /proc/sys, a place, and what is known of a few settings.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use host::Namespace;
use tuning::knowledge::{Knowledge, Variables};
use tuning::lint::{Effective, Lint, MistakeKind, Place};

/// A root directory that goes away with the test. A text that begins with `-> ` makes a link.
pub(crate) struct Root(pub(crate) PathBuf);

impl Root {
    pub(crate) fn new(files: &[(&str, &str)]) -> Root {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Thousands of small files: in memory where there is such a file system.
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let path = base.join(format!("lint-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path); // what a killed test has left behind
        fs::create_dir_all(&path).unwrap();
        let root = Root(path);
        for (file, contents) in files {
            root.write(file, contents.as_bytes());
        }
        root
    }

    pub(crate) fn write(&self, file: &str, contents: &[u8]) {
        let file = self.0.join(file.trim_start_matches('/'));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&file); // a test replaces what another table has
        match contents.strip_prefix(b"-> ") {
            Some(target) => symlink(std::str::from_utf8(target).unwrap(), &file).unwrap(),
            None => fs::write(&file, contents).unwrap(),
        }
    }

    pub(crate) fn lint(&self, place: &Place) -> Lint {
        self.lint_by(&knowledge(), place)
    }

    pub(crate) fn lint_by(&self, knowledge: &Knowledge, place: &Place) -> Lint {
        Lint::of(&self.0, knowledge, place)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A host with systemd, Linux 6.18, 16 GiB and 8 CPUs.
pub(crate) fn place() -> Place {
    let variables = Variables {
        ram: Some(16.0 * 1024.0 * 1024.0 * 1024.0),
        free_pages: Some(4_194_304.0),
        page: Some(4096.0),
        cpus: Some(8.0),
        ehash: Some(131_072.0),
        ..Variables::default()
    };
    Place {
        variables,
        release: Some("6.18.5".to_owned()),
        namespace: Namespace::First,
        has_systemd: true,
        is_container: false,
        is_root: true,
        listening: vec![22],
    }
}

/// What the kernel of that host shows.
pub(crate) const KERNEL: &[(&str, &str)] = &[
    ("proc/sys/fs/file-max", "9223372036854775807\n"),
    ("proc/sys/fs/nr_open", "1048576\n"),
    ("proc/sys/fs/protected_fifos", "1\n"),
    ("proc/sys/fs/protected_hardlinks", "1\n"),
    ("proc/sys/fs/protected_regular", "2\n"),
    ("proc/sys/fs/protected_symlinks", "1\n"),
    ("proc/sys/fs/suid_dumpable", "2\n"),
    ("proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h\n"),
    ("proc/sys/kernel/core_pipe_limit", "16\n"),
    ("proc/sys/kernel/core_uses_pid", "1\n"),
    ("proc/sys/kernel/kptr_restrict", "1\n"),
    ("proc/sys/kernel/pid_max", "4194304\n"),
    ("proc/sys/kernel/printk", "4\t4\t1\t7\n"),
    ("proc/sys/kernel/sysrq", "176\n"),
    ("proc/sys/kernel/yama/ptrace_scope", "1\n"),
    ("proc/sys/net/core/default_qdisc", "fq_codel\n"),
    ("proc/sys/net/core/netdev_max_backlog", "1000\n"),
    ("proc/sys/net/core/optmem_max", "131072\n"),
    ("proc/sys/net/core/rmem_max", "4194304\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/sys/net/core/wmem_max", "4194304\n"),
    ("proc/sys/net/ipv4/conf/all/accept_source_route", "0\n"),
    ("proc/sys/net/ipv4/conf/all/promote_secondaries", "1\n"),
    ("proc/sys/net/ipv4/conf/all/rp_filter", "2\n"),
    ("proc/sys/net/ipv4/conf/default/accept_source_route", "0\n"),
    ("proc/sys/net/ipv4/conf/default/promote_secondaries", "1\n"),
    ("proc/sys/net/ipv4/conf/default/rp_filter", "2\n"),
    ("proc/sys/net/ipv4/conf/eth0/accept_source_route", "0\n"),
    ("proc/sys/net/ipv4/conf/eth0/promote_secondaries", "1\n"),
    ("proc/sys/net/ipv4/conf/eth0/rp_filter", "2\n"),
    ("proc/sys/net/ipv4/ip_forward", "0\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
    ("proc/sys/net/ipv4/ip_local_reserved_ports", "\n"),
    ("proc/sys/net/ipv4/ip_unprivileged_port_start", "1024\n"),
    ("proc/sys/net/ipv4/ping_group_range", "0\t2147483647\n"),
    ("proc/sys/net/ipv4/tcp_abort_on_overflow", "0\n"),
    ("proc/sys/net/ipv4/tcp_available_congestion_control", "reno cubic bbr\n"),
    ("proc/sys/net/ipv4/tcp_congestion_control", "cubic\n"),
    ("proc/sys/net/ipv4/tcp_fack", "0\n"),
    ("proc/sys/net/ipv4/tcp_fin_timeout", "60\n"),
    ("proc/sys/net/ipv4/tcp_max_syn_backlog", "1024\n"),
    ("proc/sys/net/ipv4/tcp_max_tw_buckets", "65536\n"),
    ("proc/sys/net/ipv4/tcp_mem", "190000\t254000\t380000\n"),
    ("proc/sys/net/ipv4/tcp_moderate_rcvbuf", "1\n"),
    ("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t33554432\n"),
    ("proc/sys/net/ipv4/tcp_sack", "1\n"),
    ("proc/sys/net/ipv4/tcp_syncookies", "1\n"),
    ("proc/sys/net/ipv4/tcp_timestamps", "1\n"),
    ("proc/sys/net/ipv4/tcp_tw_reuse", "2\n"),
    ("proc/sys/net/ipv4/tcp_window_scaling", "1\n"),
    ("proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304\n"),
    ("proc/sys/net/ipv6/conf/all/use_tempaddr", "2\n"),
    ("proc/sys/net/ipv6/conf/default/use_tempaddr", "2\n"),
    ("proc/sys/vm/max_map_count", "1048576\n"),
    ("proc/sys/vm/mmap_min_addr", "65536\n"),
    ("proc/sys/vm/swappiness", "60\n"),
];

/// Records with what the linter reads of a rule.
pub(crate) fn knowledge() -> Knowledge {
    let record = |name: &str, scope: &str, rest: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\ntitle = \"t\"\nkind = \"sysctl\"\nscope = \"{scope}\"\napplies = \"now\"\n\
             unit = \"u\"\nwhat = \"w\"\nwhy = \"y\"\nsource = [\"s\"]\nbest_before = \"2028-12\"\n{rest}\n"
        )
    };
    let ours = "namespace";
    let records = [
        record("net.core.somaxconn", ours, "default = \"4096\""),
        record("net.core.rmem_max", "host", "in_namespaces = \"read-only\"\ndefault = \"4194304\""),
        record("net.core.wmem_max", "host", "in_namespaces = \"read-only\"\ndefault = \"4194304\""),
        record("net.core.netdev_max_backlog", "host", "in_namespaces = \"absent\"\ndefault = \"1000\""),
        record(
            "net.ipv4.tcp_mem",
            "host",
            "in_namespaces = \"absent\"\ndefault = [\"free_pages / 22\", \"free_pages / 16\", \"free_pages / 11\"]",
        ),
        record("net.ipv4.tcp_rmem", ours, "default = [\"page\", \"131072\", \"min(33554432, ram / 128)\"]"),
        record("net.ipv4.tcp_wmem", ours, "default = [\"page\", \"16384\", \"4194304\"]"),
        record("net.ipv4.tcp_tw_recycle", ours, "default = \"0\"\nremoved = \"4.12\""),
        record("net.ipv4.tcp_plb_enabled", ours, "default = \"0\"\nsince = \"6.2\""),
        record("net.ipv4.tcp_fack", ours, "default = \"0\"\nobsolete = \"RACK replaced it.\""),
        record("net.ipv4.tcp_max_tw_buckets", ours, "default = \"ehash / 2\""),
        record("net.ipv4.tcp_max_syn_backlog", ours, "default = \"max(128, ehash / 128)\""),
        record("net.netfilter.nf_conntrack_max", "host", "in_namespaces = \"read-only\"\ndefault = \"262144\""),
        record("fs.file-max", "host", "default = \"max(8192, ram / 1024 / 10)\""),
        record("fs.nr_open", "host", "default = \"1048576\""),
        record("kernel.io_uring_disabled", "host", "default = \"0\"\nsince = \"6.6\""),
    ];
    Knowledge::parse(&[("made.toml", &records.concat())]).unwrap()
}

/// Both: the few records above, and all that are built in.
pub(crate) fn both() -> [Knowledge; 2] {
    [knowledge(), Knowledge::embedded().clone()]
}

/// The mistakes of a kind, as `file:line`.
pub(crate) fn places(lint: &Lint, kind: MistakeKind) -> Vec<String> {
    let of_kind = lint.mistakes.iter().filter(|mistake| mistake.id == kind);
    of_kind.map(|mistake| format!("{}:{}", mistake.file, mistake.line.unwrap_or(0))).collect()
}

/// The setting of a key.
pub(crate) fn value<'a>(lint: &'a Lint, key: &str) -> &'a Effective {
    lint.values.iter().find(|value| value.key == key).unwrap_or_else(|| panic!("no {key} in {:?}", lint.values))
}

/// The value that wins at boot.
pub(crate) fn winner<'a>(lint: &'a Lint, key: &str) -> &'a str {
    let value = value(lint, key);
    &value.assignments[value.wins.unwrap_or_else(|| panic!("{key}: nobody wins"))].value
}
