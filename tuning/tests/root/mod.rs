//! Made-up hosts: trees of small files that stand for `/proc` and `/sys`.

use std::fs;
use std::path::{Path, PathBuf};

use host::{Facts, OpenFilesLimit};
use tuning::{Audit, IoUring, Row};

/// A root directory that goes away with the test.
pub(crate) struct Root(pub(crate) PathBuf);

impl Root {
    pub(crate) fn new(name: &str, files: &[(&str, &str)]) -> Root {
        let path = std::env::temp_dir().join(format!("tuning-{name}-{}", std::process::id()));
        // What a killed test has left behind would be facts of this host.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        for (file, contents) in files {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, contents).unwrap();
        }
        Root(path)
    }

    #[allow(dead_code, reason = "the tests of the planner read more than an audit")]
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn audit(&self, limit: u64, hard: u64, connections: u64, io_uring: IoUring) -> Audit {
        let limit = OpenFilesLimit { soft: Some(limit), hard: Some(hard) };
        Audit::new(Facts::read(Path::new(&self.0), limit), connections, &io_uring)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Files with the values a 16 GiB desktop has from its kernel.
pub(crate) const DESKTOP: &[(&str, &str)] = &[
    ("proc/sys/kernel/osrelease", "6.12.8-generic\n"),
    ("proc/cmdline", "root=/dev/sda1 quiet"),
    ("proc/cpuinfo", "processor\t: 0\nmodel name\t: Desktop CPU\n"),
    ("proc/meminfo", "MemTotal: 16384000 kB\nMemFree: 1 kB\nMemAvailable: 12000000 kB\n"),
    ("proc/self/status", "Name:\tc10m\nCapEff:\t0000000000000000\n"),
    ("proc/pressure/cpu", "some avg10=1.25 avg60=0 avg300=0 total=1\n"),
    ("proc/pressure/memory", "some avg10=0.00 avg60=0 avg300=0 total=1\n"),
    ("proc/net/softnet_stat", "00000010 00000000 00000000\n00000010 00000000 00000000\n"),
    ("proc/sys/fs/nr_open", "1048576"),
    ("proc/sys/fs/file-max", "9223372036854775807"),
    ("proc/sys/fs/file-nr", "12000\t0\t9223372036854775807"),
    ("proc/sys/fs/epoll/max_user_watches", "3650000"),
    ("proc/sys/kernel/io_uring_disabled", "0"),
    ("proc/sys/net/core/somaxconn", "4096"),
    ("proc/sys/net/core/netdev_max_backlog", "1000"),
    ("proc/sys/net/core/default_qdisc", "fq_codel"),
    ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999"),
    ("proc/sys/net/ipv4/ip_local_reserved_ports", "\n"),
    ("proc/sys/net/ipv4/tcp_max_syn_backlog", "1024"),
    ("proc/sys/net/ipv4/tcp_syncookies", "1"),
    ("proc/sys/net/ipv4/tcp_abort_on_overflow", "0"),
    ("proc/sys/net/ipv4/tcp_tw_reuse", "2"),
    ("proc/sys/net/ipv4/tcp_max_tw_buckets", "65536"),
    ("proc/sys/net/ipv4/tcp_max_orphans", "65536"),
    ("proc/sys/net/ipv4/tcp_mem", "190000\t254000\t380000"),
    ("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t33554432"),
    ("proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304"),
    ("proc/sys/net/ipv4/tcp_congestion_control", "cubic"),
    ("proc/sys/net/ipv4/tcp_available_congestion_control", "reno cubic bbr"),
    ("proc/sys/net/ipv4/tcp_ehash_entries", "131072"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
    ("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet acpi_pm\n"),
    ("sys/devices/system/cpu/online", "0-7\n"),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
    ("sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n"),
    ("sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: Retpolines; IBPB: conditional\n"),
];

/// The desktop with some files replaced or added.
pub(crate) fn desktop_with(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut files = DESKTOP.to_vec();
    files.extend_from_slice(changes);
    files
}

/// The row of one check.
pub(crate) fn row<'a>(audit: &'a Audit, id: &str) -> &'a Row {
    audit.rows.iter().find(|row| row.id == id).unwrap_or_else(|| panic!("no check {id}"))
}
