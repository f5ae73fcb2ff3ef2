//! What the kernel would have set, as far as this is known, and whether a value matches. Reads nothing.

/// A default, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Default {
    /// Exactly one of these, as the kernel prints them.
    OneOf(Vec<String>),
    /// Numbers that depend on the memory that the kernel counted at boot, which cannot be counted again.
    About { numbers: Vec<u64>, tolerance_percent: f64 },
    /// Cannot be computed from what this host shows.
    Unknown,
}

impl Default {
    pub(super) fn exactly(number: u64) -> Default {
        Default::OneOf(vec![number.to_string()])
    }

    pub(super) fn holds(&self, value: &str) -> bool {
        match self {
            Default::OneOf(values) => values.iter().any(|default| default == value),
            Default::About { numbers, tolerance_percent } => {
                let found: Option<Vec<u64>> = value.split(' ').map(|word| word.parse().ok()).collect();
                let near = |(found, number): (&u64, &u64)| {
                    found.abs_diff(*number) as f64 <= *number as f64 * tolerance_percent / 100.0
                };
                found.is_some_and(|found| found.len() == numbers.len() && found.iter().zip(numbers).all(near))
            }
            Default::Unknown => true,
        }
    }

    pub(super) fn words(&self) -> (String, Option<f64>) {
        match self {
            Default::OneOf(values) => (values.join(" or "), None),
            Default::About { numbers, tolerance_percent } => {
                let words: Vec<String> = numbers.iter().map(u64::to_string).collect();
                (words.join(" "), Some(*tolerance_percent))
            }
            Default::Unknown => (String::new(), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_for_every_number() {
        let default = Default::About { numbers: vec![100, 1000], tolerance_percent: 10.0 };
        for (value, expected) in [
            ("100 1000", true),
            ("90 1100", true),
            ("89 1000", false),
            ("100 1101", false),
            ("100", false),
            ("100 1000 1", false),
            ("a b", false),
        ] {
            assert_eq!(default.holds(value), expected, "{value}");
        }
    }
}
