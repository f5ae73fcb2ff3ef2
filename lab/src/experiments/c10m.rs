//! `bench c10m`: how many connections this host holds, what each costs, and what breaks first. Each step opens more
//! connections than the one before.

use std::time::Duration;

use results::report::count;
use server::Variant;

use crate::kinds::scenario::plan::{About, Length};
use crate::kinds::scenario::timeline::{Action, Moment, Or, Ready, Role, Until, words};
use crate::kinds::scenario::watched::commands;
use crate::kinds::scenario::watched::expectations::{all_answered, all_established, all_heard, none_left};
use crate::kinds::scenario::watched::record::{Record, StepRecord};
use crate::kinds::scenario::watched::step::{Place, Planned, Step};
use crate::kinds::scenario::watched::table::{Section, Watched};
use crate::kinds::scenario::watched::words::held;
use crate::session::host::Command;
use crate::session::namespace::Needs;
use crate::session::request::Profile;

const ABOUT: About = About {
    name: "c10m",
    question: "How many connections does this host hold, what does each cost, and what breaks first?",
    explanation: "Server and load generator are one process each, in a network namespace made for the step. All \
                  connections are opened as fast as that goes, while a few busy ones measure how responsive the server \
                  stays; then each connection sends 64 bytes once a period and checks what comes back; then all are \
                  closed. A watch counts memory by slab cache, CPU time and signs of trouble four times a second. Over \
                  loopback both ends are sockets of this kernel; behind a TUN device the clients are a few bytes in user \
                  space each.",
    decision: "A number of connections is held when all of them were established, every one sent its heartbeat and got \
               the right answer in time, and none was left afterwards.",
    profiles: &[Profile::Quick, Profile::C1m, Profile::C5m],
    length: Length::Given("runs each step once and for one heartbeat of each connection"),
    // The sockets of the previous step may take minutes to disappear.
    wait_max: Some(Duration::from_secs(600)),
    attempts_max: 2,
    needs: Needs::Namespace,
    has_control: false,
};

/// The experiment.
pub(super) const SCENARIO: Watched = Watched {
    about: ABOUT,
    load: "all connections opened, a heartbeat of each, all closed",
    steps,
    timeline,
    expectations: &[all_established, all_answered, all_heard, none_left],
    happened: held,
    together: armed_against_poll,
    sections: &[Section::Held, Section::Memory, Section::Planner, Section::Opening, Section::Troubles],
    notes: NOTES,
};

fn steps(profile: Profile) -> Vec<Step> {
    let step = |variant, place, connections, heartbeat_s| {
        let ring_clients = false;
        Step { variant, place, connections, heartbeat_s, ring_clients }
    };
    match profile {
        Profile::Quick => vec![
            step(Variant::EpollLevel, Place::Loopback, 10_000, 2),
            step(Variant::EpollLevel, Place::Loopback, 100_000, 5),
            Step { ring_clients: true, ..step(Variant::UringMultishot, Place::Loopback, 100_000, 5) },
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

fn timeline(planned: &Planned, seed: u64) -> Vec<Action> {
    let step = planned.step;
    let start = |role, ready, line: &str| Action::Start { role, command: Command::own(&words(line)), ready };
    let (probe_max, close_max) = (Duration::from_secs(10), Duration::from_secs(120));
    vec![
        Action::Look(Moment::Empty),
        start(Role::Server, Ready::Announced, &commands::serve(planned)),
        Action::Look(Moment::Ready),
        start(Role::Probe, Ready::AtOnce, &commands::probe(seed)),
        Action::Await {
            until: commands::probed(planned),
            within: probe_max,
            or: Or::Fail("the probe has not connected"),
        },
        Action::Watch { ends: step.place.ends(), connections: u64::from(step.connections) },
        start(Role::Load, Ready::AtOnce, &commands::load(planned, seed)),
        Action::wait(Until::Held),
        Action::Look(Moment::Held),
        Action::End(Role::Probe),
        Action::wait(Until::Ended(Role::Load)),
        Action::Await { until: Until::Gone, within: close_max, or: Or::GoOn },
        Action::Unwatch,
        Action::End(Role::Server),
    ]
}

/// What an armed receive costs the kernel compared with a poll, for steps that held the same number of connections.
fn armed_against_poll(record: &Record) -> Option<String> {
    let of = |variant: Variant| record.steps.iter().filter(move |step| step.variant == variant.to_string());
    let (armed, polled) = of(Variant::UringMultishot).find_map(|armed| {
        let is_alike = |step: &&StepRecord| (step.connections, &step.place) == (armed.connections, &armed.place);
        Some((armed, of(Variant::UringPoll).find(is_alike)?))
    })?;
    let (with_receive, with_poll) = (armed.memory.slab_bytes_each?, polled.memory.slab_bytes_each?);
    Some(format!(
        "With {} connections, an armed receive takes {:.0} bytes of the kernel more than a poll ({with_receive:.0} against \
         {with_poll:.0} for both ends).",
        count(armed.connections as f64),
        with_receive - with_poll,
    ))
}

const NOTES: &[&str] = &[
    "Server and load generator are co-located and share all CPUs: rates of connects are those of the pair.",
    "Each step has a network namespace of its own, whose table of connections has a bucket for each socket \
     (net.ipv4.tcp_child_ehash_entries), so that chains are short; it goes with the step.",
    "Workers are pinned to CPUs in turn and the server shares connections out by CPU (--balance cpu), so that both ends of \
     a connection are handled on one CPU, as with one receive queue for each.",
    "Congestion control is reno in that namespace: BBR paces each packet by a timer of its own.",
    "The server runs with --scheduling batch: on each CPU there are dozens to hundreds of reactors, and one that is woken \
     up need not interrupt another.",
    "Where heartbeats would wake up more workers than the CPUs can switch between, the load generator sleeps between its \
     looks (--coalesce 1ms behind a TUN device, together with --realtime; 20ms over loopback from 30,000 heartbeats a \
     second): response times there are coarser by as much.",
    "RLIMIT_NOFILE bounds each reactor and each worker, because each has a descriptor table of its own \
     (unshare(2), CLONE_FILES) or a ring with direct descriptors.",
    "Memory is the growth from before the first connect until all were established and before the first heartbeat. \
     Slabs are objects in use with their share of their slab (/proc/slabinfo); the host's loss is that of MemFree, \
     Buffers and Cached, and counts tables, threads, page tables and what other programs did meanwhile too.",
    "The probe is a load generator of its own with 8 connections and 500 requests/s, measured from the intended send \
     time; it ends when all connections are established.",
    "The generator judges itself as always. On a host whose CPUs it shares with the server, and without polling \
     before each heartbeat, V2, V3, V4, V5 and V6 say so: times contain its own waits for a CPU.",
    "Heartbeats are spread evenly: each connection has a phase of its own. CPU time is that of all CPUs while they \
     were not idle, what a hypervisor took meanwhile, the watch and the probe included.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_has_steps_with_names_of_their_own() {
        for profile in ABOUT.profiles.iter().copied() {
            let names: Vec<String> = steps(profile).iter().map(Step::name).collect();
            let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
            assert!(!names.is_empty() && distinct.len() == names.len(), "{names:?}");
        }
        assert_eq!(steps(Profile::C5m)[0].name(), "tun 5,000,000 epoll level");
        assert!(steps(Profile::Full).is_empty());
    }
}
