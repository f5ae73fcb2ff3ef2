//! Whether the forecast was right, in words and as an expectation.

use super::figures::{ERROR, FORETOLD, P99};
use super::scenes::BLOCK;
use crate::kinds::scenario::remedies::record::{ArmRecord, Record};

/// How far the forecast may be off, in percent of what was measured.
const OFF_PERCENT_MAX: f64 = 20.0;

/// The arms with a forecast and times that may be quoted, and how far the forecast is off in percent: the median of the
/// repeats, with its sign. The twin is one of them.
fn errors(record: &Record) -> impl Iterator<Item = (&ArmRecord, f64)> {
    record.remedies.iter().filter_map(|arm| {
        let time = |figure| record.quotable_time(&arm.name, figure);
        // Older records have no error with a sign, but both times.
        let of_times = || Some(100.0 * (record.median(arm, FORETOLD)? / time(P99)? - 1.0));
        Some((arm, time(ERROR).or_else(of_times)?))
    })
}

/// The forecast has to hold wherever there is one.
pub(super) fn holds(record: &Record) -> Option<String> {
    let (arm, off) = errors(record).find(|(_, off)| off.abs() > OFF_PERCENT_MAX)?;
    Some(format!("the forecast of the p99 is {off:+.0} % off ({}), more than {OFF_PERCENT_MAX:.0} %", arm.name))
}

/// What was foretold, and whether that was right.
pub(super) fn sentence(record: &Record) -> String {
    let Some(foretold_us) = record.median_of(BLOCK, FORETOLD) else { return String::new() };
    let ms = |us: f64| format!("{:.1} ms", us / 1000.0);
    let all: Vec<String> = errors(record).map(|(_, off)| format!("{off:+.0} %")).collect();
    match (record.quotable_time(BLOCK, P99), all.is_empty()) {
        (Some(measured_us), false) => {
            let word = if holds(record).is_none() { "holds" } else { "does not hold" };
            format!(
                "The theory of queues foretells a p99 of {}, where {} were measured; its forecasts are {} off, so the bound of \
                 {OFF_PERCENT_MAX:.0} % {word}.",
                ms(foretold_us),
                ms(measured_us),
                all.join(" and ")
            )
        }
        _ => {
            format!("The theory of queues foretells a p99 of {}; there is no time to compare it with.", ms(foretold_us))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::SCENARIO;
    use super::*;
    use crate::kinds::scenario::remedies::made_up;

    fn record(off: f64) -> Record {
        let arm = [(P99, 2500.0), (FORETOLD, 25.0 * (100.0 + off)), (ERROR, off)];
        made_up::record(&SCENARIO, &[(BLOCK, &arm), ("pool", &[(P99, 200.0)])])
    }

    #[test]
    fn a_forecast_is_right_or_wrong_on_either_side() {
        for (off, is_right) in [(0.0, true), (20.0, true), (-20.0, true), (20.5, false), (-21.0, false)] {
            let record = record(off);
            let said = sentence(&record);
            assert_eq!((holds(&record).is_none(), said.contains("% holds.")), (is_right, is_right), "{off}: {said}");
            assert!(said.contains(&format!("{off:+.0} %")) && said.contains("2.5 ms were measured"), "{said}");
        }
    }

    #[test]
    fn an_older_record_is_judged_by_its_two_times() {
        let record = made_up::record(&SCENARIO, &[(BLOCK, &[(P99, 4144.0), (FORETOLD, 3259.0)])]);
        assert!(holds(&record).is_some() && sentence(&record).contains("-21 %"), "{}", sentence(&record));
    }

    #[test]
    fn without_times_to_quote_nothing_is_judged() {
        let record = made_up::with_invalid(record(90.0), BLOCK);
        assert!(holds(&record).is_none() && sentence(&record).contains("no time to compare"), "{}", sentence(&record));
    }
}
