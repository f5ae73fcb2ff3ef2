//! Parses the kinds of text in /proc and /sys: numbers, words, lists, sizes. Reads nothing.

/// Exactly `N` numbers, separated by white space.
pub(crate) fn numbers<const N: usize>(text: &str) -> Option<[u64; N]> {
    let values: Option<Vec<u64>> = text.split_whitespace().map(|part| part.parse().ok()).collect();
    values?.try_into().ok()
}

/// A single printable word.
pub(crate) fn word(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// The ranges of a kernel list such as `0-3,8`. An empty text is an empty list.
pub(crate) fn ranges(text: &str) -> Option<Vec<(u64, u64)>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            // Processors and ports: 32 bits suffice, and their sums cannot overflow.
            let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some((first.into(), last.into()))
        })
        .collect()
}

/// How many numbers a kernel list such as `0-3,8` contains.
pub(crate) fn listed_count(text: &str) -> Option<u64> {
    let count = ranges(text)?.iter().map(|(first, last)| last - first + 1).sum();
    (count > 0).then_some(count)
}

/// A size such as `48K`, in bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (digits, factor) = match text.strip_suffix('K') {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// The line `key:   123 kB` of /proc/meminfo or a similar file, in bytes.
pub(crate) fn kibibytes(text: &str, key: &str) -> Option<u64> {
    field(text, key)?.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// What follows `key:` at the beginning of a line.
pub(crate) fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_lists() {
        for (text, expected) in [
            ("", Some(vec![])),
            ("0", Some(vec![(0, 0)])),
            ("0-3,8", Some(vec![(0, 3), (8, 8)])),
            ("3-1", None),
            ("a-b", None),
            ("1,,2", None),
            ("0-18446744073709551615", None),
        ] {
            assert_eq!(ranges(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_wrong_count_of_numbers_is_refused() {
        assert_eq!(numbers::<3>("1\t2 3"), Some([1, 2, 3]));
        assert_eq!(numbers::<3>("1 2"), None);
        assert_eq!(numbers::<2>("1 -2"), None);
    }

    #[test]
    fn sizes_and_fields() {
        for (text, expected) in
            [("48K", Some(49_152)), ("2M", Some(2 << 20)), ("64", Some(64)), ("K", None), ("", None)]
        {
            assert_eq!(size(text), expected, "{text:?}");
        }
        let text = "MemTotal:       24684084 kB\nMemAvailable:   100 kB\nMemFree: x kB";
        assert_eq!(kibibytes(text, "MemTotal"), Some(24_684_084 * 1024));
        assert_eq!(kibibytes(text, "MemAvailable"), Some(102_400));
        assert_eq!(kibibytes(text, "MemFree"), None);
        assert_eq!(kibibytes(text, "Mem"), None);
        assert_eq!(field(text, "MemFree"), Some("x kB"));
        assert_eq!((listed_count("0-3,8"), listed_count("")), (Some(5), None));
    }
}
