//! Each experiment about a failure can be wrong: a record that shows what it should passes, and one that shows a fault that was not
//! felt, or a remedy that does not help, is said not to.

use crate::kinds::scenario::remedies::made_up::record;
use crate::kinds::scenario::remedies::record::Record;
use crate::kinds::scenario::remedies::table::Remedies;

use super::{blocking, database, drain, fd_limit, ports, slow_clients, storm, tail};

/// A figure of an arm.
type Known = (&'static str, &'static str, f64);

struct Case {
    scenario: Remedies,
    good: &'static [Known],
    /// What is different, and what is said of that.
    bad: &'static [(Known, &'static str)],
}

const CASES: [Case; 8] = [
    Case {
        scenario: storm::SCENARIO,
        good: &[
            ("immediate", "outages", 100.0),
            ("immediate", "clients served again", 30.0),
            ("short queue", "outages", 100.0),
            ("short queue", "clients served again", 100.0),
        ],
        bad: &[
            (("immediate", "outages", 89.0), "outages of only 89 %"),
            (("short queue", "clients served again", 89.0), "no way brought more than 89 %"),
        ],
    },
    Case {
        scenario: fd_limit::SCENARIO,
        good: &[
            ("try again", "failing accepts", 1000.0),
            ("rest", "failing accepts", 20.0),
            ("rest", "p99 of those held", 2.0),
            ("rest", "recovery", 1000.0),
            ("raise the soft limit", "p99 of those held", 1.0),
        ],
        bad: &[
            (("try again", "failing accepts", 999.0), "failed 999 times a second only"),
            (("rest", "failing accepts", 20.1), "the loop that rests failed"),
            (("rest", "p99 of those held", 2.1), "those held waited 2.10 times as long"),
            (("rest", "recovery", 1001.0), "a latecomer waited 1001 ms"),
        ],
    },
    Case {
        scenario: ports::SCENARIO,
        good: &[("nothing", "connects that failed", 1.0)],
        bad: &[(("nothing", "connects that failed", 0.0), "no connect failed with EADDRNOTAVAIL")],
    },
    Case {
        scenario: blocking::SCENARIO,
        good: &[("block", "loop blocked", 2.0), ("block", "p99", 1500.0), ("pool", "p99", 700.0)],
        bad: &[
            (("block", "loop blocked", 1.9), "blocked for 1.9 %"),
            (("block", "p99", 1499.0), "the 99th percentile was 1499"),
            (("pool", "p99", 751.0), "no way brought the 99th percentile below 751"),
        ],
    },
    Case {
        scenario: database::SCENARIO,
        good: &[("unbounded queue", "answered in time", 40.0), ("128 places", "answered in time", 45.0)],
        bad: &[
            (("unbounded queue", "answered in time", 41.0), "41 % were answered in time"),
            (("128 places", "answered in time", 44.0), "no way answered more than 44 %"),
        ],
    },
    Case {
        scenario: tail::SCENARIO,
        good: &[
            ("pages of 10", "late pages", 3.0),
            // Of independent replies so many make 3 % of such pages late.
            ("pages of 10", "late replies", 0.3041),
            ("pages of 10", "foretold", 3.0),
            ("pages of 10", "pages", 1000.0),
            ("10, hedged", "late pages", 1.4),
        ],
        bad: &[
            (("pages of 10", "late pages", 2.9), "2.9 % of the pages of ten were late"),
            (("10, hedged", "late pages", 1.6), "1.6 % of the hedged pages were late"),
        ],
    },
    Case {
        scenario: slow_clients::SCENARIO,
        good: &[
            ("heads", "ordinary requests answered", 60.0),
            ("heads, head timeout", "ordinary requests answered", 72.0),
        ],
        bad: &[
            (("heads", "ordinary requests answered", 61.0), "61 % of the ordinary requests were answered"),
            (("heads, head timeout", "ordinary requests answered", 69.0), "69 % with a head timeout"),
        ],
    },
    Case {
        scenario: drain::SCENARIO,
        good: &[
            ("stop and start", "lost requests", 1000.0),
            ("stop and start", "replacements", 4.0),
            ("hand over, epoll", "lost requests", 0.0),
            ("hand over, epoll", "replacements", 40.0),
        ],
        bad: &[
            (("stop and start", "lost requests", 999.0), "lost 999 requests per 1,000"),
            // One request in each run of 40 replacements.
            (("hand over, epoll", "lost requests", 25.0), "hand over, epoll lost 4 requests in 160"),
        ],
    },
];

/// What a record should have shown and did not.
fn broken(scenario: &Remedies, known: &[Known]) -> Vec<String> {
    let mut arms: Vec<&str> = known.iter().map(|(arm, ..)| *arm).collect();
    arms.dedup();
    let figures: Vec<Vec<(&str, f64)>> = arms
        .iter()
        .map(|arm| known.iter().filter(|known| known.0 == *arm).map(|(_, figure, value)| (*figure, *value)).collect())
        .collect();
    let mut arms: Vec<(&str, &[(&str, f64)])> =
        arms.iter().zip(&figures).map(|(arm, figures)| (*arm, figures.as_slice())).collect();
    // The first arm, which does nothing, is measured twice.
    arms.insert(1, ("twin", figures[0].as_slice()));
    let record: Record = record(scenario, &arms);
    let holds = [scenario.fault_shows].into_iter().chain(scenario.expectations.iter().copied());
    holds.filter_map(|holds| holds(&record)).collect()
}

#[test]
fn what_a_run_does_not_show_is_said() {
    for Case { scenario, good, bad } in CASES {
        let name = scenario.about.name;
        assert_eq!(broken(&scenario, good), Vec::<String>::new(), "{name}");
        for ((arm, figure, value), words) in bad {
            let change = |known: &Known| match (known.0, known.1) == (*arm, *figure) {
                true => (*arm, *figure, *value),
                false => *known,
            };
            let changed: Vec<Known> = good.iter().map(change).collect();
            assert_ne!(changed, good.to_vec(), "{name}: no such figure: {arm}, {figure}");
            let said = broken(&scenario, &changed);
            assert!(said.len() == 1 && said[0].contains(words), "{name}, {arm}, {figure}: {said:?}");
        }
    }
}
