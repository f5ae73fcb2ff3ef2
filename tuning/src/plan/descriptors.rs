//! Limits on descriptors: of a reactor's table, of a worker's, of a ring, of the host, of epoll; and
//! on the threads that share the work.

use super::limit::{Finding, Kind, Limit, Mend, Turn};
use super::subject::{Subject, largest};
use crate::audit::IoUring;
use crate::budget;
use crate::number::counted;
use crate::request::Side;
use crate::rules::descriptors_needed;

pub(super) const LIMITS: &[Limit] = &[
    Limit {
        id: "kernel.io_uring_disabled",
        title: "whether a ring can be set up",
        unit: "0 or 1",
        source: "kernel docs admin-guide/sysctl/kernel.rst, io_uring_disabled",
        kind: Kind::Stops,
        judge: ring_available,
    },
    Limit {
        id: "RLIMIT_NOFILE (server)",
        title: "descriptors of each reactor",
        unit: "descriptors a table",
        source: "getrlimit(2) RLIMIT_NOFILE; unshare(2) CLONE_FILES; socket(7) SO_REUSEPORT",
        kind: Kind::Stops,
        judge: server_tables,
    },
    Limit {
        id: "RLIMIT_NOFILE (generator)",
        title: "descriptors of each worker",
        unit: "descriptors a table",
        source: "getrlimit(2) RLIMIT_NOFILE; unshare(2) CLONE_FILES",
        kind: Kind::Stops,
        judge: generator_tables,
    },
    Limit {
        id: "io_uring direct descriptors",
        title: "connections of each ring",
        unit: "slots a ring",
        source: "linux io_uring/rsrc.c, IORING_MAX_FIXED_FILES and RLIMIT_NOFILE",
        kind: Kind::Stops,
        judge: ring_tables,
    },
    Limit {
        id: "connections of a reactor",
        title: "what the server itself allows",
        unit: "connections",
        source: "c10m serve --max-connections",
        kind: Kind::Stops,
        judge: reactor_connections,
    },
    Limit {
        id: "threads",
        title: "reactors or workers of one program",
        unit: "threads",
        source: "c10m serve --reactors, c10m load -t; kernel docs admin-guide/sysctl/kernel.rst, threads-max, pid_max; cgroup pids.max",
        kind: Kind::Stops,
        judge: threads,
    },
    Limit {
        id: "fs.nr_open",
        title: "highest limit a table can have",
        unit: "descriptors a table",
        source: "kernel docs admin-guide/sysctl/fs.rst, nr_open; linux fs/file.c",
        kind: Kind::Stops,
        judge: nr_open,
    },
    Limit {
        id: "fs.file-max",
        title: "open files of the whole host",
        unit: "files",
        source: "kernel docs admin-guide/sysctl/fs.rst, file-max; linux fs/file_table.c, alloc_empty_file",
        kind: Kind::Stops,
        judge: file_max,
    },
    Limit {
        id: "fs.epoll.max_user_watches",
        title: "sockets a user may watch",
        unit: "sockets",
        source: "epoll(7), /proc interfaces; linux fs/eventpoll.c",
        kind: Kind::Stops,
        judge: epoll_watches,
    },
];

fn ring_available(subject: &Subject<'_>) -> Option<Finding> {
    if !subject.request.backend.is_uring() {
        return None;
    }
    let disabled = subject.facts.kernel.io_uring_disabled;
    let IoUring::Unavailable(reason) = subject.io_uring else {
        return Some(Finding::new(disabled, 0, None, "a ring was set up"));
    };
    let finding = Finding::new(disabled, 0, Some(0), format!("no ring can be set up here: {reason}"));
    Some(match disabled {
        Some(1..) => finding.mend(Mend::new(Turn::Host, "sysctl -w kernel.io_uring_disabled=0")),
        _ => finding,
    })
}

/// The flag that shares the connections among enough reactors, or as many as there can be; whether
/// those are enough is the affair of `threads`.
fn more_reactors(subject: &Subject<'_>) -> Option<Mend> {
    let reactors = subject.reactors_planned().unwrap_or(budget::THREADS_MAX);
    Mend::new(Turn::Flag, format!("c10m serve --reactors {reactors}"))
}

fn server_tables(subject: &Subject<'_>) -> Option<Finding> {
    if subject.request.backend.is_uring() {
        return None;
    }
    let hard = subject.facts.files.limit.hard;
    let need = descriptors_needed(subject.connections, subject.reactors);
    let hit_at = hard.and_then(|hard| largest(|many| descriptors_needed(many, subject.reactors) <= hard));
    let reactors = counted(subject.reactors, "reactor", "reactors");
    let meaning = format!(
        "every reactor owns its table and raises the soft limit to the hard one by itself; {reactors} share the \
         connections by a hash, so the fullest decides"
    );
    let mend = match subject.reactors_planned() {
        Some(reactors) if subject.may_raise_limits() => {
            Mend::new(Turn::Shell, format!("ulimit -n {}", descriptors_needed(subject.connections, reactors)))
        }
        _ => more_reactors(subject),
    };
    Some(Finding::new(hard, need, hit_at, meaning).mend(mend))
}

fn generator_tables(subject: &Subject<'_>) -> Option<Finding> {
    if subject.request.side != Side::Both {
        return None;
    }
    let hard = subject.facts.files.limit.hard;
    let need = subject.connections.div_ceil(subject.workers).saturating_add(budget::WORKER_DESCRIPTORS);
    let hit_at = hard.map(|hard| hard.saturating_sub(budget::WORKER_DESCRIPTORS).saturating_mul(subject.workers));
    let workers = counted(subject.workers, "worker shares", "workers share");
    let meaning = format!("every worker of the generator owns its table; {workers} the connections evenly");
    let planned = subject.workers_planned().unwrap_or(budget::THREADS_MAX);
    let mend = Mend::new(Turn::Flag, format!("c10m load -t {planned}"));
    Some(Finding::new(hard, need, hit_at, meaning).mend(mend))
}

fn ring_tables(subject: &Subject<'_>) -> Option<Finding> {
    if !subject.request.backend.is_uring() {
        return None;
    }
    let of_limit = subject.descriptors_max().saturating_sub(budget::REACTOR_DESCRIPTORS);
    let slots = of_limit.min(budget::RING_DESCRIPTORS_MAX);
    let need = Subject::share(subject.connections, subject.reactors);
    let hit_at = largest(|many| Subject::share(many, subject.reactors) <= slots);
    let meaning = if of_limit < budget::RING_DESCRIPTORS_MAX {
        "a ring's table has at most RLIMIT_NOFILE slots, less what the reactor keeps for itself; each reactor has one"
    } else {
        "a ring's table has at most 1,048,576 slots; each reactor has one"
    };
    let planned = subject.reactors_planned();
    let mend = match planned {
        // Enough reactors for the kernel's own bound: only the limit is in the way.
        Some(reactors) if subject.may_raise_limits() && Subject::share(subject.connections, reactors) > slots => {
            Mend::new(Turn::Shell, format!("ulimit -n {}", descriptors_needed(subject.connections, reactors)))
        }
        _ => more_reactors(subject),
    };
    Some(Finding::new(Some(slots), need, hit_at, meaning).mend(mend))
}

fn reactor_connections(subject: &Subject<'_>) -> Option<Finding> {
    if subject.request.backend.is_uring() {
        return None;
    }
    let most = budget::REACTOR_CONNECTIONS_MAX;
    let need = Subject::share(subject.connections, subject.reactors);
    let hit_at = largest(|many| Subject::share(many, subject.reactors) <= most);
    Some(Finding::new(Some(most), need, hit_at, "a reactor takes no more than this").mend(more_reactors(subject)))
}

fn threads(subject: &Subject<'_>) -> Option<Finding> {
    let of_host = subject.host.threads_max.unwrap_or(u64::MAX);
    let most = of_host.min(budget::THREADS_MAX);
    // Where limits can be raised, reactors are only bounded by what each can own.
    let of_server = if subject.may_raise_limits() {
        largest(|many| Subject::share(many, most.max(1)) <= subject.reactor_connections_max())
    } else {
        largest(|many| subject.reactors_for(many).is_some_and(|reactors| reactors <= most))
    };
    let has_sockets = subject.request.side == Side::Both;
    let of_generator = has_sockets.then(|| most.saturating_mul(subject.worker_connections_max()));
    let hit_at = of_server.into_iter().chain(of_generator).min();
    let need =
        subject.reactors_planned().zip(subject.workers_planned()).map(|(reactors, workers)| reactors.max(workers));
    let meaning = if of_host < budget::THREADS_MAX {
        "with the limits on each table so many are needed; kernel.threads-max, kernel.pid_max or pids.max of the \
         cgroup allows fewer"
    } else {
        "with the limits on each table so many are needed; no program here starts more"
    };
    let finding = Finding { need, ..Finding::new(Some(most), 0, hit_at, meaning) };
    Some(match need {
        Some(_) => finding,
        None => finding.mend(Mend::new(
            Turn::Shell,
            "# a higher hard limit on open files: LimitNOFILE= of systemd, or limits.conf(5)",
        )),
    })
}

fn nr_open(subject: &Subject<'_>) -> Option<Finding> {
    if subject.request.backend.is_uring() {
        return None;
    }
    let need = descriptors_needed(subject.connections, subject.reactors);
    let Some(nr_open) = subject.facts.files.nr_open else {
        return Some(Finding::not_readable(need));
    };
    let hit_at = largest(|many| descriptors_needed(many, subject.reactors) <= nr_open);
    let meaning = "no hard limit goes above it and no table grows beyond it; raise it before the limit";
    let mend = match subject.reactors_planned() {
        Some(reactors) if subject.may_raise_limits() => {
            let planned = descriptors_needed(subject.connections, reactors);
            // Enough reactors may already have brought the share below it.
            if planned > nr_open {
                Mend::new(Turn::Host, format!("sysctl -w fs.nr_open={planned}"))
            } else {
                more_reactors(subject)
            }
        }
        _ => more_reactors(subject),
    };
    Some(Finding::new(Some(nr_open), need, hit_at, meaning).mend(mend))
}

fn file_max(subject: &Subject<'_>) -> Option<Finding> {
    let open = subject.facts.files.open_count.unwrap_or(0);
    let need = subject.ends.saturating_add(open);
    let Some(most) = subject.facts.files.file_max else {
        return Some(Finding::not_readable(need));
    };
    if subject.facts.capabilities.sys_admin == Some(true) {
        let meaning = "CAP_SYS_ADMIN is exempt; an ordinary user would get ENFILE";
        return Some(Finding::new(Some(most), need, None, meaning));
    }
    let hit_at = most.saturating_sub(open) / subject.request.side.kernel_ends();
    let meaning = "accept(2) and socket(2) fail with ENFILE; direct descriptors of io_uring count too";
    // A tenth more, for everything else that is opened meanwhile.
    let wanted = need.saturating_add(need / 10);
    Some(
        Finding::new(Some(most), need, Some(hit_at), meaning)
            .mend(Mend::new(Turn::Host, format!("sysctl -w fs.file-max={wanted}"))),
    )
}

fn epoll_watches(subject: &Subject<'_>) -> Option<Finding> {
    let server = u64::from(!subject.request.backend.is_uring());
    let watched_ends = server + u64::from(subject.request.side == Side::Both);
    if watched_ends == 0 {
        return None;
    }
    let need = subject.connections.saturating_mul(watched_ends);
    let Some(most) = subject.facts.files.epoll_watches_max else {
        return Some(Finding::not_readable(need));
    };
    let meaning = "epoll_ctl(2) fails with ENOSPC, for root too; all programs of one user count together";
    let mend = Mend::new(Turn::Host, format!("sysctl -w fs.epoll.max_user_watches={}", need.saturating_add(need / 10)));
    Some(Finding::new(Some(most), need, Some(most / watched_ends), meaning).mend(mend))
}
