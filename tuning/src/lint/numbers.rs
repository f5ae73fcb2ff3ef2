//! Numbers as the kernel reads them from a sysctl's file (linux kernel/sysctl.c, `proc_get_long`): decimal, octal behind
//! a 0, hexadecimal behind 0x, with white space between them. Tried on 6.18.44 in a network namespace, 2026-12-01: the
//! kernel takes as many as it wants and ignores the rest, if white space separates it.

/// One number.
pub(crate) fn number(word: &str) -> Option<i128> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, word),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    // from_str_radix takes a second sign.
    if !digits.starts_with(|sign: char| sign.is_ascii_hexdigit()) || digits.len() > 20 {
        return None;
    }
    i128::from_str_radix(digits, radix).ok().map(|number| sign * number)
}

/// The numbers at the beginning of a value.
pub(crate) fn numbers(value: &str) -> Vec<i128> {
    value.split_whitespace().map_while(number).collect()
}

/// All of a value as numbers; `None`: some word is none, or there is no word.
pub(crate) fn only_numbers(value: &str) -> Option<Vec<i128>> {
    let numbers: Option<Vec<i128>> = value.split_whitespace().map(number).collect();
    numbers.filter(|numbers| !numbers.is_empty())
}

/// Whether the kernel has what a file says: `live` is what it shows. Fewer numbers leave the others as they are.
pub(crate) fn is_same(live: &str, written: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words(live) == words(written) {
        return true;
    }
    match only_numbers(live) {
        Some(live) => {
            let written = numbers(written);
            let count = written.len().min(live.len());
            count > 0 && live[..count] == written[..count]
        }
        None => matches!((ports(live), ports(written)), (Some(live), Some(written)) if live == written),
    }
}

/// Port lists such as `8080,9000-9010`: their ranges, sorted and joined.
pub(crate) fn ports(list: &str) -> Option<Vec<(u16, u16)>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
    };
    let parts = list.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
    let mut ranges: Vec<(u16, u16)> = parts.map(range).collect::<Option<_>>()?;
    ranges.sort_unstable();
    let mut joined: Vec<(u16, u16)> = Vec::new();
    for (first, last) in ranges {
        match joined.last_mut() {
            Some(before) if u32::from(first) <= u32::from(before.1) + 1 => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_kernel_reads_them() {
        for (word, expected) in [
            ("1024", Some(1024)),
            ("0x1000", Some(4096)),
            ("010", Some(8)),
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("64k", None),
            ("65,535", None),
            ("--1", None),
            ("-+1", None),
            ("", None),
            ("08", None),
            ("18446744073709551615", Some(18_446_744_073_709_551_615)),
        ] {
            assert_eq!(number(word), expected, "{word}");
        }
        assert_eq!(numbers("1024 65535 # x"), [1024, 65_535]);
        assert_eq!(only_numbers("1024 x"), None);
    }

    #[test]
    fn a_live_value_is_compared_by_meaning() {
        for (live, written, expected) in [
            ("4096\t131072\t33554432\n", "4096 131072 33554432", true),
            ("4096\t131072\t33554432", "4096 131072 1", false),
            ("4096 131072 33554432", "4096", true),
            ("1024", "1024 # c", true),
            ("16", "0x10", true),
            ("8080,9000-9001", "9000,9001,8080", true),
            ("8080", "8081", false),
            ("cubic", "bbr", false),
            ("", "", true),
            ("", "1", false),
        ] {
            assert_eq!(is_same(live, written), expected, "{live:?} {written:?}");
        }
    }
}
