//! What is held: the steps of each profile, what each needs of this host, and the refusal of those that do not
//! fit. Starts nothing.

use server::Variant;
use tuning::plan::{Backend, Host, Plan, Prediction, Request, Side, Workload};
use tuning::{Facts, IoUring, bytes, thousands};

use crate::session::request::Profile;

/// Where the clients are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On the other end of the kernel's loopback: two sockets a connection.
    Loopback,
    /// In user space, behind a TUN device: the server's sockets only.
    Tun,
}

impl Place {
    pub(super) fn word(self) -> &'static str {
        match self {
            Place::Loopback => "loopback",
            Place::Tun => "tun",
        }
    }

    /// Sockets of the kernel for each connection.
    pub(super) fn ends(self) -> u64 {
        match self {
            Place::Loopback => 2,
            Place::Tun => 1,
        }
    }
}

/// One number of connections held by one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) variant: Variant,
    pub(super) place: Place,
    pub(super) connections: u32,
    /// Each connection sends once in this time; so long is the window, too.
    pub(super) heartbeat_s: u32,
    /// Over loopback, whether the load generator uses io_uring instead of epoll.
    pub(super) ring_clients: bool,
}

impl Step {
    /// The name in tables and journals.
    pub(super) fn name(&self) -> String {
        let clients = if self.ring_clients { ", clients too" } else { "" };
        format!("{} {} {}{clients}", self.place.word(), thousands(u64::from(self.connections)), self.variant)
    }
}

/// A step that fits, and over what it is spread.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planned {
    pub(super) step: Step,
    pub(super) reactors: u64,
    pub(super) workers: u64,
    /// Memory of the connections while nothing is under way.
    pub(super) prediction: Prediction,
}

/// The profiles, the default first.
pub(super) const PROFILES: [Profile; 3] = [Profile::Quick, Profile::C1m, Profile::C5m];

/// The steps of a profile in their order; none for a profile that this experiment has not.
pub(super) fn steps(profile: Profile) -> Vec<Step> {
    let step = |variant, place, connections, heartbeat_s| {
        let ring_clients = false;
        Step { variant, place, connections, heartbeat_s, ring_clients }
    };
    let with_rings = |step| Step { ring_clients: true, ..step };
    match profile {
        Profile::Quick => vec![
            step(Variant::EpollLevel, Place::Loopback, 10_000, 2),
            step(Variant::EpollLevel, Place::Loopback, 100_000, 5),
            with_rings(step(Variant::UringMultishot, Place::Loopback, 100_000, 5)),
            step(Variant::EpollLevel, Place::Tun, 100_000, 5),
        ],
        Profile::C1m => vec![
            step(Variant::EpollLevel, Place::Loopback, 1_000_000, 60),
            step(Variant::MioEdge, Place::Loopback, 1_000_000, 60),
            step(Variant::UringMultishot, Place::Loopback, 1_000_000, 60),
            step(Variant::UringPoll, Place::Loopback, 1_000_000, 60),
            step(Variant::EpollLevel, Place::Loopback, 2_500_000, 60),
        ],
        Profile::C5m => vec![step(Variant::EpollLevel, Place::Tun, 5_000_000, 60)],
        Profile::Full => vec![],
    }
}

/// Plans a step for this host as it is now.
///
/// # Errors
/// A sentence with the first wall, what would fit, and what moves the wall.
pub(super) fn fit(step: Step) -> Result<Planned, String> {
    let (facts, host) = (Facts::of_this_host(), Host::of_this_host());
    let io_uring = match server::probe_io_uring() {
        Ok(()) => IoUring::Available,
        Err(error) if step.variant.backend() == "io_uring" => return Err(error.to_string()),
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
        // One device and one thread for each CPU: more would only take turns.
        Place::Tun => facts.cpu.online_count.unwrap_or(1),
    };
    // As many threads as the connections need are no obstacle: the step starts them.
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
        Variant::UringOneshot => Backend::UringOneshot,
        Variant::UringPoll => Backend::UringPoll,
        Variant::UringMultishot
        | Variant::UringInline
        | Variant::UringPieces
        | Variant::UringInlinePieces
        | Variant::UringGather => Backend::UringMultishot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_has_steps_with_names_of_their_own() {
        for profile in PROFILES {
            let names: Vec<String> = steps(profile).iter().map(Step::name).collect();
            let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
            assert!(!names.is_empty() && distinct.len() == names.len(), "{names:?}");
        }
        assert_eq!(steps(Profile::C5m)[0].name(), "tun 5,000,000 epoll level");
        assert!(steps(Profile::Full).is_empty());
    }

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
