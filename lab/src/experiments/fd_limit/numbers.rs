//! What a good answer to the shortage keeps to, and whether the loop that rests does.

use results::report::measure;

use super::figures::{FAILING, HELD_P99, HELD_TIMES, RECOVERY};
use crate::kinds::scenario::remedies::record::Record;

/// The arm that is held to them.
const ARM: &str = "rest";
/// It never runs short: what those held would have had.
const NEVER_SHORT: &str = "raise the soft limit";

/// Failing accepts in ten seconds.
const FAILING_MAX: f64 = 200.0;
/// How many times as long those held may wait.
const HELD_TIMES_MAX: f64 = 2.0;
const RECOVERY_MS_MAX: f64 = 1000.0;

/// Accepts that failed in ten seconds, at the rate of the run.
fn failing(record: &Record) -> Option<f64> {
    record.median_of(ARM, FAILING).map(|per_s| 10.0 * per_s)
}

/// The loop that rests has to meet the limit too, and must hardly try in vain.
pub(super) fn rests(record: &Record) -> Option<String> {
    let failed = failing(record).unwrap_or(f64::NAN);
    let is_right = failed > 0.0 && failed <= FAILING_MAX;
    (!is_right).then(|| format!("the loop that rests failed {} times in 10 s, not a few", measure(failed)))
}

/// The p99 of those held as a multiple of what it is beside a server that never runs short, in the same part of the run: before the
/// shortage there is less to do, and CPUs that sleep wake slowly. Absent where the generator does not vouch for its times.
fn held(record: &Record) -> Option<f64> {
    let normal = record.quotable_time(NEVER_SHORT, HELD_P99).filter(|ms| *ms > 0.0)?;
    Some(record.quotable_time(ARM, HELD_P99)? / normal)
}

/// Those who are connected must hardly notice.
pub(super) fn holds(record: &Record) -> Option<String> {
    let times = held(record)?;
    (times > HELD_TIMES_MAX).then(|| {
        format!("those held waited {} times as long beside a loop that rests as without a shortage", measure(times))
    })
}

/// Service has to come back by itself; how soon, only where the generator vouches for its times.
pub(super) fn recovers(record: &Record) -> Option<String> {
    if record.median_of(ARM, RECOVERY).is_none() {
        return Some("a latecomer of the loop that rests was never served, with descriptors free".to_owned());
    }
    let recovery_ms = record.quotable_time(ARM, RECOVERY)?;
    (recovery_ms > RECOVERY_MS_MAX)
        .then(|| format!("a latecomer waited {recovery_ms:.0} ms for the loop that rests, with descriptors free"))
}

/// Each number, what it may be, and whether it was that.
pub(super) fn sentence(record: &Record) -> String {
    let judged = |value: Option<f64>, unit: &str, most: f64| match value {
        Some(value) => {
            let word = if value <= most { "met" } else { "not met" };
            format!("{}{unit} (at most {}: {word})", measure(value), measure(most))
        }
        None => format!("not to be quoted (at most {}{unit}: open)", measure(most)),
    };
    let before = record
        .quotable_time(ARM, HELD_TIMES)
        .map_or(String::new(), |times| format!(", and against before the shortage {}", measure(times)));
    format!(
        "Of a loop that rests: failing accepts in 10 s: {}; p99 of those held against a server that never runs short: {}{before}; until \
         latecomers were served: {}.",
        judged(failing(record), "", FAILING_MAX),
        judged(held(record), " times", HELD_TIMES_MAX),
        judged(record.quotable_time(ARM, RECOVERY), " ms", RECOVERY_MS_MAX),
    )
}

#[cfg(test)]
mod tests {
    use super::super::SCENARIO;
    use super::*;
    use crate::kinds::scenario::remedies::made_up;

    fn record(failing: f64, times: f64, recovery_ms: f64) -> Record {
        let rest = [(FAILING, failing), (HELD_P99, 0.25 * times), (HELD_TIMES, 0.4), (RECOVERY, recovery_ms)];
        made_up::record(&SCENARIO, &[(ARM, &rest), (NEVER_SHORT, &[(HELD_P99, 0.25)])])
    }

    #[test]
    fn each_number_is_judged() {
        let expectations: [fn(&Record) -> Option<String>; 3] = [rests, holds, recovers];
        let broken = |record: &Record| expectations.map(|holds| holds(record).is_some());
        let good = record(20.0, 2.0, 1000.0);
        assert_eq!(broken(&good), [false; 3]);
        let said = sentence(&good);
        assert!(said.matches(": met)").count() == 3 && said.contains("before the shortage 0.400"), "{said}");
        for (bad, place) in [
            (record(20.1, 1.0, 40.0), 0),
            (record(0.0, 1.0, 40.0), 0),
            (record(5.0, 2.1, 40.0), 1),
            (record(5.0, 1.0, 1001.0), 2),
        ] {
            let expected: Vec<bool> = (0..3).map(|index| index == place).collect();
            assert_eq!(broken(&bad).to_vec(), expected, "{}", sentence(&bad));
        }
        assert_eq!(sentence(&record(20.1, 2.1, 1001.0)).matches(": not met)").count(), 3);
    }

    /// What the generator does not vouch for is neither met nor missed; nobody served is.
    #[test]
    fn times_that_must_not_be_quoted_are_open() {
        let open = made_up::with_invalid(record(5.0, 9.0, 9000.0), ARM);
        let said = sentence(&open);
        assert_eq!((said.matches(": open)").count(), said.matches(": met)").count()), (2, 1), "{said}");
        assert!(holds(&open).is_none() && recovers(&open).is_none());
        let never = made_up::record(&SCENARIO, &[(ARM, &[(FAILING, 5.0)])]);
        assert!(recovers(&never).is_some_and(|words| words.contains("never served")));
    }
}
