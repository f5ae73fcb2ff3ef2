//! Limits of the whole host on open files, and of one user on what epoll watches.

use super::rule::{Effect, Finding, Kind, Limit, Rule, State, Turn};
use super::subject::Subject;
use crate::number::thousands;
use crate::request::Side;

/// Files of everything else that runs, at least.
const OTHER_FILES_MIN: u64 = 100_000;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "fs.file-max",
        title: "open files of the whole host",
        source: "kernel docs admin-guide/sysctl/fs.rst, file-max; linux fs/file_table.c, alloc_empty_file",
        kind: Kind::Limit(Limit { unit: "files", effect: Effect::Stops, alarm: Some(State::Bad), judge: file_max }),
    },
    Rule {
        id: "fs.epoll.max_user_watches",
        title: "sockets a user may watch",
        source: "epoll(7), /proc interfaces; linux fs/eventpoll.c",
        kind: Kind::Limit(Limit {
            unit: "sockets",
            effect: Effect::Stops,
            alarm: Some(State::Bad),
            judge: epoll_watches,
        }),
    },
];

fn file_max(subject: &Subject<'_>) -> Option<Finding> {
    let open = subject.facts.files.open_count;
    let need = subject.ends.saturating_add(open.unwrap_or(0));
    let Some(most) = subject.facts.files.file_max else {
        return Some(Finding::unknown(need));
    };
    let found = match open {
        Some(open) => format!("{} ({} open)", thousands(most), thousands(open)),
        None => thousands(most),
    };
    // A tenth above the sockets, and room for everything else that is open on a host.
    let others = open.unwrap_or(0).max(OTHER_FILES_MIN);
    let wanted = subject.ends.saturating_add(subject.ends / 10).saturating_add(others);
    let judged = |hit_at, meaning| {
        Finding::limit(Some(most), need, hit_at, meaning)
            .found(&found)
            .wanted(format!("≥ {}", thousands(wanted)))
            .fine("both ends of every connection fit on this host")
            .mend(Turn::Host, format!("sysctl -w fs.file-max={wanted}"))
    };
    if subject.facts.capabilities.sys_admin == Some(true) {
        let exempt = judged(None, "CAP_SYS_ADMIN is exempt; an ordinary user would get ENFILE");
        let is_enough = most >= need;
        return Some(if is_enough { exempt } else { Finding { fine: None, ..exempt.state(State::Info) } });
    }
    let hit_at = most.saturating_sub(open.unwrap_or(0)) / subject.request.side.kernel_ends();
    Some(judged(Some(hit_at), "accept(2) and socket(2) fail with ENFILE; direct descriptors of io_uring count too"))
}

fn epoll_watches(subject: &Subject<'_>) -> Option<Finding> {
    let server = u64::from(!subject.request.backend.is_uring());
    let watched_ends = server + u64::from(subject.request.side == Side::Both);
    if watched_ends == 0 {
        return None;
    }
    let need = subject.connections.saturating_mul(watched_ends);
    let Some(most) = subject.facts.files.epoll_watches_max else {
        return Some(Finding::unknown(need));
    };
    let meaning = "epoll_ctl(2) fails with ENOSPC, for root too; all programs of one user count together";
    let wanted = need.saturating_add(need / 10);
    Some(
        Finding::limit(Some(most), need, Some(most / watched_ends), meaning)
            .fine("both ends may be watched by one user")
            .mend(Turn::Host, format!("sysctl -w fs.epoll.max_user_watches={wanted}")),
    )
}
