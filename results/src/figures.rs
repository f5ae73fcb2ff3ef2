//! Numbers in the form for tables: separators in large counts, two or three significant digits in small measures,
//! `n/a` for an absent value.

/// Shown where nothing was measured.
pub const ABSENT: &str = "n/a";

/// A count with separators: `41,235`.
pub fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
    let mut text = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A measure with about three significant digits: `0.204`, `5.92`, `12.4`, `1,234`.
pub fn measure(number: f64) -> String {
    // The limits are where rounding would add a digit: 9.996 becomes 10.0, not 10.00.
    match number.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.9995 => format!("{number:.3}"),
        size if size < 9.995 => format!("{number:.2}"),
        size if size < 99.95 => format!("{number:.1}"),
        _ => count(number),
    }
}

/// The figure, or `n/a`.
pub(super) fn or_absent(number: Option<f64>, figure: fn(f64) -> String) -> String {
    number.filter(|number| number.is_finite()).map_or_else(|| ABSENT.to_owned(), figure)
}

/// A share as a percentage: `4 %`, or `0.4 %` below one.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() < 0.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// A ratio with two decimals. Three decimals if it would otherwise read 1.00 without being 1.
pub fn ratio(number: f64) -> String {
    match (number - 1.0).abs() {
        distance if distance > 1e-9 && distance < 0.0095 => format!("{number:.3}"),
        distance if distance > 98.5 => count(number),
        distance if distance > 8.995 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// The words with a capital letter, for the beginning of a sentence.
pub(super) fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        for (number, expected) in [
            (0.0, "0"),
            (0.2044, "0.204"),
            (0.9996, "1.00"),
            (5.918, "5.92"),
            (9.996, "10.0"),
            (12.44, "12.4"),
            (99.96, "100"),
            (1234.5, "1,234"),
            (-5.5, "-5.50"),
        ] {
            assert_eq!(measure(number), expected);
        }
        for (number, expected) in
            [(0.4, "0"), (999.0, "999"), (41_235.4, "41,235"), (-1000.0, "-1,000"), (1e7, "10,000,000")]
        {
            assert_eq!(count(number), expected);
        }
        for (number, expected) in [
            (1.0, "1.00"),
            (0.996, "0.996"),
            (1.004, "1.004"),
            (0.9904, "0.99"),
            (1.27, "1.27"),
            (11.83, "11.8"),
            (250.4, "250"),
        ] {
            assert_eq!(ratio(number), expected);
        }
        assert_eq!(or_absent(None, count), "n/a");
        assert_eq!(or_absent(Some(f64::NAN), count), "n/a");
        assert_eq!(percent(0.041), "4 %");
        assert_eq!(percent(0.004), "0.4 %");
    }
}
