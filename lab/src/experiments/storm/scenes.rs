//! What the arms of a storm go through: how many clients lose what, how patient they are, and what a login costs. Each scene
//! is a group of arms; the first one, which is compared, has no title.

use std::time::Duration;

use crate::kinds::scenario::remedies::arm::Arm;
use crate::session::request::Profile;
use crate::session::side::Side;

/// What the arms of a group go through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    pub(super) title: Option<&'static str>,
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
    /// How long the clients are watched after the server's return, as often the seconds asked for.
    pub(super) stretch: u32,
    arms: fn() -> Vec<Arm>,
}

/// Reactors and workers have descriptors for so many each.
const CLIENTS_PER_TABLE: u32 = 18_000;
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

    fn named(&self, stretch: u32) -> impl Iterator<Item = Arm> + use<> {
        let (group, clients) = (self.title, self.clients);
        // Each address has 64,512 ports, and attempts that failed keep theirs for a moment.
        let addresses = u8::try_from(clients.div_ceil(20_000)).unwrap_or(u8::MAX);
        (self.arms)().into_iter().map(move |arm| Arm { group, addresses, stretch, ..arm })
    }
}

const QUICK: Scene = Scene {
    title: None,
    clients: 10_000,
    heartbeat: Duration::from_secs(1),
    patience: Duration::from_millis(100),
    away: Duration::from_millis(150),
    killing: Duration::from_millis(150),
    login: Duration::from_micros(50),
    stretch: 1,
    arms: basic,
};

/// A login costs nothing: what is seen is the policies' own doing.
const PLAIN: Scene = Scene {
    title: Some("10,000 clients whose logins cost nothing, by policy"),
    patience: Duration::from_secs(5),
    away: Duration::from_secs(2),
    login: Duration::ZERO,
    stretch: 3,
    arms: plain,
    ..QUICK
};
const LARGE: Scene = Scene {
    title: Some("100,000 clients whose logins cost nothing, by policy"),
    clients: 100_000,
    heartbeat: Duration::from_secs(10),
    away: Duration::from_secs(6),
    killing: Duration::from_secs(2),
    stretch: 7,
    arms: large,
    ..PLAIN
};
const FAULTS: Scene = Scene {
    title: Some("10,000 clients with full jitter, by what happens to them"),
    patience: Duration::from_millis(500),
    stretch: 3,
    arms: faults,
    ..PLAIN
};
/// For ten seconds, so that it is seen whether the storm ends by itself.
const LONG: Scene = Scene { stretch: 5, arms: all, ..QUICK };

const FULL: [Scene; 4] = [LONG, PLAIN, LARGE, FAULTS];

/// The arms of a profile, the one that does nothing first.
pub(super) fn arms(profile: Profile) -> Vec<Arm> {
    let scenes: &[Scene] = if profile == Profile::Full { &FULL } else { &[QUICK] };
    scenes.iter().flat_map(|scene| scene.named(scene.stretch)).collect()
}

/// The scenes whose policies are foretold, with the sizes that were measured.
pub(super) fn foretold() -> [&'static Scene; 2] {
    [&FULL[1], &FULL[2]]
}

const JITTER: &str = "full-jitter,base=100ms,cap=5s";
/// At 50 µs each, a quarter of what the server works off within its clients' patience of 100 ms.
const SHORT: &str = "--backlog 500";

fn arm(name: &'static str, what: &'static str, load: &'static str, serve: &'static str) -> Arm {
    Arm { load, serve, ..Arm::named(name, what) }
}

fn basic() -> Vec<Arm> {
    vec![
        arm("immediate", "a client tries again as soon as an attempt has failed", "immediate", ""),
        arm("full jitter", "it waits at random, up to 100 ms and twice as long after each failure", JITTER, ""),
        arm(
            "short queue",
            "it tries at once, and the server's accept queue has 500 places (--backlog)",
            "immediate",
            SHORT,
        ),
        arm(
            "short queue, jitter and spread",
            "500 places, full jitter, and the first attempt waits at random up to 1.5 s",
            "full-jitter,base=100ms,cap=5s,spread=1500ms",
            SHORT,
        ),
    ]
}

/// Every policy of clients, and every remedy of servers.
fn all() -> Vec<Arm> {
    let more = [
        arm("fixed", "it waits 100 ms after each failure", "fixed,base=100ms", ""),
        arm(
            "exponential",
            "it waits 100 ms, and twice as long after each failure, up to 5 s",
            "exponential,base=100ms,cap=5s",
            "",
        ),
        arm(
            "equal jitter",
            "half of the exponential delay, and as much again at random",
            "equal-jitter,base=100ms,cap=5s",
            "",
        ),
        arm(
            "decorrelated jitter",
            "it waits at random, up to three times as long as the last time",
            "decorrelated,base=100ms,cap=5s",
            "",
        ),
        arm(
            "jitter and spread",
            "full jitter, and the first attempt waits at random up to 1.5 s",
            "full-jitter,base=100ms,cap=5s,spread=1500ms",
            "",
        ),
        arm(
            "jitter and budget",
            "full jitter, and retries are at most a tenth of first attempts and successes",
            "full-jitter,base=100ms,cap=5s,budget=10%",
            "",
        ),
        arm(
            "jitter and breaker",
            "full jitter, and after 50 failures in a row nobody tries for a second, then one",
            "full-jitter,base=100ms,cap=5s,breaker=50,open=1s",
            "",
        ),
        arm(
            "accept rate",
            "clients try at once, and the server accepts 5,000 a second (--accept-rate)",
            "immediate",
            "--accept-rate 5000",
        ),
        arm(
            "newest first",
            "clients try at once; those accepted beyond 5,000 a second wait, and the newest goes first (--accept-order newest)",
            "immediate",
            "--accept-rate 5000 --accept-order newest --waiting-room 500",
        ),
        Arm {
            settings: &[(Side::Server, "net.ipv4.tcp_abort_on_overflow", "1")],
            ..arm(
                "abort on overflow",
                "500 places, and who finds none is told by reset (net.ipv4.tcp_abort_on_overflow=1)",
                "immediate",
                SHORT,
            )
        },
    ];
    basic().into_iter().chain(more).collect()
}

macro_rules! policies {
    ($size:literal) => {
        vec![
            arm(concat!("immediate, ", $size), "no delay", "immediate", ""),
            arm(concat!("fixed, ", $size), "100 ms", "fixed,base=100ms", ""),
            arm(concat!("exponential, ", $size), "100 ms, doubled up to 5 s", "exponential,base=100ms,cap=5s", ""),
            arm(
                concat!("equal jitter, ", $size),
                "half of that, and as much again at random",
                "equal-jitter,base=100ms,cap=5s",
                "",
            ),
            arm(concat!("full jitter, ", $size), "at random up to that", JITTER, ""),
            arm(
                concat!("decorrelated jitter, ", $size),
                "at random up to three times the last",
                "decorrelated,base=100ms,cap=5s",
                "",
            ),
            arm(
                concat!("jitter and spread, ", $size),
                "full jitter, and up to 5 s at random before the first attempt",
                "full-jitter,base=100ms,cap=5s,spread=5s",
                "",
            ),
        ]
    };
}

fn plain() -> Vec<Arm> {
    policies!("10k")
}

fn large() -> Vec<Arm> {
    policies!("100k")
}

fn faults() -> Vec<Arm> {
    let fault = |name, what| arm(name, what, JITTER, "");
    vec![
        fault(super::faults::CLOSED, "the server is killed, and its port refuses for 2 s"),
        fault(
            super::faults::FIN,
            "the server ends in order (SIGTERM), which closes each connection by FIN, and starts again",
        ),
        Arm {
            program: Some("ss"),
            ..fault(super::faults::RESET, "each connection is reset at once (`ss --kill`); the server stays")
        },
        fault(
            super::faults::PAUSED,
            "the server is stopped for 2 s (SIGSTOP): connections are made, and nobody is served",
        ),
        fault(super::faults::DOWN, "the server's end of the cable is down for 2 s"),
        Arm {
            program: Some("nft"),
            ..fault(super::faults::DROPPED, "a firewall on the server's host drops every packet for 2 s (nft)")
        },
    ]
}
