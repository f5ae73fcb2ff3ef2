//! Who asks for what: pages of some sizes, pages with second copies, and load generators that see the same server stall.

use crate::kinds::scenario::remedies::arm::Arm;
use crate::session::request::Profile;
use crate::subjects::tools::tool::{TOOLS, Tool};

/// How long a server stalls where it does, and how often each of two does: seldom together.
pub(super) const STALL_MS: u32 = 100;
/// Replies per second that pages of each size share: so few that the servers never queue.
pub(super) const REPLIES_PER_S: u32 = 2000;
/// Of the replies, how many of a thousand are late.
pub(super) const LATE_PERMILLE: u32 = 10;

/// Other pages are no remedy.
pub(super) const OTHER_SIZES: &str = "Pages of other sizes";
/// Servers that do nothing for a while, each at times of its own.
pub(super) const STALLING: &str = "Servers that stall as a whole, each at times of its own";
/// One server that does so, as load generators report it.
pub(super) const REPORTED: &str = "One server that stalls, as load generators report it";

/// Pages without second copies, in the order of their sizes: what they need.
pub(super) const SIZES: [(&str, u32, &str); 7] = [
    ("single replies", 1, "a page is one reply"),
    ("pages of 2", 2, "a page needs two replies"),
    ("pages of 5", 5, "a page needs five replies"),
    (PAGES, 10, "a page needs ten replies"),
    ("pages of 20", 20, "a page needs 20 replies"),
    ("pages of 50", 50, "a page needs 50 replies"),
    ("pages of 100", 100, "a page needs 100 replies"),
];
/// The arm that does nothing about it.
pub(super) const PAGES: &str = "pages of 10";
pub(super) const HEDGED: &str = "10, hedged";
pub(super) const TIED: &str = "10, tied";

const HEDGE: &str = "--hedge after=p95,budget=5%";

pub(super) fn arms(profile: Profile) -> Vec<Arm> {
    let is_full = profile == Profile::Full;
    let stretch = if is_full { 10 } else { 1 };
    let arm = |name, what, load| Arm { load, stretch, ..Arm::named(name, what) };
    let size = |(name, _, what): &(&'static str, u32, &'static str)| Arm {
        group: (*name != PAGES).then_some(OTHER_SIZES),
        ..arm(name, what, "")
    };
    let pages: Vec<Arm> = SIZES.iter().map(size).collect();
    let is_quick = |arm: &&Arm| is_full || !["pages of 5", "pages of 50"].contains(&arm.name);
    let mut arms: Vec<Arm> = pages.iter().filter(|arm| arm.name == PAGES).cloned().collect();
    arms.extend(pages.iter().filter(|arm| arm.name != PAGES).filter(is_quick).cloned());
    arms.extend([
        arm(
            HEDGED,
            "a second copy of what has no reply when 95 of 100 have, to the other server, at most 5 % of the replies (--hedge \
             after=p95,budget=5%)",
            HEDGE,
        ),
        arm(TIED, "two copies of everything at once, one to each server (--tied)", "--tied"),
    ]);
    if is_full {
        arms.extend(more(arm));
    }
    arms.extend(tools(is_full));
    arms
}

/// Other budgets, and servers that stall as a whole.
fn more(arm: impl Fn(&'static str, &'static str, &'static str) -> Arm) -> Vec<Arm> {
    let stalling = |name, what, load| Arm { group: Some(STALLING), ..arm(name, what, load) };
    vec![
        arm(
            "10, hedged late",
            "a second copy after 5 ms, at most 2 % of the replies (--hedge after=5ms,budget=2%)",
            "--hedge after=5ms,budget=2%",
        ),
        arm(
            "10, hedged with half a budget",
            "a second copy after 5 ms, at most 0.5 % of the replies, which is less than are late",
            "--hedge after=5ms,budget=0.5%",
        ),
        stalling("stalls", "pages of ten from two servers, without second copies", ""),
        stalling(SAME, "second copies to the same server: all parts go to one", HEDGE),
        stalling("stalls, hedged elsewhere", "second copies to the other server", HEDGE),
        stalling("stalls, tied", "two copies of everything, one to each server", "--tied"),
    ]
}

/// The arm whose second copies go where the first ones went.
pub(super) const SAME: &str = "stalls, hedged at the same server";

/// The load generators that speak HTTP. Each runs for whole seconds.
fn tools(is_full: bool) -> impl Iterator<Item = Arm> {
    const QUICK: [Tool; 3] = [Tool::C10mConstant, Tool::C10mClosed, Tool::Wrk];
    let of = move |tool: &Tool| Arm {
        group: Some(REPORTED),
        tool: Some(*tool),
        program: (!tool.is_own()).then(|| tool.program()),
        stretch: if is_full { 10 } else { 2 },
        ..Arm::named(tool.name(), tool.claim())
    };
    let is_asked = move |tool: &&Tool| if is_full { **tool != Tool::Sockperf } else { QUICK.contains(tool) };
    TOOLS.iter().filter(is_asked).map(of)
}

/// Replies that a page of an arm needs.
pub(super) fn parts(arm: &Arm) -> u32 {
    SIZES.iter().find(|(name, ..)| *name == arm.name).map_or(10, |(_, parts, _)| *parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_first_arm_needs_ten_and_names_tell_arms_apart() {
        for profile in [Profile::Quick, Profile::Full] {
            let arms = arms(profile);
            assert_eq!((arms[0].name, arms[0].group, parts(&arms[0])), (PAGES, None, 10));
            let names: BTreeSet<&str> = arms.iter().map(|arm| arm.name).collect();
            assert_eq!(names.len(), arms.len());
        }
        let sizes: Vec<u32> =
            arms(Profile::Quick).iter().filter(|arm| arm.group == Some(OTHER_SIZES)).map(parts).collect();
        assert_eq!(sizes, [1, 2, 20, 100]);
    }
}
