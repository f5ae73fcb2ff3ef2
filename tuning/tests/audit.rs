//! What the audit says of a stock desktop, a locked-down host, a tuned one, and single settings.

mod root;

use root::{DESKTOP, Root, desktop_with, row};
use tuning::{Audit, IoUring, State};

fn check_states(audit: &Audit, expected: &[(&str, State)]) {
    for (id, state) in expected {
        let row = row(audit, id);
        assert_eq!(row.state, *state, "{row:#?}");
    }
}

#[test]
fn a_stock_desktop_is_ready_for_ten_thousand() {
    let root = Root::new("desktop", DESKTOP);
    let audit = root.audit(1024, 524_288, 10_000, IoUring::Available);
    assert_eq!(audit.facts.errors, []);
    assert_eq!(audit.facts.kernel.mitigations["spectre_v2"], "Retpolines");
    let noteworthy: Vec<&str> =
        audit.rows.iter().filter(|row| row.state != State::Ok).map(|row| row.id.as_str()).collect();
    assert_eq!(noteworthy, ["RLIMIT_NOFILE soft"], "anything more is a false alarm");
    assert_eq!(audit.tally.warn + audit.tally.bad, 0);
    assert!(row(&audit, "RLIMIT_NOFILE hard").meaning.contains("8 reactors"));
}

#[test]
fn the_same_desktop_is_not_ready_for_ten_million() {
    let root = Root::new("desktop-many", DESKTOP);
    let audit = root.audit(1024, 524_288, 10_000_000, IoUring::Available);
    check_states(
        &audit,
        &[
            ("RLIMIT_NOFILE hard", State::Warn),
            ("fs.nr_open", State::Warn),
            ("fs.file-max", State::Ok),
            ("fs.epoll.max_user_watches", State::Bad),
            ("memory", State::Bad),
            ("net.core.somaxconn", State::Ok),
            ("net.ipv4.ip_local_port_range", State::Info),
            ("net.ipv4.tcp_ehash_entries", State::Warn),
            ("net.ipv4.tcp_mem", State::Info),
            ("net.ipv4.tcp_max_tw_buckets", State::Info),
        ],
    );
    assert_eq!(row(&audit, "net.ipv4.ip_local_port_range").wanted.as_deref(), Some("355 source addresses"));
}

#[test]
fn a_limit_that_cannot_be_raised_asks_for_reactors() {
    let root = Root::new(
        "locked",
        &desktop_with(&[
            ("proc/self/status", "CapEff:\t000001fffeffffff\n"),
            ("proc/sys/net/ipv4/tcp_congestion_control", "bbr"),
            ("proc/sys/net/netfilter/nf_conntrack_count", "0"),
            ("proc/sys/net/netfilter/nf_conntrack_max", "262144"),
            ("proc/sys/fs/file-max", "500000"),
            ("sys/devices/system/cpu/online", "0-1"),
        ]),
    );
    let audit = root.audit(20_000, 20_000, 1_000_000, IoUring::Available);
    let limit = row(&audit, "RLIMIT_NOFILE hard");
    assert_eq!(limit.state, State::Warn);
    assert_eq!(limit.command.as_deref(), Some("c10m serve echo --reactors 52"));
    check_states(
        &audit,
        &[
            ("RLIMIT_NOFILE soft", State::Ok),
            ("fs.file-max", State::Info),                  // CAP_SYS_ADMIN is exempt
            ("net.netfilter.nf_conntrack_max", State::Ok), // present is not active
            ("net.ipv4.tcp_congestion_control", State::Info),
            ("capabilities", State::Info),
        ],
    );
    assert_eq!(row(&audit, "net.ipv4.tcp_congestion_control").wanted.as_deref(), Some("cubic"));
}

#[test]
fn a_tuned_host_is_ready_for_a_million() {
    let root = Root::new(
        "tuned",
        &desktop_with(&[
            ("proc/meminfo", "MemTotal: 67108864 kB\nMemAvailable: 64000000 kB\n"),
            ("proc/self/status", "CapEff:\t000001ffffffffff\n"),
            ("proc/sys/net/ipv4/ip_local_port_range", "1024 65535"),
            ("proc/sys/net/ipv4/ip_local_reserved_ports", "8080,9000-9010"),
            ("proc/sys/net/ipv4/tcp_mem", "4000000 5000000 8000000"),
            ("proc/sys/net/ipv4/tcp_max_tw_buckets", "2000000"),
            ("proc/sys/net/ipv4/tcp_max_orphans", "2000000"),
            ("proc/sys/net/ipv4/tcp_ehash_entries", "-524288"),
        ]),
    );
    let audit = root.audit(2_000_000, 2_000_000, 1_000_000, IoUring::Available);
    let noteworthy: Vec<&str> =
        audit.rows.iter().filter(|row| row.state != State::Ok).map(|row| row.id.as_str()).collect();
    // More connections than ports is a matter of addresses, not of tuning.
    assert_eq!(noteworthy, ["net.ipv4.ip_local_port_range"]);
    assert_eq!(row(&audit, "net.ipv4.tcp_ehash_entries").found, "524,288, shared");
}

#[test]
fn settings_that_disturb_are_named() {
    let io_uring = || IoUring::Unavailable("EPERM".to_owned());
    for (file, contents, id, state) in [
        ("proc/sys/net/core/somaxconn", "128", "net.core.somaxconn", State::Warn),
        ("proc/sys/net/ipv4/tcp_syncookies", "0", "net.ipv4.tcp_max_syn_backlog", State::Warn),
        ("proc/sys/net/ipv4/tcp_syncookies", "0", "net.ipv4.tcp_syncookies", State::Info),
        ("proc/sys/net/ipv4/tcp_syncookies", "2", "net.ipv4.tcp_syncookies", State::Warn),
        ("proc/sys/net/ipv4/tcp_abort_on_overflow", "1", "net.ipv4.tcp_abort_on_overflow", State::Info),
        ("proc/net/softnet_stat", "00000010 000000cf 00000000", "net.core.netdev_max_backlog", State::Info),
        ("proc/sys/net/ipv4/tcp_rmem", "1024 4096 16384", "net.ipv4.tcp_rmem", State::Info),
        ("proc/sys/kernel/io_uring_disabled", "2", "kernel.io_uring_disabled", State::Warn),
        ("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet", "clocksource", State::Warn),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave", "scaling_governor", State::Info),
        ("proc/cmdline", "quiet mitigations=off", "mitigations", State::Info),
        ("proc/pressure/cpu", "some avg10=55.00 avg60=0", "pressure", State::Info),
        ("proc/sys/net/ipv4/ip_local_reserved_ports", "32768-60999", "net.ipv4.ip_local_port_range", State::Bad),
    ] {
        let root = Root::new("disturbed", &desktop_with(&[(file, contents)]));
        let audit = root.audit(20_000, 20_000, 10_000, io_uring());
        let row = row(&audit, id);
        assert_eq!(row.state, state, "{file} = {contents}: {row:#?}");
    }
}

#[test]
fn active_connection_tracking_is_judged_by_its_room() {
    for (count, max, state) in [("5", "262144", State::Info), ("5", "12000", State::Bad), ("0", "12000", State::Ok)] {
        let root = Root::new(
            "conntrack",
            &[("proc/sys/net/netfilter/nf_conntrack_count", count), ("proc/sys/net/netfilter/nf_conntrack_max", max)],
        );
        let audit = root.audit(20_000, 20_000, 10_000, IoUring::Available);
        assert_eq!(row(&audit, "net.netfilter.nf_conntrack_max").state, state, "{count} of {max}");
    }
}
