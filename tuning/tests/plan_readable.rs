//! Whoever sees less of a host is not told better news of it, and needs that no host can meet are named.

#[allow(dead_code, reason = "the tests of the audit use the rest")]
mod root;

use host::{Facts, OpenFilesLimit};
use protocol::Workload;
use root::{Root, desktop_with};
use std::fs;
use tuning::IoUring;
use tuning::plan::{Backend, Fit, Host, Link, Plan, Request, Side, Verdict};

/// What a desktop shows to root beside [`root::DESKTOP`].
const ALL: &[(&str, &str)] = &[
    (
        "proc/slabinfo",
        "slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>\n\
         TCP 1 1 2496 13 8\nsock_inode_cache 1 1 832 19 4\ndentry 1 1 192 21 1\nfilp 1 1 192 21 1\n\
         eventpoll_epi 1 1 128 32 1\neventpoll_pwq 1 1 64 64 1\nep_head 1 1 16 256 1\nkmalloc-32 1 1 32 128 1\n",
    ),
    ("proc/sys/kernel/threads-max", "120000"),
    ("proc/sys/kernel/pid_max", "4194304"),
    ("proc/self/cgroup", "0::/user\n"),
    ("sys/fs/cgroup/user/cgroup.procs", "1\n"),
    ("sys/fs/cgroup/user/memory.max", "9000000000\n"),
    ("sys/fs/cgroup/user/memory.current", "1000000000\n"),
    ("sys/fs/cgroup/user/pids.max", "70000\n"),
    ("proc/sys/net/netfilter/nf_conntrack_count", "10\n"),
    ("proc/sys/net/netfilter/nf_conntrack_max", "262144\n"),
];

fn request(connections: u64, side: Side, heartbeat_ms: Option<u64>) -> Request {
    let (workload, backend) = (Workload::Echo, Backend::Epoll);
    Request { connections, workload, backend, side, ring_clients: false, heartbeat_ms, reactors: None, sources: None }
}

fn plan(root: &Root, request: Request) -> Plan {
    let facts = Facts::read(root.path(), OpenFilesLimit { soft: Some(1024), hard: Some(20_000) });
    Plan::new(&facts, &Host::read(root.path(), 4096), request, &IoUring::Available)
}

/// How good the news is. To know nothing is no better than to know the worst.
fn goodness(plan: &Plan) -> u8 {
    match plan.fit {
        Fit::Fits => 2,
        Fit::FitsMended => 1,
        Fit::AsFarAsReadable | Fit::DoesNotFit | Fit::Impossible => 0,
    }
}

#[test]
fn a_fact_that_cannot_be_read_is_no_good_news() {
    let files = desktop_with(ALL);
    let root = Root::new("readable", &files);
    let mut unseen = 0;
    for connections in [1000, 1_000_000, 50_000_000] {
        for side in [Side::Server, Side::Both, Side::Tun] {
            let request = request(connections, side, Some(1000));
            let all = plan(&root, request);
            assert_eq!(all.unreadable, [], "everything is there");
            for (file, content) in &files {
                let path = root.path().join(file);
                fs::remove_file(&path).unwrap();
                let some = plan(&root, request);
                fs::write(&path, content).unwrap();
                let of = |link: &Link| some.chain.iter().find(|other| other.id == link.id).map(|link| link.verdict);
                let is_better = all.chain.iter().any(|link| {
                    link.verdict == Verdict::Wall && of(link).is_none_or(|verdict| verdict != Verdict::Wall)
                });
                assert!(goodness(&some) <= goodness(&all), "{file}: {:?} was {:?}", some.fit, all.fit);
                // A limit that is no longer in sight, or has become wider, is named.
                let is_wider = some.fits_now.unwrap_or(u64::MAX) > all.fits_now.unwrap_or(u64::MAX);
                assert!(!(is_better || is_wider) || !some.unreadable.is_empty(), "{file} is not named");
                unseen += usize::from(!some.unreadable.is_empty());
            }
        }
    }
    assert!(unseen > 100, "{unseen}");
}

/// Where the groups are not in sight, whatever they allow is not known.
#[test]
fn cgroups_out_of_sight_are_no_good_news() {
    let seen = |name: &str, cgroup: &'static str, procs: Option<&str>| {
        let mut files = desktop_with(ALL);
        files.retain(|(file, _)| !file.starts_with("sys/fs/cgroup/"));
        files.push(("proc/self/cgroup", cgroup));
        let root = Root::new(name, &files);
        fs::create_dir_all(root.path().join("sys/fs/cgroup/memory")).unwrap();
        if let Some(procs) = procs {
            fs::write(root.path().join(procs), "1\n").unwrap();
        }
        plan(&root, request(1000, Side::Server, None))
    };
    let whole = seen("cgroup-of-all", "0::/\n", Some("sys/fs/cgroup/cgroup.procs"));
    assert_eq!(whole.unreadable, [], "the group of all has no limits");
    assert_ne!(whole.fit, Fit::AsFarAsReadable);
    for (name, cgroup, procs, how) in [
        ("cgroup-unmounted", "0::/\n", None, "sys/fs/cgroup/cgroup.procs"),
        ("cgroup-v1-unmounted", "4:memory:/\n", None, "sys/fs/cgroup/memory/cgroup.procs"),
        ("cgroup-above", "0::/../..\n", Some("sys/fs/cgroup/cgroup.procs"), "/proc/self/cgroup"),
        ("cgroup-beside", "0::/../other\n", Some("sys/fs/cgroup/cgroup.procs"), "/proc/self/cgroup"),
    ] {
        let hidden = seen(name, cgroup, procs);
        assert_eq!(hidden.fit, Fit::AsFarAsReadable, "{name}: {:?}", hidden.unreadable);
        let found = hidden.unreadable.iter().find(|missing| missing.what == "memory the cgroup allows");
        assert!(found.is_some_and(|missing| missing.how.contains(how)), "{name}: {:?}", hidden.unreadable);
    }
}

#[test]
fn what_is_missing_is_named_with_what_shows_it() {
    let root = Root::new("readable-nothing", &[]);
    let plan = plan(&root, request(1000, Side::Both, None));
    assert_eq!(plan.fit, Fit::AsFarAsReadable);
    for (what, how) in [
        ("memory", "/proc/meminfo"),
        ("fs.file-max", "sysctl fs.file-max"),
        ("net.ipv4.tcp_mem", "first network namespace: sysctl net.ipv4.tcp_mem"),
        ("sizes of kernel objects", "as root: cat /proc/slabinfo"),
        ("numbers of threads", "/proc/sys/kernel/pid_max"),
        ("processors online", "as root: cat /sys/devices/system/cpu/online"),
        ("files that are open", "as root: cat /proc/sys/fs/file-nr"),
        ("what this process may do", "as root: cat /proc/self/status"),
        ("local ports", "as root: cat /proc/sys/net/ipv4/ip_local_port_range"),
        ("reserved ports", "as root: cat /proc/sys/net/ipv4/ip_local_reserved_ports"),
    ] {
        let found = plan.unreadable.iter().find(|missing| missing.what == what);
        assert!(found.is_some_and(|missing| missing.how.contains(how)), "{what}: {found:?}");
    }
}

#[test]
fn needs_that_no_host_meets_are_impossible() {
    let files = desktop_with(ALL);
    let root = Root::new("readable-impossible", &files);
    for (connections, side, words) in [
        (0, Side::Server, "nothing to plan"),
        (1 << 49, Side::Server, "one address and port"),
        (u64::MAX, Side::Both, "one address and port"),
        (1 << 45, Side::Server, "can address"),
        (u64::MAX, Side::Tun, "can address"),
    ] {
        let plan = plan(&root, request(connections, side, None));
        assert_eq!(plan.fit, Fit::Impossible, "{connections}");
        assert!(plan.impossible.as_ref().is_some_and(|reason| reason.contains(words)), "{:?}", plan.impossible);
    }
    let large = plan(&root, request(100_000_000, Side::Server, None));
    assert_eq!((large.fit, large.impossible), (Fit::DoesNotFit, None), "some host may have them");
}
