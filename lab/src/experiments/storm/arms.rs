//! The arms of a storm: how clients decide when to try again, and what the server does about those who come.

use super::faults;
use crate::kinds::scenario::remedies::arm::Arm;
use crate::session::side::Side;

pub(super) const IMMEDIATE: &str = "immediate";
/// The same where a login costs 1 ms.
pub(super) const IMMEDIATE_SLOW: &str = "immediate, 1 ms";
pub(super) const SLOW_JITTER: &str = "slow jitter, 100k";
pub(super) const BEST: &str = "short queue, jitter and spread";

const JITTER: &str = "full-jitter,base=100ms,cap=5s";
const SPREAD: &str = "full-jitter,base=100ms,cap=5s,spread=1500ms";
/// At 50 µs each, a quarter of what the server works off within its clients' patience of 100 ms.
const SHORT: &str = "--backlog 500";

fn arm(name: &'static str, what: &'static str, load: &'static str, serve: &'static str) -> Arm {
    Arm { load, serve, ..Arm::named(name, what) }
}

pub(super) fn basic() -> Vec<Arm> {
    vec![
        arm(IMMEDIATE, "a client tries again as soon as an attempt has failed", "immediate", ""),
        arm("full jitter", "it waits at random, up to 100 ms and twice as long after each failure", JITTER, ""),
        arm(
            "short queue",
            "it tries at once, and the server's accept queue has 500 places (--backlog)",
            "immediate",
            SHORT,
        ),
        arm(BEST, "500 places, full jitter, and the first attempt waits at random up to 1.5 s", SPREAD, SHORT),
    ]
}

/// With what else clients and servers can do. Policies that differ by the shape of their delays alone are compared where
/// logins cost nothing.
pub(super) fn all() -> Vec<Arm> {
    let more = [
        arm(
            "exponential",
            "it waits 100 ms, and twice as long after each failure, up to 5 s",
            "exponential,base=100ms,cap=5s",
            "",
        ),
        arm("jitter and spread", "full jitter, and the first attempt waits at random up to 1.5 s", SPREAD, ""),
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
            "clients try at once, and the server takes 5,000 a second out of a bucket of tokens (--accept-rate)",
            "immediate",
            "--accept-rate 5000",
        ),
        arm(
            "oldest first",
            "the same, but those beyond the rate wait in a room of 500 places, and the oldest goes first (--accept-order oldest)",
            "immediate",
            "--accept-rate 5000 --accept-order oldest --waiting-room 500",
        ),
        arm(
            "newest first",
            "the same room, and the newest goes first (--accept-order newest)",
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

pub(super) fn plain() -> Vec<Arm> {
    let equal = arm(
        "equal jitter, 10k",
        "half of the exponential delay, and as much again at random",
        "equal-jitter,base=100ms,cap=5s",
        "",
    );
    policies!("10k").into_iter().chain([equal]).collect()
}

/// Whether a storm keeps itself going if its clients are not held up by anything else.
pub(super) fn slow() -> Vec<Arm> {
    vec![
        arm(IMMEDIATE_SLOW, "clients try again at once", "immediate", ""),
        arm("full jitter, 1 ms", "full jitter from 100 ms to 5 s", JITTER, ""),
        arm(
            "short queue, 1 ms",
            "at once, and the accept queue has 250 places, half of what is worked off in 500 ms",
            "immediate",
            "--backlog 250",
        ),
    ]
}

/// Those that differ most, and one with a tenth of the attempts: whether the clients' own host is the bound then, too.
pub(super) fn large() -> Vec<Arm> {
    let slow = arm(SLOW_JITTER, "full jitter from 1 s to 10 s", "full-jitter,base=1s,cap=10s", "");
    policies!("100k").into_iter().chain([slow]).collect()
}

/// Clients that hear nothing find out by their heartbeats.
pub(super) fn host() -> Vec<Arm> {
    let what = "full jitter; the server's host says nothing any more, and is back with a new server: each client finds out when its next \
                heartbeat is not answered, or is answered by a reset";
    vec![Arm { program: Some("nft"), ..arm(faults::HOST, what, JITTER, "") }]
}

pub(super) fn faults() -> Vec<Arm> {
    let fault = |name, what| arm(name, what, JITTER, "");
    vec![
        fault(faults::CLOSED, "the server is killed, and its port refuses for 2 s"),
        fault(faults::FIN, "the server ends in order (SIGTERM), which closes each connection by FIN, and starts again"),
        Arm {
            program: Some("ss"),
            ..fault(faults::RESET, "each connection is reset at once (`ss --kill`); the server stays")
        },
        fault(faults::PAUSED, "the server is stopped for 2 s (SIGSTOP): connections are made, and nobody is served"),
        fault(faults::DOWN, "the server's end of the cable is down for 2 s"),
        Arm {
            program: Some("nft"),
            ..fault(faults::DROPPED, "a firewall on the server's host drops every packet for 2 s (nft)")
        },
    ]
}

/// Who comes beyond the rate waits, or is told to come again and does not listen, or does.
pub(super) fn hints() -> Vec<Arm> {
    const TOLD: &str = "--accept-rate 5000 --retry-after 1";
    vec![
        arm("not told", "clients try at once, and the server takes 5,000 a second", "immediate", "--accept-rate 5000"),
        arm(
            "told, not heard",
            "it answers those beyond that with 503 and Retry-After (--retry-after 1), and they try at once all the same",
            "immediate",
            TOLD,
        ),
        arm(
            "told and heard",
            "the same, and clients come again at random within the second after that (`--reconnect immediate,hint`)",
            "immediate,hint",
            TOLD,
        ),
    ]
}

pub(super) fn loads() -> Vec<Arm> {
    const SOME: &str = "--handicap 8000";
    const MUCH: &str = "--handicap 37000";
    let load = |name, what, load, serve| arm(name, what, load, serve);
    vec![
        load(
            "immediate at 30 %",
            "a request costs 8 µs more (--handicap), which makes about 30 % of a CPU",
            "immediate",
            SOME,
        ),
        load("full jitter at 30 %", "the same with full jitter", JITTER, SOME),
        load("immediate at 60 %", "a request costs 37 µs more, which makes about 60 % of a CPU", "immediate", MUCH),
        load("full jitter at 60 %", "the same with full jitter", JITTER, MUCH),
    ]
}
