//! What the planner says of made-up hosts: which limit is hit first, in what order, and what moves it.

#[allow(dead_code, reason = "the tests of the audit use the rest")]
mod root;

use host::{Facts, OpenFilesLimit};
use protocol::Workload;
use root::{Root, desktop_with};
use tuning::IoUring;
use tuning::plan::{Backend, Basis, Demand, Host, Link, MemoryLimit, Plan, Request, Side, Verdict, spread};

type Changes = &'static [(&'static str, &'static str)];

/// Two processors, 2 GiB, an ordinary user, and the limits the kernel computes from that.
const SMALL: Changes = &[
    ("proc/meminfo", "MemTotal: 2097152 kB\nMemAvailable: 1700000 kB\n"),
    ("proc/sys/fs/file-max", "204000"),
    ("proc/sys/fs/file-nr", "1000\t0\t204000"),
    ("proc/sys/fs/epoll/max_user_watches", "456000"),
    ("proc/sys/net/ipv4/tcp_ehash_entries", "16384"),
    ("proc/sys/net/ipv4/tcp_max_orphans", "8192"),
    ("proc/sys/net/ipv4/tcp_max_tw_buckets", "8193"),
    ("sys/devices/system/cpu/online", "0-1\n"),
];

/// Two processors, 24 GiB, root without CAP_SYS_RESOURCE: the hard limit cannot be raised.
const LOCKED: Changes = &[
    ("proc/meminfo", "MemTotal: 24684084 kB\nMemAvailable: 23700000 kB\n"),
    ("proc/self/status", "CapEff:\t000001fffeffffff\n"),
    ("proc/sys/fs/file-max", "2466170"),
    ("proc/sys/fs/epoll/max_user_watches", "5490265"),
    ("proc/sys/kernel/threads-max", "192730"),
    ("proc/sys/kernel/pid_max", "32768"),
    ("proc/sys/net/ipv4/tcp_ehash_entries", "262144"),
    ("proc/sys/net/ipv4/tcp_max_orphans", "131072"),
    ("proc/sys/net/ipv4/tcp_max_tw_buckets", "131072"),
    ("proc/sys/net/ipv4/tcp_mem", "287898 383867 575796"),
    ("sys/devices/system/cpu/online", "0-1\n"),
];

/// 64 processors, 512 GiB, all capabilities.
const BIG: Changes = &[
    ("proc/meminfo", "MemTotal: 536870912 kB\nMemAvailable: 530000000 kB\n"),
    ("proc/self/status", "CapEff:\t000001ffffffffff\n"),
    ("proc/sys/fs/epoll/max_user_watches", "119000000"),
    ("proc/sys/net/ipv4/tcp_ehash_entries", "524288"),
    ("proc/sys/net/ipv4/tcp_max_orphans", "262144"),
    ("proc/sys/net/ipv4/tcp_max_tw_buckets", "262144"),
    ("sys/devices/system/cpu/online", "0-63\n"),
];

fn request(connections: u64, side: Side) -> Request {
    Request {
        connections,
        workload: Workload::Echo,
        backend: Backend::Epoll,
        side,
        ring_clients: false,
        heartbeat_ms: None,
        reactors: None,
        sources: None,
    }
}

fn plan(name: &str, changes: Changes, hard: u64, request: Request) -> Plan {
    let root = Root::new(&format!("plan-{name}"), &desktop_with(changes));
    let facts = Facts::read(root.path(), OpenFilesLimit { soft: Some(1024), hard: Some(hard) });
    Plan::new(&facts, &Host::read(root.path(), 4096), request, &IoUring::Available)
}

fn link<'a>(plan: &'a Plan, id: &str) -> &'a Link {
    plan.chain.iter().find(|link| link.id == id).unwrap_or_else(|| panic!("no link {id}"))
}

/// The links that do not hold, in order.
fn trouble(plan: &Plan) -> Vec<(&'static str, Verdict)> {
    let links = plan.chain.iter().filter(|link| link.verdict != Verdict::Holds);
    links.map(|link| (link.id, link.verdict)).collect()
}

fn check_order(plan: &Plan) {
    let hit: Vec<u64> = plan.chain.iter().map(|link| link.hit_at.unwrap_or(u64::MAX)).collect();
    assert!(hit.is_sorted(), "{hit:?}");
    assert_eq!(plan.prediction.total_bytes, plan.needs.memory_bytes);
}

#[test]
fn a_small_virtual_machine_runs_out_of_files_first() {
    let plan = plan("small", SMALL, 524_288, request(1_000_000, Side::Server));
    check_order(&plan);
    assert_eq!(
        trouble(&plan),
        [
            // 100,000 connects a second over two queues for a tenth of a second.
            ("net.core.somaxconn", Verdict::Slows),
            ("net.ipv4.tcp_max_orphans", Verdict::Slows),
            ("net.ipv4.tcp_max_tw_buckets", Verdict::Slows),
            ("net.ipv4.tcp_ehash_entries", Verdict::Slows),
            ("fs.file-max", Verdict::Wall),
            ("memory", Verdict::Wall),
            ("fs.epoll.max_user_watches", Verdict::Wall),
        ]
    );
    assert_eq!((plan.first_wall, plan.fits_now), (Some("fs.file-max"), Some(203_000)));
    assert_eq!(link(&plan, "net.ipv4.tcp_ehash_entries").hit_at, Some(131_072));
    assert_eq!(plan.memory_bytes_available, Some((1_700_000 - 2_097_152 / 32) * 1024));
    let fits = plan.memory_fits.unwrap();
    // 1.57 GiB by about 4.1 KB.
    assert!((400_000..420_000).contains(&fits), "{fits}");
    assert_eq!(plan.threads.reactors, 2);
    assert_eq!(plan.needs.addresses, Some(1_000_000_u64.div_ceil(28_232 - 882)));
    assert_eq!(plan.prediction.basis, Basis::Table, "there is no slabinfo");
}

#[test]
fn a_limit_that_cannot_be_raised_is_met_by_threads() {
    let asked = request(1_000_000, Side::Both);
    let as_it_is = plan("locked", LOCKED, 20_000, asked);
    check_order(&as_it_is);
    assert_eq!(
        trouble(&as_it_is)[..2],
        [("RLIMIT_NOFILE (generator)", Verdict::Wall), ("RLIMIT_NOFILE (server)", Verdict::Wall)]
    );
    assert_eq!((as_it_is.first_wall, as_it_is.fits_now), (Some("RLIMIT_NOFILE (generator)"), Some(19_984)));
    // Two reactors of 19,936 connections, less four standard deviations of the hash.
    let server = link(&as_it_is, "RLIMIT_NOFILE (server)");
    assert_eq!(server.hit_at, Some(2 * (19_936 - 4 * 140)));
    assert_eq!(server.command.as_deref(), Some("c10m serve --reactors 52"));
    assert_eq!((as_it_is.needs.reactors, as_it_is.needs.workers), (Some(52), Some(51)));
    assert_eq!(link(&as_it_is, "fs.file-max").verdict, Verdict::Holds, "CAP_SYS_ADMIN is exempt");
    assert_eq!(
        as_it_is.commands,
        [
            "sysctl -w net.ipv4.tcp_max_orphans=1000000",
            "sysctl -w net.ipv4.tcp_max_tw_buckets=1000000",
            "c10m serve echo --reactors 52 --idle-timeout 0s",
            "c10m load tcp://127.0.0.1:8080 -c 1000000 -t 51 -r 0",
        ]
    );
    let mended = plan("mended", LOCKED, 20_000, Request { reactors: Some(52), ..asked });
    assert_eq!(as_it_is.fits_mended, None, "all of them");
    assert_eq!(mended.first_wall, None, "{:#?}", trouble(&mended));
    assert_eq!(mended.fits_now, Some(52 * (19_936 - 4 * 140)).min(link(&mended, "RLIMIT_NOFILE (server)").hit_at));
}

#[test]
fn ten_million_need_more_memory_than_24_gib() {
    let plan = plan("locked-10M", LOCKED, 20_000, request(10_000_000, Side::Server));
    check_order(&plan);
    let memory = link(&plan, "memory");
    assert_eq!((memory.verdict, memory.command.as_deref()), (Verdict::Wall, None));
    // 4,037 B an endpoint, 64 B a slot, 16 B of table, and the threads.
    let each = plan.needs.memory_bytes as f64 / 1e7;
    assert!((4110.0..4130.0).contains(&each), "{each}");
    assert!(memory.meaning.contains("for the server's side; this host has"), "{}", memory.meaning);
    let fits = plan.memory_fits.unwrap();
    assert!((5_600_000..5_750_000).contains(&fits), "{fits}");
    assert_eq!(plan.fits_mended, Some(fits), "more reactors and watches are to be had, more memory is not");
    assert_eq!(plan.needs.reactors, Some(517));
    assert_eq!(plan.needs.addresses, Some(366));
}

#[test]
fn big_bare_metal_fits_ten_million_with_slow_edges_only() {
    let plan = plan("big", BIG, 524_288, request(10_000_000, Side::Server));
    check_order(&plan);
    assert_eq!((plan.first_wall, plan.needs.reactors), (None, Some(64)));
    assert_eq!(
        trouble(&plan),
        [
            ("net.ipv4.tcp_max_orphans", Verdict::Slows),
            ("net.ipv4.tcp_max_tw_buckets", Verdict::Slows),
            ("net.ipv4.tcp_ehash_entries", Verdict::Slows),
        ]
    );
    let text = plan.commands.join("\n");
    assert!(text.contains("thash_entries=2097152"), "{text}");
    assert!(text.contains("c10m serve echo --listen 0.0.0.0:8080 --reactors 64 --idle-timeout 0s"), "{text}");
}

#[test]
fn a_host_that_may_raise_its_limits_does_so_in_the_kernels_order() {
    let asked = Request { reactors: Some(2), ..request(5_000_000, Side::Tun) };
    let plan = plan("raise", BIG, 524_288, asked);
    assert_eq!(plan.first_wall, Some("RLIMIT_NOFILE (server)"));
    let positions: Vec<usize> =
        ["fs.nr_open=", "ulimit -n", "unshare --net", "tcp_max_tw_buckets=", "c10m serve", "c10m load"]
            .iter()
            .map(|part| {
                plan.commands.iter().position(|command| command.contains(part)).unwrap_or_else(|| panic!("no {part}"))
            })
            .collect();
    assert!(positions.is_sorted(), "{:#?}", plan.commands);
    assert!(plan.commands.last().unwrap().contains("--engine tun -c 5000000"));
    assert_eq!(plan.needs.addresses, None);
}

#[test]
fn rings_have_tables_of_their_own() {
    let ring = |side, hard| {
        let asked = Request { backend: Backend::UringMultishot, ..request(10_000_000, side) };
        plan("ring", LOCKED, hard, asked)
    };
    let server = ring(Side::Server, 20_000);
    assert_eq!(server.first_wall, Some("io_uring direct descriptors"));
    assert_eq!(link(&server, "io_uring direct descriptors").limit, Some(19_936));
    assert!(server.chain.iter().all(|link| !link.id.contains("epoll") && !link.id.contains("NOFILE")));
    assert_eq!(link(&ring(Side::Both, 20_000), "fs.epoll.max_user_watches").need, Some(10_000_000), "the generator's");
    let bounded = ring(Side::Server, 4_000_000);
    assert_eq!(link(&bounded, "io_uring direct descriptors").limit, Some(1 << 20));
    assert_eq!(bounded.needs.reactors, Some(10));
}

#[test]
fn heartbeats_queue_pages_and_keep_connections_alive() {
    let beat =
        |heartbeat_ms| plan("beat", LOCKED, 20_000, Request { heartbeat_ms, ..request(10_000_000, Side::Server) });
    for (heartbeat_ms, need, verdict) in
        [(None, 0, Verdict::Holds), (Some(60_000), 16_667, Verdict::Holds), (Some(1000), 1_000_000, Verdict::Wall)]
    {
        let plan = beat(heartbeat_ms);
        let pages = link(&plan, "net.ipv4.tcp_mem");
        assert_eq!((pages.need, pages.verdict), (Some(need), verdict), "{heartbeat_ms:?}");
    }
    assert_eq!(link(&beat(Some(1000)), "net.ipv4.tcp_mem").hit_at, Some(5_757_960));
    let serve = |plan: &Plan| plan.commands.iter().find(|command| command.starts_with("c10m serve")).cloned().unwrap();
    assert!(!serve(&beat(Some(1000))).contains("--idle-timeout"));
    assert!(serve(&beat(Some(60_000))).contains("--idle-timeout 0s"), "as long as the default timeout");
}

#[test]
fn single_limits() {
    let sources = |sources| Request { sources, ..request(100_000, Side::Both) };
    for (file, contents, asked, id, verdict, hit_at) in [
        ("proc/sys/net/core/somaxconn", "128", sources(None), "net.core.somaxconn", Verdict::Slows, Some(8 * 128)),
        ("proc/sys/net/core/somaxconn", "x", sources(None), "net.core.somaxconn", Verdict::Unknown, None),
        ("proc/sys/fs/nr_open", "5000", sources(None), "fs.nr_open", Verdict::Wall, Some(8 * (4936 - 4 * 69))),
        (
            "proc/sys/kernel/ostype",
            "Linux",
            sources(Some(2)),
            "client ports × addresses",
            Verdict::Wall,
            Some(2 * 27_350),
        ),
        (
            "proc/sys/kernel/ostype",
            "Linux",
            sources(Some(4)),
            "client ports × addresses",
            Verdict::Holds,
            Some(4 * 27_350),
        ),
        (
            "proc/sys/net/ipv4/ip_local_reserved_ports",
            "32768-60999",
            sources(None),
            "client ports × addresses",
            Verdict::Wall,
            Some(0),
        ),
    ] {
        let root = Root::new("plan-single", &desktop_with(&[(file, contents)]));
        let facts = Facts::read(root.path(), OpenFilesLimit { soft: Some(1024), hard: Some(1 << 20) });
        let plan = Plan::new(&facts, &Host::read(root.path(), 4096), asked, &IoUring::Available);
        let link = link(&plan, id);
        assert_eq!((link.verdict, link.hit_at), (verdict, hit_at), "{file} = {contents}: {link:#?}");
        assert!(link.verdict != Verdict::Wall || link.command.is_some(), "{link:#?}");
    }
}

#[test]
fn threads_are_the_last_way_out() {
    let asked = request(1_000_000, Side::Both);
    for (file, contents, hard, need, verdict, hit_at) in [
        // 1,024 reactors of 19,376 and what the hash leaves uneven.
        ("proc/sys/kernel/pid_max", "32768", 20_000, Some(52), Verdict::Holds, Some(1024 * 19_376)),
        ("proc/sys/kernel/pid_max", "10", 20_000, Some(52), Verdict::Wall, Some(10 * 19_376)),
        ("sys/fs/cgroup/pids.max", "20", 20_000, Some(52), Verdict::Wall, Some(20 * 19_376)),
        // 936 connections for each reactor at most: 820 on average.
        ("proc/sys/kernel/pid_max", "32768", 1000, None, Verdict::Wall, Some(1024 * 820)),
    ] {
        let group = ("proc/self/cgroup", "0::/\n");
        let capabilities = ("proc/self/status", "CapEff:\t000001fffeffffff\n");
        let root = Root::new("plan-threads", &desktop_with(&[(file, contents), group, capabilities]));
        let facts = Facts::read(root.path(), OpenFilesLimit { soft: Some(1000), hard: Some(hard) });
        let plan = Plan::new(&facts, &Host::read(root.path(), 4096), asked, &IoUring::Available);
        let link = link(&plan, "threads");
        assert_eq!((link.need, link.verdict, link.hit_at), (need, verdict, hit_at), "{contents}: {link:#?}");
        assert_eq!(link.command.is_some(), need.is_none(), "{link:#?}");
        assert_eq!(plan.first_wall, Some("RLIMIT_NOFILE (generator)"));
    }
}

#[test]
fn connection_tracking_counts_only_while_it_tracks() {
    for (count, expected) in [("0", None), ("5", Some((Verdict::Wall, 262_139)))] {
        let root = Root::new(
            "plan-conntrack",
            &[
                ("proc/sys/net/netfilter/nf_conntrack_count", count),
                ("proc/sys/net/netfilter/nf_conntrack_max", "262144"),
            ],
        );
        let facts = Facts::read(root.path(), OpenFilesLimit { soft: None, hard: None });
        let plan =
            Plan::new(&facts, &Host::read(root.path(), 4096), request(300_000, Side::Server), &IoUring::Available);
        let found = plan.chain.iter().find(|link| link.id.contains("conntrack"));
        assert_eq!(found.map(|link| (link.verdict, link.hit_at.unwrap())), expected);
    }
}

#[test]
fn a_ring_that_cannot_be_set_up_is_the_first_wall() {
    let root = Root::new("plan-noring", &desktop_with(&[("proc/sys/kernel/io_uring_disabled", "2")]));
    let facts = Facts::read(root.path(), OpenFilesLimit { soft: None, hard: None });
    let asked = Request { backend: Backend::UringPoll, ..request(1, Side::Server) };
    let plan = Plan::new(&facts, &Host::read(root.path(), 4096), asked, &IoUring::Unavailable("EPERM".to_owned()));
    assert_eq!((plan.first_wall, plan.fits_now), (Some("kernel.io_uring_disabled"), Some(0)));
    assert_eq!(plan.commands[0], "sysctl -w kernel.io_uring_disabled=0");
}

#[test]
fn a_memory_cgroup_bounds_and_charges() {
    const SLABINFO: &str = "slabinfo - version: 2.1\nTCP 79 130 2368 13 8 : x\nsock_inode_cache 1 1 832 19 4 : x\n";
    for (lines, folder, used, charged) in [
        ("0::/box/inner\n", "sys/fs/cgroup/box/memory.max", "sys/fs/cgroup/box/memory.current", true),
        (
            "4:memory:/box\n0::/\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes",
            "sys/fs/cgroup/memory/box/memory.usage_in_bytes",
            true,
        ),
        ("0::/\n", "sys/fs/cgroup/none", "sys/fs/cgroup/none-used", false),
    ] {
        let files = [
            ("proc/meminfo", "MemTotal: 24684084 kB\nMemAvailable: 23700000 kB\n"),
            ("proc/slabinfo", SLABINFO),
            ("proc/self/cgroup", lines),
            (folder, "64000000"),
            (used, "32000000"),
        ];
        let root = Root::new("plan-cgroup", &files);
        let facts = Facts::read(root.path(), OpenFilesLimit { soft: None, hard: None });
        let plan =
            Plan::new(&facts, &Host::read(root.path(), 4096), request(1_000_000, Side::Server), &IoUring::Available);
        assert_eq!(plan.prediction.basis, Basis::Slabinfo);
        let accounts = plan.prediction.parts.iter().any(|part| part.name.contains("memory cgroup"));
        assert_eq!(accounts, charged, "{lines}");
        // A thirty-second of the whole limit is kept free, whatever is left of it.
        let (expected, limit) = match charged {
            true => (30_000_000, MemoryLimit::Cgroup),
            false => (23_700_000 * 1024 - 24_684_084 * 1024 / 32, MemoryLimit::Host),
        };
        assert_eq!((plan.memory_bytes_available, plan.memory_limit), (Some(expected), Some(limit)), "{lines}");
        assert_eq!(link(&plan, "memory").meaning.contains("cgroup"), charged);
        let demand =
            Demand { connections: 1_000_000, bytes_per_connection: 50_000, connections_per_reactor_max: u64::MAX };
        let refusal = spread(&facts, &Host::read(root.path(), 4096), demand).unwrap_err();
        let (names, never) = match charged {
            true => (["memory is 30.5 MiB in the memory cgroup", "raise memory.max"], "host"),
            false => (["memory is 22.6 GiB on this host", "use a larger host"], "cgroup"),
        };
        assert!(names.iter().all(|words| refusal.contains(words)) && !refusal.contains(never), "{refusal}");
    }
}

#[test]
fn nothing_is_too_much_or_too_little_to_ask() {
    let root = Root::new("plan-empty", &[]);
    let facts = Facts::read(root.path(), OpenFilesLimit { soft: Some(0), hard: Some(0) });
    for connections in [0, 1, u64::MAX] {
        for side in [Side::Server, Side::Both, Side::Tun] {
            for backend in Backend::ALL {
                let asked =
                    Request { backend, heartbeat_ms: Some(1), sources: Some(u64::MAX), ..request(connections, side) };
                let plan = Plan::new(&facts, &Host::read(root.path(), 4096), asked, &IoUring::Available);
                check_order(&plan);
                serde_json::to_string(&plan).unwrap();
            }
        }
    }
}
