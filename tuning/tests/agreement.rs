//! Audit and plan judge a limit alike: the same need, hit by the same number of connections.

#[allow(dead_code, reason = "the tests of the audit use the rest")]
mod root;

use host::{Facts, OpenFilesLimit};
use protocol::Workload;
use root::{Root, desktop_with, row};
use tuning::plan::{Backend, Host, Link, Plan, Request, Side, Verdict};
use tuning::{Audit, IoUring, Row, State, thousands};

/// The audit's row and the plan's link of one limit, for 10,000 connections with both ends on a desktop.
fn judged(changes: &[(&'static str, &'static str)], hard: u64, [of_audit, of_plan]: [&str; 2]) -> (Row, Link) {
    // A root of its own: the tests run at the same time.
    let root = Root::new(&format!("agreement {of_audit}"), &desktop_with(changes));
    let facts = Facts::read(root.path(), OpenFilesLimit { soft: Some(0), hard: Some(hard) });
    let request = Request {
        connections: 10_000,
        workload: Workload::Echo,
        backend: Backend::Epoll,
        side: Side::Both,
        ring_clients: false,
        heartbeat_ms: None,
        reactors: None,
        sources: None,
    };
    let plan = Plan::new(&facts, &Host::read(root.path(), 4096), request, &IoUring::Available);
    let audit = Audit::new(facts, request.connections, &IoUring::Available);
    let link = plan.chain.iter().find(|link| link.id == of_plan).expect("the plan judges it");
    (row(&audit, of_audit).clone(), link.clone())
}

fn check((row, link): &(Row, Link), need: u64, is_hit: bool) {
    assert_eq!((link.need, link.verdict == Verdict::Wall), (Some(need), is_hit), "{link:#?}");
    assert_eq!(row.state != State::Ok, is_hit, "{row:#?}");
    let wanted = row.wanted.as_deref().expect("a need");
    assert_eq!(wanted.split(", or").next(), Some(format!("≥ {}", thousands(need)).as_str()));
}

#[test]
fn open_files_of_the_host_have_one_need() {
    for (file_nr, file_max, need, hit_at) in [
        // What is open, and two sockets a connection: the kernel refuses the next one.
        ("12000\t0\t32000", "32000", 32_000, 10_000),
        ("12000\t0\t31999", "31999", 32_000, 9999),
        ("12000\t0\t11000", "11000", 32_000, 0),
        // Where it is not known what is open, room for all other programs.
        ("x", "120000", 120_000, 10_000),
        ("x", "119999", 120_000, 9999),
    ] {
        let files = [("proc/sys/fs/file-nr", file_nr), ("proc/sys/fs/file-max", file_max)];
        let both = judged(&files, 1 << 20, ["fs.file-max"; 2]);
        check(&both, need, hit_at < 10_000);
        assert_eq!((both.1.hit_at, &both.0.command), (Some(hit_at), &both.1.command));
        // A limit that is hit without a command that moves it would be no answer.
        let tenth_more = format!("sysctl -w fs.file-max={}", need + need / 10);
        assert_eq!(both.1.command, (hit_at < 10_000).then_some(tenth_more));
    }
}

/// The limit has a name in audits and another one in plans, and one judgement.
#[test]
fn descriptors_of_a_reactor_have_one_need() {
    // 1,250 for each of 8 reactors, 144 for an uneven hash, 64 for the reactor itself.
    for (hard, is_hit) in [(0, true), (1457, true), (1458, false), (1 << 20, false)] {
        let both = judged(&[], hard, ["RLIMIT_NOFILE hard", "RLIMIT_NOFILE (server)"]);
        check(&both, 1458, is_hit);
        assert_eq!((both.0.found, both.1.limit), (thousands(hard), Some(hard)));
    }
}
