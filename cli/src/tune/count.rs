//! Prints numbers of connections for people; a rounded number shows that it is rounded. Every command parses them in
//! the same way.

pub(super) use crate::count::count;

/// A count for a narrow column: exact up to ten million, three digits beyond.
pub(super) fn short(count: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000_000, "P"), (1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M")];
    if count < 10_000_000 {
        return tuning::thousands(count);
    }
    let (unit, name) = UNITS.into_iter().find(|(unit, _)| count >= *unit).unwrap_or((1, ""));
    let value = count as f64 / unit as f64;
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_counts_are_short() {
        for (number, expected) in [
            (0, "0"),
            (9_999_999, "9,999,999"),
            (10_000_000, "10.0M"),
            (524_288_000, "524M"),
            (1_016_000_000, "1.02G"),
            (9_223_372_036_854_775_807, "9223P"),
        ] {
            assert_eq!(short(number), expected);
        }
    }
}
