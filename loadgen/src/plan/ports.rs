//! The ports from which a run's connections start.

use std::str::FromStr;

/// Ports in a row, both ends included: `20000-20499`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

impl PortRange {
    pub(crate) fn count(self) -> u32 {
        u32::from(self.last - self.first) + 1
    }
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<PortRange, String> {
        let port = |text: &str| text.parse().ok().filter(|port| *port > 0);
        let ends = text.split_once('-').and_then(|(first, last)| Some((port(first)?, port(last)?)));
        match ends.filter(|(first, last)| first <= last) {
            Some((first, last)) => Ok(PortRange { first, last }),
            None => Err("must be the first and the last port, such as 20000-20499".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_in_the_range() {
        let count = |text: &str| text.parse::<PortRange>().map(PortRange::count);
        assert_eq!(count("20000-20499"), Ok(500));
        assert_eq!(count("5-5"), Ok(1));
        for wrong in ["", "5", "6-5", "0-9", "1-65536", "1-2-3", "a-b", "-5"] {
            assert!(count(wrong).is_err(), "{wrong}");
        }
    }
}
