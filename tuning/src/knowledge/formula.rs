//! A formula of a rule: its text, and its value for a host. The library fasteval parses and evaluates it; here are
//! only the names of the variables and the one function that it lacks.

use std::fmt;

use fasteval::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::variables::Variables;

/// A formula, such as `min(65535, rate / 10)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula(String);

/// Why a text is no formula, or has no value here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormulaError {
    /// It does not parse.
    #[error("`{text}` is no formula: {why}")]
    Syntax {
        /// The text.
        text: String,
        /// What the parser says.
        why: String,
    },
    /// It uses a name that does not exist.
    #[error("`{text}` has {name}, which does not exist; the variables are {}", Variables::NAMES.join(", "))]
    Unknown {
        /// The text.
        text: String,
        /// The name.
        name: String,
    },
}

impl Formula {
    /// Parses a formula.
    ///
    /// # Errors
    /// If it is none, or has an unknown name.
    pub fn new(text: &str) -> Result<Formula, FormulaError> {
        let text = text.to_owned();
        match evaluate(&text, |name| Variables::NAMES.contains(&name).then_some(1.0)) {
            Ok(_) => Ok(Formula(text)),
            Err(Error::Undefined(name)) => Err(FormulaError::Unknown { text, name }),
            Err(error) => Err(FormulaError::Syntax { why: format!("{error:?}"), text }),
        }
    }

    /// The formula as it was written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Its value, rounded to the next whole number; `None` if this host does not show a variable that it has, or if
    /// the value is not finite. Numbers beyond 2⁵³ lose their last digits.
    pub fn value(&self, variables: &Variables) -> Option<i128> {
        let value = evaluate(&self.0, |name| variables.named(name)).ok()?.round();
        value.is_finite().then_some(value as i128)
    }
}

/// The value of `text`, with variables by name and the function `pow2`, the next power of two.
fn evaluate(text: &str, variable: impl Fn(&str) -> Option<f64>) -> Result<f64, Error> {
    let mut names = |name: &str, arguments: Vec<f64>| match (name, arguments.as_slice()) {
        ("pow2", [value]) => Some(value.log2().ceil().exp2()),
        (_, []) => variable(name),
        _ => None,
    };
    fasteval::ez_eval(text, &mut names)
}

impl fmt::Display for Formula {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for Formula {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Formula {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Formula, D::Error> {
        Formula::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Variables = Variables {
        ram: Some(16.0 * 1024.0 * 1024.0 * 1024.0),
        free_pages: Some(4_000_000.0),
        page: Some(4096.0),
        cpus: Some(8.0),
        hz: None,
        ehash: Some(131_072.0),
        connections: Some(1_000_000.0),
        rate: Some(10_000.0),
        value: None,
    };

    #[test]
    fn arithmetic_is_arithmetic() {
        for (text, expected) in [
            ("4096", Some(4096)),
            ("2 + 3 * 4 ^ 2", Some(50)),
            ("(2 + 3) * 4", Some(20)),
            ("10 - 4 - 3", Some(3)),
            ("100 / 10 / 2", Some(5)),
            ("-1", Some(-1)),
            ("min(65535, max(4096, rate / 10))", Some(4096)),
            ("max(rate * 2, 5) + 1", Some(20_001)),
            ("1 + min(2 * 3, 100 - 1)", Some(7)),
            ("ehash / 2", Some(65_536)),
            ("pow2(connections / 2)", Some(524_288)),
            ("pow2(8)", Some(8)),
            ("ceil(10 / 4) + floor(10 / 4)", Some(5)),
            ("ram / 1024 / 10", Some(1_677_722)),
            ("4294967295", Some(4_294_967_295)),
            ("1 / 0", None),
            ("1000 / hz", None), // the host does not show it
        ] {
            assert_eq!(Formula::new(text).unwrap().value(&HOST), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_formula_does_not_load() {
        for text in ["", "2 +", "min(1, 2", "ehash / ", "4096 connections", "min()", "memory / 2", "1; 2"] {
            let error = Formula::new(text).expect_err(text);
            assert!(error.to_string().contains(text), "{error}");
        }
        assert!(Formula::new("memory / 2").unwrap_err().to_string().contains("the variables are ram, "));
    }
}
