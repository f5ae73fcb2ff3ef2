//! Limits on descriptors: of one table, of the host, and of epoll.

use super::{Finding, Rule, Subject, descriptors_needed};
use crate::audit::State;
use crate::number::{counted, thousands};

/// Threads beyond which more reactors are no remedy for a low limit.
const REACTORS_MAX: u64 = 1024;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "RLIMIT_NOFILE hard",
        title: "descriptors a reactor may own",
        source: "getrlimit(2) RLIMIT_NOFILE; unshare(2) CLONE_FILES; socket(7) SO_REUSEPORT",
        judge: hard_limit,
    },
    Rule {
        id: "RLIMIT_NOFILE soft",
        title: "descriptors before raising the limit",
        source: "getrlimit(2); linux uapi/linux/fs.h INR_OPEN_CUR",
        judge: soft_limit,
    },
    Rule {
        id: "fs.nr_open",
        title: "highest limit a table can be given",
        source: "kernel docs admin-guide/sysctl/fs.rst, nr_open",
        judge: nr_open,
    },
    Rule {
        id: "fs.file-max",
        title: "open files of the whole host",
        source: "kernel docs admin-guide/sysctl/fs.rst, file-max; linux fs/file_table.c",
        judge: file_max,
    },
    Rule {
        id: "fs.epoll.max_user_watches",
        title: "sockets a user may watch with epoll",
        source: "epoll(7), /proc interfaces",
        judge: epoll_watches,
    },
];

fn hard_limit(subject: &Subject<'_>) -> Finding {
    let needed = subject.descriptors_per_reactor;
    let Some(hard) = subject.facts.files.limit.hard else {
        return Finding::new(State::Ok, "unlimited", "only fs.nr_open bounds a reactor");
    };
    let found = thousands(hard);
    let wanted = format!("≥ {}", thousands(needed));
    let shared = "every reactor thread owns its descriptor table, so the limit bounds the fullest reactor's share";
    if hard >= needed {
        let reactors = counted(subject.reactors, "reactor", "reactors");
        return Finding::new(State::Ok, found, format!("{shared}; {reactors} here")).wanted(wanted);
    }
    let Some(reactors) = (1..=REACTORS_MAX).find(|&count| descriptors_needed(subject.connections, count) <= hard)
    else {
        return Finding::new(State::Bad, found, "too low for any sensible number of reactors")
            .wanted(wanted)
            .command(raise(subject, needed));
    };
    let reactors_text = counted(reactors, "reactor", "reactors");
    Finding::new(State::Warn, found, format!("{shared}; {reactors_text} are enough"))
        .wanted(format!("{wanted}, or {reactors_text}"))
        .command(if subject.facts.capabilities.sys_resource == Some(true) {
            raise(subject, needed)
        } else {
            // Without CAP_SYS_RESOURCE no hard limit goes up, not even for root.
            format!("c10m serve echo --reactors {reactors}")
        })
}

/// The command that raises a hard limit, by what this process may do.
fn raise(subject: &Subject<'_>, needed: u64) -> String {
    if subject.facts.capabilities.sys_resource == Some(true) {
        format!("ulimit -Hn {needed}")
    } else {
        format!("LimitNOFILE={needed} in the systemd unit, or limits.conf(5), and log in again")
    }
}

fn soft_limit(subject: &Subject<'_>) -> Finding {
    let Some(soft) = subject.facts.files.limit.soft else {
        return Finding::new(State::Ok, "unlimited", "nothing to raise");
    };
    let needed = subject.descriptors_per_reactor;
    let meaning = "the server raises it to the hard limit by itself; other programs started from this shell do not";
    let hard_is_higher = subject.facts.files.limit.hard.is_none_or(|hard| hard > soft);
    if soft >= needed || !hard_is_higher {
        return Finding::new(
            State::Ok,
            thousands(soft),
            "a program need not raise it to get what the hard limit allows",
        );
    }
    Finding::new(State::Info, thousands(soft), meaning).command("ulimit -Sn $(ulimit -Hn)")
}

fn nr_open(subject: &Subject<'_>) -> Finding {
    let Some(nr_open) = subject.facts.files.nr_open else {
        return Finding::not_readable();
    };
    let needed = subject.descriptors_per_reactor;
    if nr_open >= needed {
        return Finding::new(State::Ok, thousands(nr_open), "a hard limit can be raised far enough")
            .wanted(format!("≥ {}", thousands(needed)));
    }
    Finding::new(
        State::Warn,
        thousands(nr_open),
        "no descriptor table grows beyond it and no hard limit goes above it: raise it first, then the limit, or use more reactors",
    )
    .wanted(format!("≥ {}", thousands(needed)))
    .command(format!("sysctl -w fs.nr_open={needed}"))
}

/// A tenth above the sockets, and a hundred thousand for everything else that is open on a host.
fn files_needed(sockets: u64) -> u64 {
    sockets.saturating_add(sockets / 10).saturating_add(100_000)
}

fn file_max(subject: &Subject<'_>) -> Finding {
    let Some(file_max) = subject.facts.files.file_max else {
        return Finding::not_readable();
    };
    let needed = files_needed(subject.endpoints);
    let found = match subject.facts.files.open_count {
        Some(open) => format!("{} ({} open)", thousands(file_max), thousands(open)),
        None => thousands(file_max),
    };
    let wanted = format!("≥ {}", thousands(needed));
    if file_max >= needed {
        return Finding::new(State::Ok, found, "both ends of every connection fit on this host").wanted(wanted);
    }
    let (state, meaning) = if subject.facts.capabilities.sys_admin == Some(true) {
        (State::Info, "CAP_SYS_ADMIN is exempt, so it does not bite here; an ordinary user would get ENFILE")
    } else if file_max >= files_needed(subject.connections) {
        (State::Warn, "one end of every connection fits, both ends on this host do not: accept fails with ENFILE")
    } else {
        (State::Bad, "accept fails with ENFILE before all connections are open")
    };
    Finding::new(state, found, meaning).wanted(wanted).command(format!("sysctl -w fs.file-max={needed}"))
}

fn epoll_watches(subject: &Subject<'_>) -> Finding {
    let Some(watches_max) = subject.facts.files.epoll_watches_max else {
        return Finding::not_readable();
    };
    let found = thousands(watches_max);
    let wanted = format!("≥ {}", thousands(subject.endpoints));
    if watches_max >= subject.endpoints {
        return Finding::new(State::Ok, found, "both ends may be watched by one user").wanted(wanted);
    }
    let (state, meaning) = if watches_max >= subject.connections {
        (State::Warn, "too few for both ends under one user: epoll_ctl fails with ENOSPC; root is not exempt")
    } else {
        (State::Bad, "epoll_ctl fails with ENOSPC, for root too; io_uring is not bound by it")
    };
    Finding::new(state, found, meaning)
        .wanted(wanted)
        .command(format!("sysctl -w fs.epoll.max_user_watches={}", subject.endpoints))
}
