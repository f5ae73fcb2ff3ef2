//! Counts and rates as people write them: `10000`, `10k`, `2.5M`, `1e6`. Reads them exactly. Suffixes are decimal
//! here; sizes in bytes have binary suffixes, in `size`.

use std::fmt::Display;
use std::num::NonZeroU32;

/// Decimal suffixes, and the number of zeros that each stands for.
const SUFFIXES: [(&str, usize); 4] = [("k", 3), ("K", 3), ("M", 6), ("G", 9)];
/// The most digits of a written number. No count has more, and so none takes long to read.
const DIGITS_MAX: usize = 40;

/// A positive whole number.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    whole(text)
        .filter(|count| *count > 0)
        .ok_or_else(|| "expected a positive number such as 10000, 10k, 2.5M or 1e6".to_owned())
}

/// Returns a parser of whole numbers from `least` to `most`.
pub(crate) fn between<T>(least: T, most: T) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: TryFrom<u64> + PartialOrd + Display + Copy + Send + Sync + 'static,
{
    move |text| {
        let Some(number) = whole(text) else {
            return Err("expected a number such as 10000, 10k, 2.5M or 1e6".to_owned());
        };
        match T::try_from(number) {
            Ok(number) if number >= least && number <= most => Ok(number),
            _ => Err(format!("{number} is not in {least}..={most}")),
        }
    }
}

/// A positive whole number that 32 bits hold.
pub(crate) fn nonzero(text: &str) -> Result<NonZeroU32, String> {
    let number = between(1, u32::MAX)(text)?;
    NonZeroU32::try_from(number).map_err(|error| error.to_string())
}

/// A number per second. It need not be whole.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let written =
        Written::of(text).ok_or_else(|| "expected a number such as 0.5, 10000, 10k, 2.5M or 1e6".to_owned())?;
    // Parsed as one decimal number, so that it is rounded only once.
    let number = format!("{}.{}e{}", written.whole, written.decimals, written.zeros);
    number.parse().ok().filter(|rate: &f64| rate.is_finite()).ok_or_else(|| format!("{text} is too large"))
}

/// A written number: its digits, and by how many places to move the point to the right.
struct Written<'a> {
    whole: &'a str,
    decimals: &'a str,
    zeros: i64,
}

impl Written<'_> {
    fn of(text: &str) -> Option<Written<'_>> {
        let suffix = SUFFIXES.into_iter().find_map(|(suffix, zeros)| Some((text.strip_suffix(suffix)?, zeros as i64)));
        let (number, zeros) = match (suffix, text.split_once(['e', 'E'])) {
            (Some((number, zeros)), _) => (number, zeros),
            (None, Some((number, exponent))) => (number, places(exponent)?),
            (None, None) => (text, 0),
        };
        let (whole, decimals) = match number.split_once('.') {
            // A point must have decimals after it.
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (number, ""),
        };
        let is_number = whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit());
        let is_known = is_number && !whole.is_empty() && number.len() <= DIGITS_MAX;
        is_known.then_some(Written { whole, decimals, zeros })
    }
}

/// The exponent of `1e6`, `1e+6` or `1e-3`.
fn places(exponent: &str) -> Option<i64> {
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let is_number = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(exponent).and_then(|exponent| exponent.parse().ok())
}

/// A whole number. `None` for any other number, however close it comes.
fn whole(text: &str) -> Option<u64> {
    let Written { whole, decimals, zeros } = Written::of(text)?;
    // Zeros at the end of the decimals do not count, as in 2.50k.
    let decimals = decimals.trim_end_matches('0');
    let missing = usize::try_from(zeros).ok()?.checked_sub(decimals.len())?;
    let digits = format!("{whole}{decimals}");
    let digits = digits.trim_start_matches('0');
    // More zeros than any number has would only fill memory.
    match digits {
        "" => Some(0),
        _ if missing > DIGITS_MAX => None,
        digits => format!("{digits}{}", "0".repeat(missing)).parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_take_suffixes_decimals_and_exponents() {
        for (text, expected) in [
            ("1", Some(1)),
            ("10000", Some(10_000)),
            ("10k", Some(10_000)),
            ("5K", Some(5000)),
            ("1M", Some(1_000_000)),
            ("2.5M", Some(2_500_000)),
            ("2G", Some(2_000_000_000)),
            ("1e6", Some(1_000_000)),
            ("1E6", Some(1_000_000)),
            ("2.5e6", Some(2_500_000)),
            ("1e+3", Some(1000)),
            ("1e0", Some(1)),
            ("2.50k", Some(2500)),
            ("0.000001M", Some(1)),
            ("18446744073709551615", Some(u64::MAX)),
            ("1.2345678M", None),
            ("2.5", None),
            ("2.5e0", None),
            ("15e-1", None),
            ("10e-1", None),
            ("2.M", None),
            ("2.e6", None),
            (".5M", None),
            ("0", None),
            ("0.0k", None),
            ("0e9", None),
            ("k", None),
            ("e6", None),
            ("1e", None),
            ("1e1e1", None),
            ("1e3k", None),
            ("1e999", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1m", None),
            ("1kM", None),
            ("1 M", None),
            ("1_000", None),
            ("0x10", None),
            ("inf", None),
            ("99999999999999999999", None),
            ("18446744073709551615M", None),
        ] {
            assert_eq!(count(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn rates_need_not_be_whole() {
        for (text, expected) in [
            ("0", Some(0.0)),
            ("0.5", Some(0.5)),
            ("1e-3", Some(0.001)),
            ("10k", Some(10_000.0)),
            ("2.5M", Some(2_500_000.0)),
            ("0.1k", Some(100.0)),
            ("1.1M", Some(1_100_000.0)),
            ("1e6", Some(1_000_000.0)),
            ("20000", Some(20_000.0)),
            ("-5", None),
            ("nan", None),
            ("inf", None),
            ("1e999", None),
            ("", None),
            ("fast", None),
        ] {
            assert_eq!(rate(text).ok(), expected, "{text}");
        }
        // Reads back exactly what the program writes for its children.
        for number in [0.001, 333.333_333_333_333_3, 9_079.412_345_678_9, 1e8] {
            assert_eq!(rate(&number.to_string()), Ok(number));
        }
    }

    #[test]
    fn ranges_are_named() {
        let reader = between(1_u16, 1024);
        assert_eq!(reader("1k"), Ok(1000));
        for text in ["0", "1025", "70k", "1e30"] {
            assert!(reader(text).is_err(), "{text}");
        }
        assert!(reader("70k").unwrap_err().contains("70000 is not in 1..=1024"));
        assert!(reader("x").unwrap_err().contains("10k"));
    }
}
