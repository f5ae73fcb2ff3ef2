//! When to wait for more to do, for the variant that gathers.
//!
//! A turn that gathers sets a timer, and saves the turns of those that arrive until then. Whether that pays depends on how
//! many these are. When each turn gathered, a request needed 9 to 14 % less CPU than with `inline` at 50,000 requests a second
//! over 1,000 connections, and 6 to 8 % more at 20,000 (a run of `peers` and trials of turns, 2026-11-30). So the reactor goes by
//! what its last gathering turns have brought, and where that was too little it gathers now and then to see whether it still is.

/// Completions of a turn from which gathering pays: between 1.5 (20,000 requests a second) and 3 (50,000).
const PAYS_FROM: u32 = 2;
/// Without gathering, one turn in so many gathers all the same. At 20,000 turns a second the mean has forgotten half of
/// what it was after eleven of them, which is 18 ms. What they cost is a thirty-second of what gathering costs.
const PROBE_EVERY: u32 = 32;
/// Weight of the last turn in the mean, as a divisor. One burst changes nothing.
const WEIGHT: u32 = 16;
/// Completions of a turn that count at most, so that one large turn is forgotten soon.
const COUNTED_MAX: usize = 64;

/// What gathering has brought lately.
#[derive(Debug)]
pub(super) struct Gathering {
    /// Mean completions of a gathering turn, times `WEIGHT`.
    mean: u32,
    /// Turns since the last that gathered.
    plain_turns: u32,
}

impl Gathering {
    /// Begins with gathering.
    pub(super) fn new() -> Gathering {
        Gathering { mean: 2 * PAYS_FROM * WEIGHT, plain_turns: 0 }
    }

    /// Whether the next turn is to gather.
    #[inline]
    pub(super) fn is_due(&mut self) -> bool {
        self.plain_turns += 1;
        if self.mean < PAYS_FROM * WEIGHT && self.plain_turns < PROBE_EVERY {
            return false;
        }
        self.plain_turns = 0;
        true
    }

    #[cfg(test)]
    pub(super) fn has_just_gathered(&self) -> bool {
        self.plain_turns == 0
    }

    /// A gathering turn brought `count` completions.
    #[inline]
    pub(super) fn brought(&mut self, count: usize) {
        self.mean = self.mean - self.mean / WEIGHT + count.min(COUNTED_MAX) as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gathering turns among the next `turns`, each of which brings as many completions as `count` says.
    fn gathers(gathering: &mut Gathering, turns: u32, count: impl Fn(u32) -> usize) -> u32 {
        (0..turns)
            .filter(|turn| {
                let is_due = gathering.is_due();
                if is_due {
                    gathering.brought(count(*turn));
                }
                is_due
            })
            .count() as u32
    }

    #[test]
    fn it_gathers_where_that_brings_something_and_probes_where_it_does_not() {
        let mut gathering = Gathering::new();
        assert_eq!(gathers(&mut gathering, 1000, |_| 3), 1000);
        // It takes a few turns to see that it does not pay any more.
        assert!(gathers(&mut gathering, 1000, |_| 1) < 100);
        assert_eq!(gathers(&mut gathering, 3200, |_| 1), 100, "one in 32");
        // And as many probes to see that it does again.
        assert!(gathers(&mut gathering, 1000, |_| 8) > 500);
        assert_eq!(gathers(&mut gathering, 1000, |_| 8), 1000);
    }

    #[test]
    fn one_turn_changes_nothing() {
        let mut gathering = Gathering::new();
        gathers(&mut gathering, 3200, |_| 1);
        // A burst among single requests, which are the rule.
        assert!(gathers(&mut gathering, 3200, |turn| if turn == 100 { 10_000 } else { 1 }) < 400);
        gathers(&mut gathering, 3200, |_| 64);
        assert_eq!(gathers(&mut gathering, 1000, |turn| if turn == 100 { 0 } else { 64 }), 1000);
    }

    #[test]
    fn the_mean_follows_what_turns_bring() {
        let mut gathering = Gathering::new();
        gathers(&mut gathering, 1000, |turn| 3 + 2 * (turn as usize % 2));
        assert!((3 * WEIGHT..=5 * WEIGHT).contains(&gathering.mean), "{}", gathering.mean);
        for _ in 0..1000 {
            gathering.brought(0);
        }
        assert!(gathering.mean < WEIGHT, "{}", gathering.mean);
    }
}
