//! Which statuses of HTTP replies are a success: a set of final statuses and how it is written. One bit each,
//! so checking a reply costs a shift and no allocation.

use std::fmt;
use std::str::FromStr;

/// The final statuses of RFC 9110 §15: 1xx are interim, and no class begins with 6.
const FIRST: u16 = 200;
const LAST: u16 = 599;
/// Words needed for one bit per status.
const WORDS: usize = (LAST - FIRST) as usize / 64 + 1;

/// Final statuses, written as codes, classes and ranges: `2xx,304` or `200-299`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusSet {
    bits: [u64; WORDS],
}

impl Default for StatusSet {
    /// 2xx, "the request was successfully received, understood, and accepted" (RFC 9110 §15.3).
    fn default() -> Self {
        let mut set = StatusSet::none();
        set.insert(200, 299);
        set
    }
}

impl StatusSet {
    /// No status at all: every reply is then reported with its status.
    pub const fn none() -> StatusSet {
        StatusSet { bits: [0; WORDS] }
    }

    /// Whether this status is one of them.
    #[inline]
    pub fn contains(&self, status: u16) -> bool {
        let bit = usize::from(status.wrapping_sub(FIRST));
        self.bits.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    fn insert(&mut self, first: u16, last: u16) {
        for bit in usize::from(first - FIRST)..=usize::from(last - FIRST) {
            self.bits[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// The set as ascending ranges, each as long as possible.
    fn ranges(&self) -> Vec<(u16, u16)> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for status in (FIRST..=LAST).filter(|&status| self.contains(status)) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == status => *last = status,
                _ => ranges.push((status, status)),
            }
        }
        ranges
    }
}

impl FromStr for StatusSet {
    type Err = String;

    fn from_str(text: &str) -> Result<StatusSet, String> {
        let mut set = StatusSet::none();
        for part in text.split(',').map(str::trim) {
            let (first, last) = bounds(part).ok_or_else(|| {
                format!("{part:?} is no status: write codes, classes or ranges, for example 2xx,304 or 200-299,404")
            })?;
            if first < FIRST || last > LAST {
                return Err(format!(
                    "{part:?} goes beyond {FIRST} to {LAST}: a final status is in there, and 1xx replies are interim"
                ));
            }
            if first > last {
                return Err(format!("{part:?} is an empty range"));
            }
            set.insert(first, last);
        }
        Ok(set)
    }
}

/// The first and the last status of one part.
fn bounds(part: &str) -> Option<(u16, u16)> {
    let code = |text: &str| {
        let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_code.then(|| text.parse::<u16>().ok()).flatten()
    };
    match part.as_bytes() {
        [class @ b'0'..=b'9', b'x' | b'X', b'x' | b'X'] => {
            let first = u16::from(class - b'0') * 100;
            Some((first, first + 99))
        }
        _ => match part.split_once('-') {
            Some((first, last)) => Some((code(first.trim())?, code(last.trim())?)),
            None => code(part).map(|status| (status, status)),
        },
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.ranges().into_iter().enumerate() {
            formatter.write_str(if index > 0 { "," } else { "" })?;
            match (first % 100, last - first) {
                (_, 0) => write!(formatter, "{first}")?,
                (0, 99) => write!(formatter, "{}xx", first / 100)?,
                _ => write!(formatter, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_and_written() {
        for (text, shown, inside, outside) in [
            ("2xx", "2xx", &[200, 204, 299][..], &[0, 100, 199, 300, 304, 600, u16::MAX][..]),
            ("2xx,304", "2xx,304", &[200, 304], &[303, 305]),
            (" 404 , 200-201 ", "200-201,404", &[200, 201, 404], &[202, 403]),
            ("5XX,200", "200,5xx", &[200, 500, 599], &[201, 499]),
            ("200-299,300-310", "200-310", &[255, 300, 310], &[311]),
            ("200,200", "200", &[200], &[201]),
        ] {
            let set: StatusSet = text.parse().unwrap();
            assert_eq!(set.to_string(), shown, "{text:?}");
            assert!(inside.iter().all(|&status| set.contains(status)), "{text:?}");
            assert!(outside.iter().all(|&status| !set.contains(status)), "{text:?}");
        }
        assert_eq!(StatusSet::default(), "2xx".parse().unwrap());
        assert!((0..=u16::MAX).all(|status| !StatusSet::none().contains(status)));
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for (text, part) in [
            ("", "is no status"),
            ("ok", "is no status"),
            ("2x", "is no status"),
            ("20", "is no status"),
            ("2000", "is no status"),
            ("+20", "is no status"),
            ("200,", "is no status"),
            ("200-", "is no status"),
            ("2xx-3xx", "is no status"),
            ("1xx", "1xx replies are interim"),
            ("101", "1xx replies are interim"),
            ("600", "goes beyond"),
            ("9xx", "goes beyond"),
            ("300-200", "empty range"),
        ] {
            let message = text.parse::<StatusSet>().unwrap_err();
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }
}
