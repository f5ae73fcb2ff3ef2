//! Decides whether a step fits this host and how it is spread, or refuses it. Starts nothing.

use host::Facts;
use protocol::Workload;
use server::Variant;
use tuning::plan::{Backend, Host, Plan, Request, Side};
use tuning::{IoUring, bytes, thousands};

use crate::kinds::scenario::watched::step::{Place, Planned, Step};

/// Plans a step for this host in its present state.
///
/// # Errors
/// A sentence that names the first limit, what would fit, and what raises the limit.
pub(crate) fn fit(step: Step) -> Result<Planned, String> {
    let (facts, host) = (Facts::of_this_host(), Host::of_this_host());
    let io_uring = match server::probe_io_uring() {
        Ok(()) => IoUring::Available,
        Err(error) if step.variant.is_uring() => return Err(error.to_string()),
        Err(error) => IoUring::Unavailable(error.to_string()),
    };
    if step.place == Place::Tun {
        loadgen::probe_tun().map_err(|error| error.to_string())?;
    }
    let request = Request {
        connections: u64::from(step.connections),
        workload: Workload::Echo,
        backend: backend(step.variant),
        side: match step.place {
            Place::Loopback => Side::Both,
            Place::Tun => Side::Tun,
        },
        ring_clients: step.ring_clients,
        heartbeat_ms: None,
        reactors: None,
        sources: None,
    };
    let wanted = Plan::new(&facts, &host, request, &io_uring).needs;
    let reactors = wanted.reactors.unwrap_or(1);
    let workers = match step.place {
        Place::Loopback => wanted.workers.unwrap_or(1),
        // One device and one thread per CPU: more would only take turns.
        Place::Tun => facts.cpu.online_count.unwrap_or(1),
    };
    // The number of threads is no obstacle: the step starts as many as the connections need.
    let plan = Plan::new(&facts, &host, Request { reactors: Some(reactors.max(workers)), ..request }, &io_uring);
    match plan.first_wall.and_then(|wall| plan.chain.iter().find(|link| link.id == wall)) {
        None => Ok(Planned { step, reactors, workers, prediction: plan.prediction }),
        Some(wall) => Err(refusal(step, &plan, wall)),
    }
}

fn refusal(step: Step, plan: &Plan, wall: &tuning::plan::Link) -> String {
    let fits = plan.fits_now.map_or_else(String::new, |fits| format!("; {} would fit", thousands(fits)));
    let memory = bytes(plan.needs.memory_bytes);
    let mend = wall.command.as_ref().map_or_else(String::new, |command| format!(": {command}"));
    format!(
        "{} need {memory} and meet a wall at {}: {}{fits}{mend} (`c10m tune plan --connections {}` shows the rest)",
        step.name(),
        wall.title,
        wall.meaning,
        step.connections
    )
}

fn backend(variant: Variant) -> Backend {
    match variant {
        Variant::EpollLevel | Variant::EpollEdge => Backend::Epoll,
        Variant::MioEdge => Backend::Mio,
        Variant::UringPoll => Backend::UringPoll,
        Variant::UringMultishot | Variant::UringInline | Variant::UringGather => Backend::UringMultishot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_does_not_fit_says_what_would() {
        let (variant, place) = (Variant::EpollLevel, Place::Loopback);
        let step = Step { variant, place, connections: u32::MAX, heartbeat_s: 1, ring_clients: false };
        let refusal = fit(step).unwrap_err();
        for part in ["4,294,967,295", "would fit", "c10m tune plan --connections 4294967295"] {
            assert!(refusal.contains(part), "{refusal}");
        }
        let planned = fit(Step { connections: 1000, ..step }).expect("a thousand fit anywhere");
        assert!(planned.reactors >= 1 && planned.workers >= 1 && planned.prediction.total_bytes > 8_000_000);
    }
}
