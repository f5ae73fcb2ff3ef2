//! `bench ports`: a client that opens a connection for each request, until it has no port left.

use std::time::Duration;

use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::{Better, Record};
use crate::kinds::scenario::remedies::scene::replies_per_s;
use crate::kinds::scenario::remedies::table::{Figure, Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Or, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::namespace::{Needs, SERVER, clients};
use crate::session::request::Profile;
use crate::session::side::Side;

const ABOUT: About = About {
    name: "ports",
    question: "A client opens a connection for each request: when does it run out of ports, and what helps?",
    explanation: "Whoever closes a connection first keeps its port in TIME-WAIT for a minute. Between one client address and \
                  one address and port of a server there are 28,232 ports, so more than 470 connections a second for longer \
                  than that minute fail with EADDRNOTAVAIL, \"cannot assign requested address\". The scenario is that on a \
                  smaller scale: fewer ports, so that the wall comes within the first second. Each arm does something about \
                  it.",
    decision: "Replies per second in the window, against doing nothing, repeat by repeat, with simultaneous intervals of \
               95 %. Less than 10 % does not count.",
    profiles: &[Profile::Quick, Profile::Full],
    length: Length::Usual { repeats: 4, seconds: 2 },
    wait_max: None,
    attempts_max: 2,
    needs: Needs::Hosts,
    has_control: true,
};

/// The experiment.
pub(super) const SCENARIO: Remedies = Remedies {
    about: ABOUT,
    load: "32 clients, a connection for each request, as fast as they can",
    arms,
    seconds: |_, asked| (f64::from(asked), 0.7),
    timeline,
    figures: &FIGURES,
    least: |scene| 1.0 / scene.window_s(),
    picture: Picture {
        title: "Replies per second",
        y_name: "replies/s",
        caption: "Replies per second over the window. Doing nothing, the line falls to the ground when the last port is used.",
        points: |scene| scene.by_interval(replies_per_s),
    },
    counters: &[
        (Side::Client, "ActiveOpens"),
        (Side::Client, "TW"),
        (Side::Client, "TWRecycled"),
        (Side::Client, "OutRsts"),
        (Side::Server, "PassiveOpens"),
        (Side::Server, "TW"),
        (Side::Server, "EstabResets"),
    ],
    fault_shows: hits_the_wall,
    expectations: &[],
    foretell: |_| None,
    asides: |_| vec![],
    happened,
    advice: |_| {
        "Keep connections open; that saves the handshakes, too. Where that cannot be, set net.ipv4.tcp_tw_reuse=1 on the \
         client, or give it more addresses."
            .to_owned()
    },
    notes: &NOTES,
};

/// So few ports that the wall comes at once.
const PORTS: &str = "20000 20499";
/// More than a run of a few seconds opens.
const ENOUGH: &str = "1024 65535";
const PORT_RANGE: &str = "net.ipv4.ip_local_port_range";
const REUSE: &str = "net.ipv4.tcp_tw_reuse";

fn arms(profile: Profile) -> Vec<Arm> {
    let nothing =
        Arm::named("nothing", "the client closes first, net.ipv4.tcp_tw_reuse is 2, which means on loopback only");
    let arm = |name, what| Arm { name, what, ..nothing.clone() };
    let each = "--requests-per-connection 1";
    let mut arms = vec![
        Arm { load: each, ..nothing.clone() },
        Arm {
            load: each,
            settings: &[(Side::Client, REUSE, "1")],
            ..arm(
                "tw_reuse",
                "net.ipv4.tcp_tw_reuse=1 on the client: a port whose TIME-WAIT is older than a second is used again",
            )
        },
        Arm {
            load: each,
            addresses: 4,
            ..arm("four addresses", "the client has four addresses, each with ports of its own (--source)")
        },
        Arm {
            load: "--requests-per-connection 1 --reset",
            ..arm(
                "reset",
                "the client closes by reset (SO_LINGER of zero), which leaves no TIME-WAIT, and loses what is under way",
            )
        },
        Arm {
            load: "--header Connection:close",
            ..arm("server closes", "the server closes first (Connection: close), so the TIME-WAITs are its own")
        },
        Arm { load: "--requests-per-connection 1000", ..arm("keep-alive", "a connection carries 1,000 requests") },
    ];
    if profile == Profile::Full {
        arms.push(Arm {
            load: each,
            settings: &[(Side::Client, PORT_RANGE, "1024 65535")],
            ..arm("all ports", "net.ipv4.ip_local_port_range=\"1024 65535\", 129 times as many")
        });
        arms.push(Arm {
            load: each,
            settings: &[(Side::Client, "net.ipv4.tcp_fin_timeout", "5")],
            ..arm(
                "fin_timeout",
                "net.ipv4.tcp_fin_timeout=5, which many guides recommend, and which is about another state",
            )
        });
        arms.extend(searches());
    }
    arms
}

const SEARCH: &str = "What it costs to find a port, by how full the range is";
/// For these arms, and how many of them another client holds.
const SEARCHED: &str = "20000 24999";

/// connect(2) tries one port after the other until it finds one that is free (`__inet_hash_connect`,
/// net/ipv4/inet_hashtables.c). These clients close by reset, so that each leaves its port at once.
fn searches() -> Vec<Arm> {
    let arm = |name, what, load| Arm { group: Some(SEARCH), load, ..Arm::named(name, what) };
    let churn = "--requests-per-connection 1 --reset";
    vec![
        arm("empty", "the range has 5,000 ports, none of which is held", churn),
        arm("half full", "another client holds 2,500 of them", churn),
        arm("nearly full", "another client holds 4,700 of them", churn),
        arm(
            "nearly full, ports apart",
            "the same, and each client has ports of its own (IP_LOCAL_PORT_RANGE, c10m load --source-ports)",
            "--requests-per-connection 1 --reset --source-ports 24900-24999",
        ),
    ]
}

/// The client that holds ports.
fn holder(arm: &Arm, run: &Run<'_>) -> Option<(u64, String)> {
    let count = match arm.name {
        "half full" => 2_500,
        "nearly full" | "nearly full, ports apart" => 4_700,
        _ => return None,
    };
    let apart = if arm.load.contains("--source-ports") { "--source-ports 20000-24899" } else { "" };
    Some((
        count,
        format!(
            "load http://{SERVER}:7000/ --allow-private --connections {count} --rate 0 --warmup 0s --duration {}s --reset --cpus {} \
             --json {apart}",
            run.seconds + 3,
            run.places.client
        ),
    ))
}

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let ports = match run.fault {
        _ if arm.group.is_some() => SEARCHED,
        true => PORTS,
        false => ENOUGH,
    };
    let server = format!("serve http --listen {SERVER}:7000 --reactors 1 --cpus {} --json", run.places.server);
    let sources: Vec<String> = clients(arm.addresses).map(|address| address.to_string()).collect();
    let load = format!(
        "load http://{SERVER}:7000/ --allow-private --connections 32 --threads 1 --cpus {} --duration {}s --warmup 0s --interval \
         100ms --source {} --seed {} --json {}",
        run.places.client,
        run.seconds,
        sources.join(","),
        run.seed,
        arm.load
    );
    let set = |(side, name, value): &(Side, &'static str, &str)| Action::Set {
        side: *side,
        name,
        value: (*value).to_owned(),
    };
    let start = |role, ready, line: &str| Action::Start { role, command: Command::own(&words(line)), ready };
    let mut actions = vec![
        Action::Set { side: Side::Client, name: PORT_RANGE, value: ports.to_owned() },
        Action::Set { side: Side::Client, name: REUSE, value: "2".to_owned() },
    ];
    actions.extend(arm.settings.iter().map(set));
    actions.extend([start(Role::Server, Ready::Announced, &server), Action::Observe]);
    let holder = holder(arm, run);
    if let Some((count, line)) = &holder {
        let all = Until::Established(*count);
        let or = Or::Fail("the client that holds ports has not got them all");
        actions.extend([start(Role::Probe, Ready::AtOnce, line), Action::Await { until: all, within: HOLD_MAX, or }]);
    }
    actions.extend([start(Role::Load, Ready::AtOnce, &load), Action::wait(Until::Ended(Role::Load))]);
    actions.extend(holder.map(|_| Action::End(Role::Probe)));
    actions.push(Action::End(Role::Server));
    actions
}

/// Longest wait until the ports are held.
const HOLD_MAX: Duration = Duration::from_secs(10);

const FIGURES: [Figure; 6] = [
    Figure {
        name: "replies",
        unit: "per s",
        better: Better::More,
        is_generators_time: false,
        of: |scene| Some(scene.load.requests.completed as f64 / scene.window_s()),
    },
    Figure {
        name: "connects that failed",
        unit: "",
        better: Better::Less,
        is_generators_time: false,
        of: |scene| Some(scene.load.connections.errors.get("EADDRNOTAVAIL").copied().unwrap_or(0) as f64),
    },
    Figure {
        name: "connect p99",
        unit: "ms",
        better: Better::Less,
        is_generators_time: true,
        of: |scene| Some(scene.load.connect_us.p99? / 1000.0),
    },
    Figure {
        name: "client's CPU per connection",
        unit: "µs",
        better: Better::Less,
        is_generators_time: false,
        of: |scene| {
            let opened = scene.load.connections.opened as f64;
            (opened > 0.0).then(|| (scene.load.cpu.user_us + scene.load.cpu.system_us) as f64 / opened)
        },
    },
    Figure {
        name: "client's TIME-WAITs",
        unit: "",
        better: Better::Less,
        is_generators_time: false,
        of: |scene| scene.time_wait_max(Side::Client),
    },
    Figure {
        name: "server's TIME-WAITs",
        unit: "",
        better: Better::Less,
        is_generators_time: false,
        of: |scene| scene.time_wait_max(Side::Server),
    },
];

/// Doing nothing has to run out of ports, or there was nothing to mend.
fn hits_the_wall(record: &Record) -> Option<String> {
    let failed = record.median_of("nothing", "connects that failed").unwrap_or(0.0);
    (failed < 1.0).then(|| "without a remedy, no connect failed with EADDRNOTAVAIL".to_owned())
}

fn happened(record: &Record) -> String {
    let of = |figure| record.median_of("nothing", figure).unwrap_or(0.0);
    format!(
        "With 500 ports, a client that opens a connection for each request and closes it first had {:.0} ports in TIME-WAIT \
         and failed {:.0} times with EADDRNOTAVAIL; it got {:.0} replies a second over the window.",
        of("client's TIME-WAITs"),
        of("connects that failed"),
        of("replies")
    )
}

const NOTES: [&str; 3] = [
    "The client's host has 500 ports (net.ipv4.ip_local_port_range), so that the wall comes at once. With the kernel's \
     28,232 it comes after as many connections to one address and port of a server.",
    "TIME-WAIT lasts 60 s whatever is set (TCP_TIMEWAIT_LEN, include/net/tcp.h).",
    "How many times as good a remedy is depends on the window and on the number of ports: doing nothing gives as many replies as \
     there are ports, however long it lasts.",
];
