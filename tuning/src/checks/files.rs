//! Limits of the whole host on open files, and of one user on epoll watches.

use super::check::{Check, Finding, Kind, State, Turn};
use super::subject::Subject;
use crate::number::thousands;
use crate::request::Side;

/// Files of all other programs where the host does not say how many are open: more than a desktop has.
const OTHER_FILES: u64 = 100_000;

pub(super) const OPEN: &[Check] = &[Check {
    id: "fs.file-max",
    title: "open files of the whole host",
    source: "kernel docs admin-guide/sysctl/fs.rst, file-max; linux fs/file_table.c, alloc_empty_file",
    kind: Kind::stops("files", Some(State::Bad), file_max),
}];

pub(super) const WATCHED: &[Check] = &[Check {
    id: "fs.epoll.max_user_watches",
    title: "sockets a user may watch",
    source: "epoll(7), /proc interfaces; linux fs/eventpoll.c",
    kind: Kind::stops("sockets", Some(State::Bad), epoll_watches),
}];

/// The connections need their sockets beside the files that are open already. That is the need of audit and plan
/// alike, because the kernel refuses exactly beyond the limit, and what is open is known better than guessed. Files that
/// other programs open meanwhile are room of the command: it asks for a tenth more.
fn file_max(subject: &Subject<'_>) -> Option<Finding> {
    let open = subject.facts.files.open_count;
    let others = open.unwrap_or(OTHER_FILES);
    let need = subject.ends.saturating_add(others);
    let Some(most) = subject.facts.files.file_max else {
        return Some(Finding::unknown(need));
    };
    let hit_at = most.saturating_sub(others) / subject.request.side.kernel_ends();
    let wanted = need.saturating_add(need / 10);
    let found = match open {
        Some(open) => format!("{} ({} open)", thousands(most), thousands(open)),
        None => thousands(most),
    };
    let judged = |hit_at, meaning| {
        Finding::limit(Some(most), need, hit_at, meaning)
            .found(&found)
            .mend(Turn::Host, format!("sysctl -w fs.file-max={wanted}"))
    };
    let fine = "both ends of every connection fit on this host";
    if subject.facts.capabilities.sys_admin == Some(true) {
        let exempt = judged(None, "CAP_SYS_ADMIN is exempt; an ordinary user would get ENFILE");
        return Some(if most >= need { exempt.fine(fine) } else { exempt.state(State::Info) });
    }
    let meaning = "accept(2) and socket(2) fail with ENFILE; direct descriptors of io_uring count too";
    Some(judged(Some(hit_at), meaning).fine(fine))
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
