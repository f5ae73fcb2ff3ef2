//! What a server can do about a shortage of descriptors: each way as an arm.

use crate::kinds::scenario::remedies::arm::Arm;
use crate::session::request::Profile;

/// Without the first words a server raises its soft limit by itself.
pub(super) fn arms(profile: Profile) -> Vec<Arm> {
    let is_full = profile == Profile::Full;
    let arm = |name, what, serve| Arm { serve, stretch: if is_full { 10 } else { 1 }, ..Arm::named(name, what) };
    let mut arms = vec![
        arm(
            "try again",
            "accept is tried again at once, since the listener stays readable; the soft limit is left as it is",
            "--keep-soft-limit --when-short spin",
        ),
        arm(
            "rest",
            "the same limit, and accept rests for 100 ms or until a connection ends; newcomers wait in the queue",
            "--keep-soft-limit --when-short pause",
        ),
        arm(
            "turn away",
            "the same limit, and a descriptor kept in reserve serves to accept newcomers and reset them",
            "--keep-soft-limit --when-short shed",
        ),
        arm("raise the soft limit", "the server raises it to the hard one, 2,000, at its start", ""),
    ];
    if is_full {
        arms.push(arm(
            "evict",
            "the same limit, and connections that have been idle longest make room",
            "--keep-soft-limit --when-short evict",
        ));
        arms.push(arm(
            "a table for each reactor",
            "two reactors, on the same CPU, whose threads have 200 descriptors each",
            "--keep-soft-limit --when-short spin --reactors 2",
        ));
        arms.push(arm(
            "a limit of its own",
            "the server takes 136 connections at most, so it rests before descriptors run out",
            "--keep-soft-limit --max-connections 136",
        ));
        arms.push(arm(
            "direct descriptors",
            "io_uring keeps connections in a table of the ring, which the soft limit bounds all the same: the server rests when it is full",
            "--keep-soft-limit --backend io_uring",
        ));
    }
    arms
}
