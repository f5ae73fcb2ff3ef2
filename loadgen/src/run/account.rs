//! Turns what the workers counted and the main thread saw into the parts of the record.

use super::conduct::Conducted;
use crate::engine::CONNECTION_LEN_MAX;
use crate::plan::Plan;
use crate::plan::options::Options;
use crate::reconnect::Policy;
use crate::record::{
    Connections, Cpu, Hellos, Memory, Reconnects, RequestCounts, Summary, Syscalls, TargetAddress, Watched,
};
use crate::recording::counters::{self, Requests, Traffic};
use crate::recording::cpu_shares;
use crate::recording::summary::summarise;
use crate::recording::tally::Tally;
use host::kernel::KernelDelta;

/// The used addresses come first, in the order of their turns.
pub(super) fn addresses(plan: &Plan, tally: &Tally) -> Vec<TargetAddress> {
    let total: u64 = plan.connections.iter().map(|&count| u64::from(count)).sum();
    let count = plan.routes.len() as u64;
    let used = plan.routes.iter().zip(0..).map(|(route, index)| TargetAddress {
        address: route.address.to_string(),
        connections: total / count + u64::from(index < total % count),
        established: tally.established_by_route.get(index as usize).copied().unwrap_or(0),
        left_out: None,
    });
    let left_out = plan.left_out.iter().map(|(address, why)| TargetAddress {
        address: address.to_string(),
        left_out: Some(why.clone()),
        ..TargetAddress::default()
    });
    used.chain(left_out).collect()
}

/// Connections, and the connects that made them.
pub(super) fn connections(tally: &Tally, plan: &Plan, ramp_us: u64) -> Connections {
    let connects = &tally.connects;
    Connections {
        target: plan.connections.iter().map(|&count| u64::from(count)).sum(),
        established: connects.established,
        held: connects.held,
        attempts: connects.attempts,
        opened: connects.opened,
        failed: connects.failed,
        pending: connects.pending,
        reconnects: connects.reconnects,
        lost: connects.lost,
        closed: connects.closed,
        open: connects.open,
        sources: plan.source_count() as u64,
        replaced: connects.replaced,
        ramp_us,
        errors: tally.connect_causes.named(),
    }
}

/// Requests of the window.
pub(super) fn requests(requests: &Requests, tally: &Tally, asked: Option<u64>) -> RequestCounts {
    let Requests { scheduled, sent, unsent, completed, failed, timed_out, censored, resent } = *requests;
    RequestCounts {
        asked,
        resent,
        scheduled,
        sent,
        unsent,
        completed,
        failed,
        timed_out,
        censored,
        completed_whole_run: tally.completed_whole_run,
        errors: tally.request_causes.named(),
    }
}

/// Clients that lost their connection, under a policy.
pub(super) fn reconnects(
    policy: &Policy,
    counts: &counters::Reconnects,
    tally: &Tally,
    window_start_ns: u64,
) -> Reconnects {
    let outages = tally.outages.as_deref();
    Reconnects {
        policy: policy.to_string(),
        origin_monotonic_ns: window_start_ns,
        losses: counts.lost,
        served_again: counts.served_again,
        unserved: counts.unserved,
        lost_again: counts.lost_again,
        attempts: counts.attempts,
        connected: counts.connected,
        attempts_failed: counts.attempts_failed,
        attempts_pending: counts.attempts_pending,
        attempts_per_served_mean: (counts.served_again > 0)
            .then(|| counts.attempts_of_served as f64 / counts.served_again as f64),
        attempts_per_served_max: outages.filter(|_| counts.served_again > 0).map(|outages| outages.attempts_max),
        put_off: counts.put_off,
        breaker_put_off: counts.breaker_put_off,
        breaker_opened: counts.breaker_opened,
        told: Some(counts.told),
        hellos: Hellos {
            sent: counts.hellos_sent,
            answered: counts.hellos_answered,
            failed: counts.hellos_failed,
            unanswered: counts.hellos_unanswered,
        },
        outage_us: outages.map_or_else(Summary::default, |outages| summarise(&outages.all, Some(&outages.missing))),
    }
}

/// System calls of the window.
pub(super) fn syscalls(traffic: Traffic) -> Syscalls {
    Syscalls {
        recv: traffic.recv,
        send: traffic.send,
        epoll_wait: traffic.epoll_wait,
        epoll_ctl: traffic.epoll_ctl,
        connect: traffic.connect,
        close: traffic.close,
        io_uring_enter: traffic.enter,
        io_uring_register: traffic.register,
        sqes: traffic.sqes,
        cqes: traffic.cqes,
        read: traffic.read,
        write: traffic.write,
        poll: traffic.poll,
    }
}

/// CPU time of the generator.
pub(super) fn cpu(kernel: &KernelDelta, completed: u64, options: &Options, tally: &Tally) -> Cpu {
    Cpu {
        user_us: kernel.own.user_us.unwrap_or(0),
        system_us: kernel.own.system_us.unwrap_or(0),
        wall_us: kernel.wall_us,
        requests_completed_in_window: completed,
        polling_us: tally.spun_ns / 1000,
        busiest_worker_share: cpu_shares::busiest(&tally.cpu_shares),
        cpus: options.cpus.clone(),
        busy_us: kernel.own_cpus_busy_us,
    }
}

/// CPU time of the watched process and CPUs, if any.
pub(super) fn watched(kernel: &KernelDelta, completed: u64, options: &Options) -> Option<Watched> {
    if options.watch_pid.is_none() && options.watch_cpus.is_empty() {
        return None;
    }
    let process = kernel.watched.unwrap_or_default();
    Some(Watched {
        pid: options.watch_pid,
        run_ns: process.run_ns,
        user_us: process.user_us,
        system_us: process.system_us,
        cpus: options.watch_cpus.clone(),
        busy_us: kernel.watched_cpus_busy_us,
        requests_completed_in_window: completed,
    })
}

/// Memory of the generator.
pub(super) fn memory(conducted: &Conducted, established: u64) -> Memory {
    let grown = match (conducted.memory_before, conducted.memory_established) {
        (Some(before), Some(after)) if established > 0 => {
            Some(after.saturating_sub(before) as f64 / established as f64)
        }
        _ => None,
    };
    Memory {
        rss_anon_before_bytes: conducted.memory_before,
        rss_anon_established_bytes: conducted.memory_established,
        per_connection_bytes: grown,
        connection_struct_bytes_max: CONNECTION_LEN_MAX as u64,
    }
}
