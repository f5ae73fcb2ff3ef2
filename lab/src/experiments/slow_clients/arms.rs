//! The arms: each way of being slow, without a limit and with the one that should answer it.

use crate::kinds::scenario::remedies::arm::Arm;
use crate::session::request::Profile;

const NO_LIMIT: &str = "--header-timeout 0s --stall-timeout 0s --idle-timeout 0s";
const HEADS: &str = "heads /";
const BODIES: &str = "bodies /echo --ahead 16k";
const UNREAD: &str = "unread /bytes/10000000";
const SEGMENTS: &str = "segments /";
/// Of slowhttptest: a body of 8 KiB is announced.
const SLOW_BODIES: &str = "-B -s 8192 -t POST";

pub(super) fn arms(profile: Profile) -> Vec<Arm> {
    let arm = |name, what, load, serve| Arm { load, serve, ..Arm::named(name, what) };
    let mut arms = vec![
        arm("heads", "slow heads: a byte every 100 ms, and no limit", HEADS, NO_LIMIT),
        arm(
            "heads, head timeout",
            "slow heads, and a head may take 300 ms (--header-timeout)",
            HEADS,
            "--header-timeout 300ms --stall-timeout 0s --idle-timeout 0s",
        ),
        arm("bodies", "slow bodies: 16 KiB at once, then a byte every 100 ms, and no limit", BODIES, NO_LIMIT),
        arm(
            "bodies, stall timeout",
            "slow bodies, and 300 ms without a byte end them (--stall-timeout): a byte in time starts that anew",
            BODIES,
            "--header-timeout 0s --stall-timeout 300ms --idle-timeout 0s",
        ),
        arm(
            "bodies, body timeout",
            "slow bodies, and a whole body may take 300 ms (--body-timeout)",
            BODIES,
            "--header-timeout 0s --body-timeout 300ms --stall-timeout 0s --idle-timeout 0s",
        ),
        arm("unread", "clients ask for 10 MB and read nothing, and no limit", UNREAD, NO_LIMIT),
        arm(
            "unread, stall timeout",
            "the same, and a reply that makes no progress for 300 ms is given up (--stall-timeout)",
            UNREAD,
            "--header-timeout 0s --stall-timeout 300ms --idle-timeout 0s",
        ),
        arm(
            "idle, idle timeout",
            "clients connect and say nothing, and silence may last 300 ms (--idle-timeout)",
            "idle /",
            "--header-timeout 0s --stall-timeout 0s --idle-timeout 300ms",
        ),
    ];
    if profile == Profile::Full {
        arms.extend(more());
    }
    arms
}

/// These go through something else than the first arm.
const OTHERS: &str = "Other clients, and other times";

/// What takes longer, or another program.
fn more() -> Vec<Arm> {
    let arm = |name, what, load, serve| Arm { load, serve, ..Arm::named(name, what) };
    let other = |name, what, load, serve| Arm { group: Some(OTHERS), ..arm(name, what, load, serve) };
    vec![
        arm("idle", "clients connect and say nothing, and no limit", "idle /", NO_LIMIT),
        other(
            "segments",
            "whole requests, a byte every 20 ms in a segment of its own, and no limit",
            SEGMENTS,
            NO_LIMIT,
        ),
        other(
            "segments, head timeout",
            "the same, and a head may take 300 ms: less than it takes so",
            SEGMENTS,
            "--header-timeout 300ms --stall-timeout 0s --idle-timeout 0s",
        ),
        arm(
            "bodies, 8 MiB of buffers",
            "slow bodies, and buffers have 8 MiB (--buffer-memory): where they run short, those without progress are shed",
            BODIES,
            "--header-timeout 0s --stall-timeout 0s --idle-timeout 0s --buffer-memory 8MiB",
        ),
        arm(
            "heads that come back, head timeout",
            "slow heads, a head may take 300 ms, and who is closed comes back at once",
            "heads / --reopen",
            "--header-timeout 300ms --stall-timeout 0s --idle-timeout 0s",
        ),
        Arm {
            stretch: 8,
            ..other(
                "heads, as shipped",
                "slow heads, and the limits that a server has unless told otherwise (10 s for a head)",
                HEADS,
                "",
            )
        },
        second_opinion(
            "slowhttptest",
            "its slow heads (slowhttptest -H, 1,200 connections), and no limit",
            "-H",
            NO_LIMIT,
        ),
        second_opinion(
            "slowhttptest, head timeout",
            "the same, and a head may take 300 ms",
            "-H",
            "--header-timeout 300ms --stall-timeout 0s --idle-timeout 0s",
        ),
        second_opinion(
            "slowhttptest, bodies",
            "its slow bodies (slowhttptest -B), and no limit",
            SLOW_BODIES,
            NO_LIMIT,
        ),
        second_opinion(
            "slowhttptest, bodies, body timeout",
            "the same, and a whole body may take 300 ms",
            SLOW_BODIES,
            "--header-timeout 0s --body-timeout 300ms --stall-timeout 0s --idle-timeout 0s",
        ),
    ]
}

/// Slow clients of another program.
fn second_opinion(name: &'static str, what: &'static str, load: &'static str, serve: &'static str) -> Arm {
    Arm { group: Some(OTHERS), program: Some("slowhttptest"), stretch: 3, load, serve, ..Arm::named(name, what) }
}
