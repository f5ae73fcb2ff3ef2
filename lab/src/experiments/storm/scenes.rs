//! What the arms of a storm go through: how many clients lose what, how patient they are, and what a login costs. Each scene
//! is a group of arms; the first one, which is compared, has no title.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::arms;
use crate::kinds::scenario::remedies::arm::Arm;
use crate::session::request::Profile;

/// What the arms of a group go through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    pub(super) title: Option<&'static str>,
    /// What is served, and the scheme of its addresses.
    pub(super) workload: (&'static str, &'static str),
    pub(super) clients: u32,
    /// How often a client sends while nothing is wrong.
    pub(super) heartbeat: Duration,
    /// How long it waits for a connection, and for a reply.
    pub(super) patience: Duration,
    /// How long a killed server stays away. Where policies are compared it is longer than all clients take to notice, or
    /// most of them would find it back at their first attempt.
    pub(super) away: Duration,
    /// How long it takes to kill the server and to start it: the kernel closes connection by connection.
    pub(super) killing: Duration,
    /// CPU time of a login.
    pub(super) login: Duration,
    /// How long the connections are held before anything is measured: each client has sent once, so every login is over.
    pub(super) logins: Duration,
    /// How long the clients are watched after the server's return, as often the seconds asked for.
    pub(super) stretch: u32,
    /// Most repeats; absent: as many as asked for.
    repeats_max: Option<u32>,
    arms: fn() -> Vec<Arm>,
}

/// Reactors and workers have descriptors for so many each.
const CLIENTS_PER_TABLE: u32 = 18_000;
/// Attempts that failed keep their ports for a moment, so there are some to spare.
const CLIENTS_PER_ADDRESS: u32 = 20_000;
/// Source ports of an address of the clients' host (net.ipv4.ip_local_port_range).
pub(super) const PORTS: RangeInclusive<u16> = 1_024..=65_535;
/// The accept queue of a listener (net.core.somaxconn), if the server does not ask for less.
pub(super) const PLACES: u64 = 4096;

impl Scene {
    /// Reactors of the server, and threads of the load generator: each has a table of descriptors.
    pub(super) fn tables(&self) -> u32 {
        self.clients.div_ceil(CLIENTS_PER_TABLE)
    }

    pub(super) fn of(arm: &Arm) -> &'static Scene {
        FULL.iter().find(|scene| scene.title == arm.group).unwrap_or(&QUICK)
    }

    /// The one whose logins cost something.
    pub(super) fn costly() -> &'static Scene {
        &FULL[0]
    }

    /// Those in which policies are put in order.
    pub(super) fn ordered() -> [&'static Scene; 2] {
        foretold()
    }

    /// The one whose arms differ by what happens to the clients.
    pub(super) fn faults() -> &'static Scene {
        &FAULTS
    }

    /// The one in which nobody tells the clients.
    pub(super) fn host() -> &'static Scene {
        &HOST
    }

    /// The one whose arms differ by the server's load before the fault.
    pub(super) fn loads() -> &'static Scene {
        &LOADS
    }

    fn named(&self, stretch: u32) -> impl Iterator<Item = Arm> + use<> {
        let (group, clients, repeats_max) = (self.title, self.clients, self.repeats_max);
        let addresses = u8::try_from(clients.div_ceil(CLIENTS_PER_ADDRESS)).unwrap_or(u8::MAX);
        (self.arms)().into_iter().map(move |arm| Arm {
            group,
            addresses,
            connections_max: clients,
            stretch,
            repeats_max,
            ..arm
        })
    }
}

const QUICK: Scene = Scene {
    title: None,
    workload: ("echo", "tcp"),
    clients: 10_000,
    heartbeat: Duration::from_secs(1),
    patience: Duration::from_millis(100),
    away: Duration::from_millis(150),
    // It is done within two tenths of a second, which are of the time that is watched.
    killing: Duration::ZERO,
    login: Duration::from_micros(50),
    logins: Duration::from_millis(1050),
    stretch: 1,
    repeats_max: None,
    arms: arms::basic,
};
const LONG: Scene = Scene { stretch: 4, arms: arms::all, ..QUICK };
/// Fewer clients, each of which costs the server twenty times as much, and waits five times as long: the server is the only one
/// that has too much to do. For more than the ten seconds after which a storm is said to keep itself going.
const SLOW: Scene = Scene {
    title: Some("2,000 clients whose logins cost 1 ms"),
    clients: 2_000,
    heartbeat: Duration::from_secs(4),
    patience: Duration::from_millis(500),
    login: Duration::from_millis(1),
    logins: Duration::from_millis(4_100),
    stretch: 6,
    repeats_max: Some(2),
    arms: arms::slow,
    ..QUICK
};

/// A login costs nothing: what is seen is the policies' own doing.
const PLAIN: Scene = Scene {
    title: Some("10,000 clients whose logins cost nothing, by policy"),
    patience: Duration::from_secs(5),
    away: Duration::from_secs(2),
    login: Duration::ZERO,
    stretch: 3,
    repeats_max: Some(3),
    arms: arms::plain,
    ..QUICK
};
/// Three repeats are three seeds.
const LARGE: Scene = Scene {
    title: Some("100,000 clients whose logins cost nothing, by policy"),
    clients: 100_000,
    heartbeat: Duration::from_secs(10),
    away: Duration::from_secs(6),
    killing: Duration::from_secs(2),
    stretch: 8,
    arms: arms::large,
    ..PLAIN
};
/// A heartbeat comes in ten seconds, and losses are noticed over as long.
const HOST: Scene = Scene { title: Some("100,000 clients whose server's host is lost"), arms: arms::host, ..LARGE };
const FAULTS: Scene = Scene {
    title: Some("10,000 clients with full jitter, by what happens to them"),
    patience: Duration::from_millis(500),
    stretch: 3,
    repeats_max: Some(2),
    arms: arms::faults,
    ..PLAIN
};
/// As where the remedies are compared, but over HTTP, which has words for "come again later".
const HINTS: Scene = Scene {
    title: Some("10,000 clients over HTTP, told when to come again"),
    workload: ("http", "http"),
    // Half of the ramp is beyond the rate, too, and told to come again.
    logins: Duration::from_secs(4),
    repeats_max: Some(2),
    arms: arms::hints,
    ..LONG
};
/// The same, but what clients send costs the server more.
const LOADS: Scene = Scene {
    title: Some("10,000 clients, by the server's load before"),
    repeats_max: Some(2),
    arms: arms::loads,
    ..LONG
};

const FULL: [Scene; 8] = [LONG, PLAIN, LARGE, SLOW, HOST, FAULTS, HINTS, LOADS];

/// The arms of a profile, the one that does nothing first.
pub(super) fn arms(profile: Profile) -> Vec<Arm> {
    let scenes: &[Scene] = if profile == Profile::Full { &FULL } else { &[QUICK] };
    scenes.iter().flat_map(|scene| scene.named(scene.stretch)).collect()
}

/// The scenes whose policies are foretold, with the sizes that were measured.
pub(super) fn foretold() -> [&'static Scene; 2] {
    [&FULL[1], &FULL[2]]
}

/// Source ports that so many clients take theirs from. connect() takes those of one parity as long as it finds any
/// (__inet_hash_connect, net/ipv4/inet_hashtables.c), half of an address's.
pub(super) fn ports(clients: u64) -> u64 {
    PORTS.len() as u64 / 2 * clients.div_ceil(u64::from(CLIENTS_PER_ADDRESS))
}
