//! Limits on one descriptor table (of a reactor, a worker or a ring), and on the threads that share the
//! connections.

use super::check::{Check, Finding, Kind, Measure, State, Turn};
use super::subject::{Asker, Subject, descriptors_needed, largest, share};
use crate::budget;
use crate::number::{counted, thousands};
use crate::request::Side;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "RLIMIT_NOFILE hard",
        title: "descriptors a reactor may own",
        source: "getrlimit(2) RLIMIT_NOFILE; unshare(2) CLONE_FILES; socket(7) SO_REUSEPORT",
        kind: Kind::Setting(hard_limit),
    },
    Check {
        id: "RLIMIT_NOFILE soft",
        title: "descriptors before raising the limit",
        source: "getrlimit(2); linux uapi/linux/fs.h INR_OPEN_CUR",
        kind: Kind::Setting(soft_limit),
    },
    Check {
        id: "RLIMIT_NOFILE (server)",
        title: "descriptors of each reactor",
        source: "getrlimit(2) RLIMIT_NOFILE; unshare(2) CLONE_FILES; socket(7) SO_REUSEPORT",
        kind: Kind::stops("descriptors a table", None, server_tables),
    },
    Check {
        id: "RLIMIT_NOFILE (generator)",
        title: "descriptors of each worker",
        source: "getrlimit(2) RLIMIT_NOFILE; unshare(2) CLONE_FILES",
        kind: Kind::stops("descriptors a table", None, generator_tables),
    },
    Check {
        id: "io_uring direct descriptors",
        title: "connections of each ring",
        source: "linux io_uring/rsrc.c, IORING_MAX_FIXED_FILES and RLIMIT_NOFILE",
        kind: Kind::stops("slots a ring", None, ring_tables),
    },
    Check {
        id: "connections of a reactor",
        title: "what the server itself allows",
        source: "c10m serve --max-connections",
        kind: Kind::stops("connections", None, reactor_connections),
    },
    Check {
        id: "threads",
        title: "reactors or workers of one program",
        source: "c10m serve --reactors, c10m load -t; kernel docs admin-guide/sysctl/kernel.rst, threads-max, pid_max; cgroup pids.max",
        kind: Kind::stops("threads", None, threads),
    },
    Check {
        id: "fs.nr_open",
        title: "highest limit a table can have",
        source: "kernel docs admin-guide/sysctl/fs.rst, nr_open; linux fs/file.c",
        kind: Kind::stops("descriptors a table", Some(State::Warn), nr_open),
    },
];

/// What an audit says about the limit that a plan calls "RLIMIT_NOFILE (server)". Both names stand in published
/// formats, so there are two rows; limit, need and whether it is hit come from [`reactor_tables`] alone, and this one only
/// finds the words and the fix that suit a host without a plan.
fn hard_limit(subject: &Subject<'_>) -> Finding {
    let tables = reactor_tables(subject);
    let Some(Measure { limit: Some(hard), need: Some(needed), .. }) = tables.measure else {
        return Finding::setting(State::Ok, "unlimited", "only fs.nr_open bounds a reactor");
    };
    let wanted = format!("≥ {}", thousands(needed));
    let shared = "every reactor thread owns its descriptor table, so the limit bounds the fullest reactor's share";
    let judged = |state, meaning: String| Finding::setting(state, thousands(hard), meaning).wanted(&wanted);
    if !tables.is_hit(subject.connections) {
        let reactors = counted(subject.reactors, "reactor", "reactors");
        return judged(State::Ok, format!("{shared}; {reactors} here"));
    }
    let raise = if subject.may_raise_limits() {
        format!("ulimit -Hn {needed}")
    } else {
        format!("LimitNOFILE={needed} in the systemd unit, or limits.conf(5), and log in again")
    };
    let Some(reactors) = subject.reactors_for(subject.connections) else {
        let meaning = "too low for any sensible number of reactors".to_owned();
        return judged(State::Bad, meaning).mend(Turn::Shell, raise);
    };
    let reactors_text = counted(reactors, "reactor", "reactors");
    let finding = judged(State::Warn, format!("{shared}; {reactors_text} are enough"))
        .wanted(format!("{wanted}, or {reactors_text}"));
    if subject.may_raise_limits() {
        finding.mend(Turn::Shell, raise)
    } else {
        // Without CAP_SYS_RESOURCE nobody can raise a hard limit, not even root.
        more_reactors(subject, finding)
    }
}

fn soft_limit(subject: &Subject<'_>) -> Finding {
    let limit = subject.facts.files.limit;
    let Some(soft) = limit.soft else {
        return Finding::setting(State::Ok, "unlimited", "nothing to raise");
    };
    let is_highest = limit.hard.is_some_and(|hard| hard <= soft);
    if soft >= subject.descriptors_per_reactor() || is_highest {
        let meaning = "a program need not raise it to get what the hard limit allows";
        return Finding::setting(State::Ok, thousands(soft), meaning);
    }
    let meaning = "the server raises it to the hard limit by itself; other programs started from this shell do not";
    Finding::setting(State::Info, thousands(soft), meaning).mend(Turn::Shell, "ulimit -Sn $(ulimit -Hn)")
}

/// The flag that shares the connections among enough reactors, or as many as possible; the check `threads`
/// decides whether those are enough.
fn more_reactors(subject: &Subject<'_>, finding: Finding) -> Finding {
    let reactors = subject.reactors_planned().unwrap_or(budget::THREADS_MAX);
    // A plan ends with the whole command; a command shown by an audit must run as it is.
    let workload = if subject.asker == Asker::Audit { " echo" } else { "" };
    finding.mend(Turn::Flag, format!("c10m serve{workload} --reactors {reactors}"))
}

fn server_tables(subject: &Subject<'_>) -> Option<Finding> {
    (!subject.request.backend.is_uring()).then(|| reactor_tables(subject))
}

/// The judgement that audit and plan share; each has its own name for it.
fn reactor_tables(subject: &Subject<'_>) -> Finding {
    let hard = subject.facts.files.limit.hard;
    let need = subject.descriptors_per_reactor();
    let hit_at = hard.and_then(|hard| largest(|many| descriptors_needed(many, subject.reactors) <= hard));
    let reactors = counted(subject.reactors, "reactor", "reactors");
    let meaning = format!(
        "every reactor owns its table and raises the soft limit to the hard one by itself; {reactors} share the \
         connections by a hash, so the fullest decides"
    );
    let finding = Finding::limit(hard, need, hit_at, meaning);
    match subject.reactors_planned() {
        Some(reactors) if subject.may_raise_limits() => {
            finding.mend(Turn::Shell, format!("ulimit -n {}", descriptors_needed(subject.connections, reactors)))
        }
        _ => more_reactors(subject, finding),
    }
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
    Some(Finding::limit(hard, need, hit_at, meaning).mend(Turn::Flag, format!("c10m load -t {planned}")))
}

fn ring_tables(subject: &Subject<'_>) -> Option<Finding> {
    if !subject.request.backend.is_uring() {
        return None;
    }
    let of_limit = subject.descriptors_max().saturating_sub(budget::REACTOR_DESCRIPTORS);
    let slots = of_limit.min(budget::RING_DESCRIPTORS_MAX);
    let need = share(subject.connections, subject.reactors);
    let hit_at = largest(|many| share(many, subject.reactors) <= slots);
    let meaning = if of_limit < budget::RING_DESCRIPTORS_MAX {
        "a ring's table has at most RLIMIT_NOFILE slots, less what the reactor keeps for itself; each reactor has one"
    } else {
        "a ring's table has at most 1,048,576 slots; each reactor has one"
    };
    let finding = Finding::limit(Some(slots), need, hit_at, meaning);
    Some(match subject.reactors_planned() {
        // There are enough reactors for the kernel's own bound: only the limit is in the way.
        Some(reactors) if subject.may_raise_limits() && share(subject.connections, reactors) > slots => {
            finding.mend(Turn::Shell, format!("ulimit -n {}", descriptors_needed(subject.connections, reactors)))
        }
        _ => more_reactors(subject, finding),
    })
}

fn reactor_connections(subject: &Subject<'_>) -> Option<Finding> {
    if subject.request.backend.is_uring() {
        return None;
    }
    let most = subject.reactor_connections_max();
    let need = share(subject.connections, subject.reactors);
    let hit_at = largest(|many| share(many, subject.reactors) <= most);
    let finding = Finding::limit(Some(most), need, hit_at, "a reactor takes no more than this");
    Some(more_reactors(subject, finding))
}

fn threads(subject: &Subject<'_>) -> Option<Finding> {
    let of_host = subject.host.room.threads_max.unwrap_or(u64::MAX);
    let most = of_host.min(budget::THREADS_MAX);
    // If limits can be raised, only what each reactor can own bounds them.
    let of_server = if subject.may_raise_limits() {
        largest(|many| share(many, most.max(1)) <= subject.reactor_connections_max())
    } else {
        largest(|many| subject.reactors_for(many).is_some_and(|reactors| reactors <= most))
    };
    let has_sockets = subject.request.side == Side::Both;
    let of_generator = has_sockets.then(|| most.saturating_mul(subject.worker_connections_max()));
    let hit_at = of_server.into_iter().chain(of_generator).min();
    let meaning = if of_host < budget::THREADS_MAX {
        "with the limits on each table so many are needed; kernel.threads-max, kernel.pid_max or pids.max of the \
         cgroup allows fewer"
    } else {
        "with the limits on each table so many are needed; no program here starts more"
    };
    let needs = subject.reactors_planned().zip(subject.workers_planned());
    let Some((reactors, workers)) = needs else {
        let mend = "# a higher hard limit on open files: LimitNOFILE= of systemd, or limits.conf(5)";
        return Some(Finding::limit(Some(most), None, hit_at, meaning).mend(Turn::Shell, mend));
    };
    Some(Finding::limit(Some(most), reactors.max(workers), hit_at, meaning))
}

fn nr_open(subject: &Subject<'_>) -> Option<Finding> {
    if subject.request.backend.is_uring() {
        return None;
    }
    let need = subject.descriptors_per_reactor();
    let Some(nr_open) = subject.facts.files.nr_open else {
        return Some(Finding::unknown(need));
    };
    let hit_at = largest(|many| descriptors_needed(many, subject.reactors) <= nr_open);
    let meaning = "no hard limit goes above it and no table grows beyond it; raise it before the limit";
    let finding = Finding::limit(Some(nr_open), need, hit_at, meaning).fine("a hard limit can be raised far enough");
    let planned = subject.reactors_planned().filter(|_| subject.may_raise_limits());
    Some(match planned.map(|reactors| descriptors_needed(subject.connections, reactors)) {
        // With enough reactors, the share may already be below it.
        Some(planned) if planned > nr_open => finding.mend(Turn::Host, format!("sysctl -w fs.nr_open={planned}")),
        _ => more_reactors(subject, finding),
    })
}
