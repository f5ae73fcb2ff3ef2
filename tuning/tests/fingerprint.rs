//! What the fingerprint keeps of made-up hosts: bare metal, a container, and this very machine.

mod root;

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use host::{Bound, Facts, Limit, OpenFilesLimit, fingerprint};
use root::{DESKTOP, Root, desktop_with, row};
use serde_json::{Value, json};
use tuning::{IoUring, State};

/// What bare metal shows beside the desktop's files.
const BARE_METAL: &[(&str, &str)] = &[
    ("proc/sys/kernel/version", "#1 SMP PREEMPT_DYNAMIC\n"),
    ("proc/sys/kernel/arch", "x86_64\n"),
    ("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=UUID=1234abcd-0000 ip=10.0.0.7 isolcpus=2-3 -- --peer 10.0.0.8"),
    (
        "proc/cpuinfo",
        "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 167\nmodel name\t: Desktop CPU\n\
         stepping\t: 8\nmicrocode\t: 0xf4\ncpu MHz\t\t: 3600.250\nflags\t\t: fpu erms avx2 constant_tsc\n\nprocessor\t: 1\n",
    ),
    ("sys/devices/system/cpu/online", "0-1\n"),
    ("sys/devices/system/cpu/possible", "0-63\n"),
    ("sys/devices/system/cpu/smt/active", "1\n"),
    ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
    ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0-1\n"),
    ("sys/devices/system/cpu/cpu1/topology/physical_package_id", "0\n"),
    ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0-1\n"),
    ("sys/devices/system/cpu/intel_pstate/no_turbo", "0\n"),
    ("sys/devices/system/cpu/cpuidle/current_driver", "intel_idle\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state0/name", "POLL\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state1/name", "C1E\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state1/latency", "10\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state1/disable", "1\n"),
    ("sys/devices/system/cpu/cpu0/cache/index0/level", "1\n"),
    ("sys/devices/system/cpu/cpu0/cache/index0/type", "Data\n"),
    ("sys/devices/system/cpu/cpu0/cache/index0/size", "48K\n"),
    ("sys/devices/system/cpu/cpu0/cache/index0/shared_cpu_list", "0-1\n"),
    ("sys/devices/system/node/online", "0\n"),
    ("sys/devices/system/node/node0/cpulist", "0-1\n"),
    ("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:       16384000 kB\nNode 0 MemFree: 5 kB\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ("sys/class/net/lo/mtu", "65536\n"),
    ("sys/class/net/lo/address", "00:00:00:00:00:00\n"),
    ("sys/class/net/eth0/address", "52:54:00:12:34:56\n"),
    ("sys/class/net/eth0/mtu", "1500\n"),
    ("sys/class/net/eth0/speed", "10000\n"),
    ("sys/class/net/eth0/operstate", "up\n"),
    ("sys/class/net/eth0/device/msi_irqs/41", "msix\n"),
    ("sys/class/net/eth0/device/msi_irqs/9", "msix\n"),
    ("sys/class/net/eth0/queues/rx-0/rps_cpus", "0\n"),
    ("sys/class/net/eth0/queues/rx-1/rps_cpus", "0\n"),
    ("sys/class/net/eth0/queues/tx-0/xps_cpus", "3\n"),
    ("proc/irq/41/smp_affinity_list", "1\n"),
    ("proc/loadavg", "0.50 0.25 0.10 2/300 12345\n"),
    ("proc/stat", "cpu  10 0 10 60 0 0 0 20 5 0\ncpu0 1 2 3\n"),
    ("proc/uptime", "1000.25 900.00\n"),
    ("proc/net/sockstat", "sockets: used 200\nTCP: inuse 12 orphan 1 tw 30 alloc 15 mem 4\nUDP: inuse 9 mem 0\n"),
    (
        "proc/self/status",
        "CapEff:\t0000000001000000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\nCpus_allowed_list:\t0-1\n",
    ),
    (
        "proc/self/limits",
        "Limit                     Soft Limit           Hard Limit           Units     \n\
         Max stack size            8388608              unlimited            bytes     \n\
         Max open files            1024                 524288               files     \n",
    ),
    ("etc/os-release", "NAME=\"Some\"\nPRETTY_NAME=\"Some Linux 12\"\n"),
];

fn facts(root: &Root) -> Facts {
    root.audit(1024, 524_288, 10_000, IoUring::Available).facts
}

#[test]
fn bare_metal_is_described_whole() {
    let root = Root::new("metal", &desktop_with(BARE_METAL));
    symlink("../../../../bus/pci/drivers/ixgbe", root.0.join("sys/class/net/eth0/device/driver")).unwrap();
    let facts = serde_json::to_value(facts(&root)).unwrap();
    for (pointer, expected) in [
        ("/errors", json!([])),
        ("/kernel/machine", json!("x86_64")),
        ("/kernel/command_line", json!("BOOT_IMAGE=… root=… ip=… isolcpus=2-3")),
        ("/cpu/family_model_stepping", json!([6, 167, 8])),
        ("/cpu/frequency_mhz", json!(3600.25)),
        ("/cpu/flags", json!(["constant_tsc", "erms", "avx2"])),
        ("/cpu/virtual_machine", json!(false)),
        ("/cpu/hypervisor", json!(null)),
        ("/cpu/socket_count", json!(1)),
        ("/cpu/core_count", json!(1)),
        ("/cpu/possible_count", json!(64)),
        ("/cpu/threads_share_cores", json!(true)),
        ("/cpu/frequency/boost", json!(true)),
        ("/cpu/idle/states/1", json!({"name": "C1E", "latency_us": 10, "disabled": true})),
        ("/cpu/caches", json!([{"level": 1, "kind": "Data", "size_bytes": 49152, "shared_by": "0-1"}])),
        ("/memory/numa_nodes", json!([{"index": 0, "cpus": "0-1", "total_bytes": 16_777_216_000_u64}])),
        ("/memory/transparent_huge_pages", json!("madvise")),
        ("/network/loopback_mtu_bytes", json!(65536)),
        ("/network/loopback_qdisc", json!(null)),
        ("/load/average", json!([0.5, 0.25, 0.1])),
        ("/load/steal_percent", json!(20.0)),
        ("/load/sockets/time_wait_count", json!(30)),
        ("/capabilities/effective", json!(["sys_resource"])),
        ("/capabilities/sys_resource", json!(true)),
        ("/process/seccomp", json!("filter")),
        ("/process/limits/stack_bytes", json!({"soft": 8_388_608, "hard": "unlimited"})),
        ("/process/limits/processes", json!(null)),
        ("/versions/distribution", json!("Some Linux 12")),
        ("/versions/libc", json!(null)),
    ] {
        assert_eq!(facts.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert_eq!(
        facts["interfaces"],
        json!([{
            "name": "eth0", "driver": "ixgbe", "speed_mbit": 10000, "mtu_bytes": 1500, "state": "up", "qdisc": null,
            "receive_queue_count": 2, "send_queue_count": 1, "receive_cpus": ["0"], "send_cpus": ["3"],
            "interrupts": [{"number": 9, "cpus": null}, {"number": 41, "cpus": "1"}],
        }])
    );
    let text = facts.to_string();
    for personal in ["52:54", "10.0.0", "1234abcd", "vmlinuz", "--peer"] {
        assert!(!text.contains(personal), "{personal} names a machine");
    }
}

#[test]
fn interfaces_of_another_namespace_are_not_ours() {
    let facts_with = |devices: &'static str| {
        let mut files = desktop_with(BARE_METAL);
        files.push(("proc/net/dev", devices));
        facts(&Root::new("namespace", &files))
    };
    let ours = facts_with("Inter-|   Receive\n face |bytes    packets\n    lo: 1 2\n  eth0: 3 4\n");
    assert_eq!((ours.interfaces.len(), ours.network.loopback_mtu_bytes), (1, Some(65_536)));
    let other = facts_with("Inter-|   Receive\n face |bytes    packets\n    lo: 1 2\n");
    assert_eq!((other.interfaces.len(), other.network.loopback_mtu_bytes), (0, None));
}

#[test]
fn boot_options_that_were_shortened_are_still_judged() {
    let root = Root::new("boot", &desktop_with(&[("proc/cmdline", "root=/dev/sda1 mitigations=off -- --peer x")]));
    let audit = root.audit(1024, 524_288, 10_000, IoUring::Available);
    assert_eq!(audit.facts.kernel.command_line.as_deref(), Some("root=… mitigations=off"));
    assert_eq!(row(&audit, "mitigations").state, State::Info);
}

#[test]
fn the_tightest_control_group_counts_and_paths_are_not_kept() {
    let files = desktop_with(&[
        ("proc/self/cgroup", "0::/kubepods/secret-name/leaf\n"),
        ("sys/fs/cgroup/kubepods/pids.max", "5000\n"),
        ("sys/fs/cgroup/kubepods/memory.max", "4294967296\n"),
        ("sys/fs/cgroup/kubepods/secret-name/memory.max", "1073741824\n"),
        ("sys/fs/cgroup/kubepods/secret-name/cpu.max", "150000 100000\n"),
        ("sys/fs/cgroup/kubepods/secret-name/leaf/cpu.max", "max 100000\n"),
        ("sys/fs/cgroup/kubepods/secret-name/leaf/memory.max", "max\n"),
        (".dockerenv", ""),
    ]);
    let container = facts(&Root::new("cgroup", &files)).container;
    assert_eq!(container.cgroup.version, Some(2));
    assert_eq!(container.cgroup.cpu_millis, Some(Bound::At(1500)));
    assert_eq!(container.cgroup.memory_bytes, Some(Bound::At(1 << 30)));
    assert_eq!(container.cgroup.pids, Some(Bound::At(5000)));
    assert_eq!(container.hints, ["docker file", "control group named by a container manager"]);
    assert!(!serde_json::to_string(&container).unwrap().contains("secret"));
}

#[test]
fn older_control_groups_have_a_tree_for_each_controller() {
    let files = desktop_with(&[
        ("proc/self/cgroup", "4:memory:/a/b\n3:cpu,cpuacct:/c\n2:pids:/../../d\n0::/\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2147483648\n"),
        ("sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "-1\n"),
        ("sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n"),
        ("sys/fs/cgroup/pids/pids.max", "100\n"),
    ]);
    let cgroup = facts(&Root::new("cgroup-legacy", &files)).container.cgroup;
    assert_eq!(cgroup.version, Some(1));
    assert_eq!(cgroup.memory_bytes, Some(Bound::At(2 << 30)));
    assert_eq!(cgroup.cpu_millis, Some(Bound::Unlimited));
    assert_eq!(cgroup.pids, Some(Bound::At(100)), "a path that cannot be seen leaves the mount");
}

#[test]
fn a_kernel_may_carry_its_configuration() {
    let root = Root::new("config", DESKTOP);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"CONFIG_HZ=300\nCONFIG_DEFAULT_NET_SCH=\"fq\"\n").unwrap();
    let carried = encoder.finish().unwrap();
    let file = root.0.join("proc/config.gz");
    for (bytes, timer_hz, qdisc) in
        [(&carried[..], Some(300), Some("fq")), (&carried[..carried.len() - 9], None, None), (b"no gzip", None, None)]
    {
        fs::write(&file, bytes).unwrap();
        let build = facts(&root).kernel.build;
        assert_eq!((build.timer_hz, build.qdisc.as_deref()), (timer_hz, qdisc), "{} bytes", bytes.len());
    }
}

/// The settings of a made-up host that differ, by name.
fn differing(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, String)> {
    let sysctls = facts(&Root::new("sysctls", &desktop_with(changes))).sysctls;
    sysctls.differing.into_iter().map(|changed| (changed.name, changed.default)).collect()
}

#[test]
fn a_desktop_differs_only_where_its_distribution_says_so() {
    // The desktop runs 6.12, whose largest receive buffer was 6 MiB, and systemd lifts fs.file-max.
    let expected = [("fs.file-max", "1638400".to_owned()), ("net.ipv4.tcp_rmem", "4096 131072 6291456".to_owned())];
    assert_eq!(differing(&[]), expected);
    let mut expected = expected.to_vec();
    expected.insert(1, ("net.core.somaxconn", "4096".to_owned()));
    assert_eq!(differing(&[("proc/sys/net/core/somaxconn", "65535")]), expected);
}

#[test]
fn a_default_that_cannot_be_computed_is_not_guessed() {
    let unknown = |changes: &[(&'static str, &'static str)]| {
        facts(&Root::new("not-computed", &desktop_with(changes))).sysctls.not_computed
    };
    // The configuration of this kernel is not to be had.
    assert_eq!(unknown(&[]), ["net.core.default_qdisc", "net.ipv4.tcp_congestion_control"]);
    let config = ("boot/config-6.12.8-generic", "CONFIG_HZ=1000\nCONFIG_DEFAULT_TCP_CONG=\"cubic\"\n");
    assert_eq!(unknown(&[config]), [""; 0]);
    // Of a kernel older than the table nothing is claimed.
    let old = facts(&Root::new("old", &desktop_with(&[("proc/sys/kernel/osrelease", "4.19.0")]))).sysctls;
    assert_eq!((old.compared_count, old.differing.len()), (0, 0));
}

#[test]
fn a_host_that_shows_nothing_has_a_fingerprint_of_nulls() {
    let facts = facts(&Root::new("bare", &[]));
    assert_eq!(facts.process.limits.open_files, None::<Limit>);
    let value = serde_json::to_value(&facts).unwrap();
    assert_eq!(value["sysctls"], json!({"compared_count": 0, "differing": [], "not_computed": []}));
    assert_eq!(value["interfaces"], json!([]));
    assert_eq!(value["container"]["cgroup"]["memory_bytes"], Value::Null);
}

#[test]
fn this_host_is_comparable_with_itself_and_not_with_another() {
    let here = serde_json::to_value(Facts::of_this_host()).unwrap();
    assert!(here["kernel"]["machine"].is_string());
    assert!(here["versions"]["rustc"].as_str().unwrap().starts_with("rustc "));
    assert_eq!(fingerprint::differences(&here, &serde_json::to_value(Facts::of_this_host()).unwrap()), []);
    let limit = OpenFilesLimit { soft: None, hard: None };
    let nowhere = serde_json::to_value(Facts::read(Path::new("/nonexistent"), limit)).unwrap();
    let found = fingerprint::differences(&here, &nowhere);
    assert!(found.iter().any(|difference| difference.pointer == "/kernel/release"), "{found:#?}");
}

#[test]
fn every_deciding_fact_is_one_of_the_facts() {
    let root = Root::new("pointers", DESKTOP);
    let value = serde_json::to_value(facts(&root)).unwrap();
    for fact in fingerprint::DECIDING_FACTS {
        // Any of these may be null, but a misspelt one is absent.
        assert!(value.pointer(fact.pointer).is_some(), "{}", fact.pointer);
    }
}
