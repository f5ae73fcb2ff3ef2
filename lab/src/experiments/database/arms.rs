//! The arms: what a pool and its queue can be given, and load that rises until the pool can no more.

use crate::kinds::scenario::remedies::arm::Arm;
use crate::session::request::Profile;

/// Requests per second, and as many as the pool can easily do.
pub(super) const OVERLOAD_PER_S: u32 = 3000;
pub(super) const CALM_PER_S: u32 = 600;

/// The load rises: these arms go through something else than the first one does.
pub(super) const RISING: &str = "Rising load";
/// Its arm with as many threads as the first arm has.
pub(super) const RISING_FOUR: &str = "rising load";
/// The same overload, with queries that all take the same.
pub(super) const ALIKE: &str = "Without slow queries";

/// What a thread does per second, about: 2 ms of each query are given.
const THREAD_PER_S: u32 = 450;
/// More than the clients and the server's one CPU do together.
const OFFERED_PER_S_MAX: u32 = 12_000;
/// Steps of a rising load, in percent of what the threads can do: most of them around that.
const STEPS: [u32; 5] = [50, 80, 100, 125, 160];
const STEPS_QUICK: [u32; 3] = [50, 85, 140];
/// How long a step lasts. At its beginning the queue is still that of the step before.
pub(super) const STEP_MS: u32 = 800;

pub(super) fn arms(profile: Profile) -> Vec<Arm> {
    let arm = |name, what, serve| Arm { serve, ..Arm::named(name, what) };
    let mut arms = vec![
        arm("unbounded queue", "the queue of the pool has no bound (--pool-queue unbounded)", "--pool-queue unbounded"),
        arm("1,024 places", "one more is answered 503 (--pool-queue 1024, the default)", "--pool-queue 1024"),
        arm("128 places", "--pool-queue 128, which four threads work off in 70 ms", "--pool-queue 128"),
        arm(
            "deadline",
            "no bound, but what has waited for 100 ms is answered 503 instead of begun (--pool-deadline)",
            "--pool-queue unbounded --pool-deadline 100ms",
        ),
        arm("16 threads", "no bound, but four times as many threads", "--pool-queue unbounded --pool-threads 16"),
    ];
    let rising = |name, what, serve| Arm { group: Some(RISING), ..arm(name, what, serve) };
    if profile != Profile::Full {
        arms.push(rising(RISING_FOUR, "load rises in three steps, 128 places for four threads", "--pool-queue 128"));
        return arms;
    }
    arms.extend([
        arm(
            "128 places and deadline",
            "both (--pool-queue 128 --pool-deadline 100ms)",
            "--pool-queue 128 --pool-deadline 100ms",
        ),
        arm("1 thread", "128 places for one thread", "--pool-queue 128 --pool-threads 1"),
        arm("2 threads", "128 places for two threads", "--pool-queue 128 --pool-threads 2"),
        arm("8 threads", "128 places for eight threads", "--pool-queue 128 --pool-threads 8"),
        arm("32 threads", "128 places for 32 threads", "--pool-queue 128 --pool-threads 32"),
        arm("64 threads", "128 places for 64 threads", "--pool-queue 128 --pool-threads 64"),
        Arm {
            group: Some(ALIKE),
            ..arm("128 places, no slow query", "128 places, and no query takes 100 ms", "--pool-queue 128")
        },
        rising(RISING_FOUR, "load rises in five steps, 128 places for four threads", "--pool-queue 128"),
        rising("rising, 1 thread", "the same for one thread", "--pool-queue 128 --pool-threads 1"),
        rising("rising, 2 threads", "the same for two threads", "--pool-queue 128 --pool-threads 2"),
        rising("rising, 8 threads", "the same for eight threads", "--pool-queue 128 --pool-threads 8"),
        rising("rising, 16 threads", "the same for 16 threads", "--pool-queue 128 --pool-threads 16"),
        rising("rising, 32 threads", "the same for 32 threads", "--pool-queue 128 --pool-threads 32"),
        rising("rising, 64 threads", "the same for 64 threads", "--pool-queue 128 --pool-threads 64"),
    ]);
    arms
}

/// The threads of an arm: what it asks for, or the default.
pub(super) fn threads(arm: &Arm) -> Option<u32> {
    let mut asked = arm.serve.split_whitespace().skip_while(|word| *word != "--pool-threads").skip(1);
    asked.next().map_or(Some(server::Blocking::THREADS.get().into()), |number| number.parse().ok())
}

/// The steps of an arm's load, in requests per second; none where it does not rise.
pub(super) fn steps(arm: &Arm) -> Vec<u32> {
    let percents = match (arm.group, arm.what.contains("three steps")) {
        (Some(RISING), true) => &STEPS_QUICK[..],
        (Some(RISING), false) => &STEPS[..],
        _ => return vec![],
    };
    let can = threads(arm).unwrap_or(1) * THREAD_PER_S;
    percents.iter().map(|percent| (can * percent / 100).min(OFFERED_PER_S_MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_of_an_arm_are_those_that_it_asks_for() {
        let of = |serve| threads(&Arm { serve, ..Arm::named("", "") });
        assert_eq!(
            [of(""), of("--pool-queue 128 --pool-threads 16"), of("--pool-threads x")],
            [Some(4), Some(16), None]
        );
        assert!(arms(Profile::Full).iter().all(|arm| threads(arm).is_some()));
    }

    /// A knee is found only between load that the pool can do and load that it cannot.
    #[test]
    fn rising_load_passes_what_the_threads_can_do() {
        let of = |profile| arms(profile).into_iter().find(|arm| arm.name == RISING_FOUR).map(|arm| steps(&arm));
        assert_eq!(of(Profile::Quick), Some(vec![900, 1530, 2520]));
        assert_eq!(of(Profile::Full), Some(vec![900, 1440, 1800, 2250, 2880]));
        let rising: Vec<u32> =
            arms(Profile::Full).iter().filter(|arm| !steps(arm).is_empty()).filter_map(threads).collect();
        assert_eq!(rising, [4, 1, 2, 8, 16, 32, 64]);
        assert!(steps(&arms(Profile::Full)[0]).is_empty());
    }
}
