//! Who blocks what, and for how long: the arms, and the requests that go with each.

use crate::kinds::scenario::remedies::arm::Arm;
use crate::session::request::Profile;

/// Short requests per second.
pub(super) const SHORT_PER_S: f64 = 2000.0;
/// The arm that blocks, and does nothing about it.
pub(super) const BLOCK: &str = "block";
/// The arm with a server of its own for what blocks.
pub(super) const APART: &str = "a server apart";

/// An arm, and the requests that block.
pub(super) struct Scene {
    pub(super) arm: Arm,
    /// What they ask for; the number is how many ms it takes.
    pub(super) target: &'static str,
    pub(super) per_s: f64,
    /// Whether one loop does everything, which is what the theory is about.
    pub(super) is_one_queue: bool,
}

/// Calls take some 6 % of the time, or some 20: their 99th percentile then lies within the first call or beyond the second one, and
/// not on the edge between two, where a call more or less in a run moves it by half. A test looks at that.
fn scenes() -> Vec<Scene> {
    let block = Scene {
        arm: Arm {
            serve: "--reactors 1",
            ..Arm::named(BLOCK, "the loop sleeps for 3 ms in one request of a hundred (/block/3)")
        },
        target: "/block/3",
        per_s: SHORT_PER_S / 100.0,
        is_one_queue: true,
    };
    let arm = |name, what| Arm { name, what, ..block.arm.clone() };
    let scene = |name, what| Scene { arm: arm(name, what), ..block };
    let longer = |name, what, target, one_in, stretch| Scene {
        arm: Arm { stretch, ..arm(name, what) },
        target,
        per_s: SHORT_PER_S / one_in,
        ..block
    };
    vec![
        Scene {
            target: "/offload/3",
            is_one_queue: false,
            ..scene("pool", "a thread of a pool of four sleeps instead (/offload/3)")
        },
        Scene {
            arm: Arm {
                serve: "--reactors 2",
                ..arm("two loops", "two event loops on the same CPU, which share the connections")
            },
            is_one_queue: false,
            ..block
        },
        Scene { is_one_queue: false, ..scene(APART, "what blocks has a server of its own, on the same CPU") },
        longer("1 ms, one in ten", "one request in ten sleeps for 1 ms", "/block/1", 10.0, 1),
        longer("10 ms", "one request in a hundred sleeps for 10 ms", "/block/10", 100.0, 2),
        longer("30 ms, one in a thousand", "one request in a thousand sleeps for 30 ms", "/block/30", 1000.0, 8),
        longer("100 ms, one in a thousand", "one request in a thousand sleeps for 100 ms", "/block/100", 1000.0, 15),
        block,
    ]
}

pub(super) fn arms(profile: Profile) -> Vec<Arm> {
    const FULL: [&str; 8] = [
        BLOCK,
        "pool",
        "two loops",
        APART,
        "1 ms, one in ten",
        "10 ms",
        "30 ms, one in a thousand",
        "100 ms, one in a thousand",
    ];
    let names = if profile == Profile::Full { &FULL[..] } else { &FULL[..4] };
    names.iter().filter_map(|name| scenes().into_iter().map(|scene| scene.arm).find(|arm| arm.name == *name)).collect()
}

/// The scene of an arm.
pub(super) fn of(arm: &Arm) -> Option<Scene> {
    scenes().into_iter().find(|scene| scene.arm.name == arm.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use results::queueing::Queue;

    #[test]
    fn every_arm_has_its_scene() {
        assert_eq!((arms(Profile::Full).len(), arms(Profile::Quick).len()), (scenes().len(), 4));
        assert!(arms(Profile::Full).iter().all(|arm| of(arm).is_some_and(|scene| scene.arm == *arm)));
    }

    /// A forecast can only be right where a little more or less load moves what it is about by little. With 4,000 short
    /// requests a second the first arm had its 99th percentile on the edge between one call and two.
    #[test]
    fn no_percentile_lies_on_an_edge() {
        let slope = |short_per_s: f64, per_s: f64, ms: f64| {
            let queue = Queue::of_kinds(&[(short_per_s, 20e-6), (per_s, ms / 1000.0 + 100e-6)]).expect("it keeps up");
            let at = |share| queue.wait_s(share).expect("it is found");
            (1.0 - at(0.985) / at(0.99)).max(at(0.995) / at(0.99) - 1.0)
        };
        assert!(slope(4000.0, 40.0, 3.0) > 0.3, "{}", slope(4000.0, 40.0, 3.0));
        for scene in scenes().iter().filter(|scene| scene.is_one_queue) {
            let ms = scene.target.trim_start_matches("/block/").parse().expect("a number");
            let slope = slope(SHORT_PER_S, scene.per_s, ms);
            assert!(slope < 0.2, "{}: {slope}", scene.arm.name);
        }
    }
}
