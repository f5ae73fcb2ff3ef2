//! Numbers of connections as people write them, and as they read them. Both without loss where it
//! matters: what is typed is exact, what is shown says so when it is rounded.

/// `10000`, `10k`, `2.5M`: a positive whole number, with at most as many decimals as the suffix has
/// zeros.
pub(super) fn count(text: &str) -> Result<u64, String> {
    let (number, zeros) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 3),
        None => text.strip_suffix('M').map_or((text, 0), |number| (number, 6)),
    };
    parse(number, zeros)
        .filter(|count| *count > 0)
        .ok_or_else(|| "expected a positive number such as 10000, 10k, 2.5M or 10M".to_owned())
}

fn parse(number: &str, zeros: usize) -> Option<u64> {
    let (whole, decimals) = match number.split_once('.') {
        // A point promises a decimal.
        Some((whole, decimals)) => (whole, Some(decimals).filter(|decimals| !decimals.is_empty())?),
        None => (number, ""),
    };
    let is_number = !whole.is_empty() && whole.chars().chain(decimals.chars()).all(|c| c.is_ascii_digit());
    if !is_number || decimals.len() > zeros {
        return None;
    }
    format!("{whole}{decimals}{}", "0".repeat(zeros - decimals.len())).parse().ok()
}

/// A count that fits a narrow column: exact up to ten million, three digits beyond.
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
    fn counts_take_suffixes_and_decimals() {
        for (text, expected) in [
            ("1", Some(1)),
            ("10000", Some(10_000)),
            ("10k", Some(10_000)),
            ("5K", Some(5000)),
            ("1M", Some(1_000_000)),
            ("2.5M", Some(2_500_000)),
            ("0.000001M", Some(1)),
            ("1.2345678M", None),
            ("2.5", None),
            ("2.M", None),
            (".5M", None),
            ("0", None),
            ("0.0k", None),
            ("k", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1e6", None),
            ("1m", None),
            ("1kM", None),
            ("1 M", None),
            ("99999999999999999999", None),
            ("18446744073709551615M", None),
        ] {
            assert_eq!(count(text).ok(), expected, "{text}");
        }
    }

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
