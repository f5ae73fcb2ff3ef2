//! The distributions of times that a run records, by the names that its files use.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a histogram holds. The order is that of the JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// written − reached.
    BackPressure,
    /// From connect(2) to established.
    Connect,
    /// First byte of the reply − written.
    FirstByte,
    /// reached − intended.
    Lateness,
    /// done − intended.
    Response,
    /// done − written.
    Service,
    /// Connect time plus the service time of the first request.
    TimeToFirstResponse,
}

impl Distribution {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Distribution::BackPressure => "back_pressure",
            Distribution::Connect => "connect",
            Distribution::FirstByte => "first_byte",
            Distribution::Lateness => "lateness",
            Distribution::Response => "response",
            Distribution::Service => "service",
            Distribution::TimeToFirstResponse => "time_to_first_response",
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn documents_and_files_use_the_same_names_in_the_same_order() {
        let all = [
            Distribution::BackPressure,
            Distribution::Connect,
            Distribution::FirstByte,
            Distribution::Lateness,
            Distribution::Response,
            Distribution::Service,
            Distribution::TimeToFirstResponse,
        ];
        let map: BTreeMap<Distribution, ()> = all.iter().rev().map(|each| (*each, ())).collect();
        let names: Vec<String> = all.iter().map(|each| format!("\"{each}\":null")).collect();
        assert_eq!(serde_json::to_string(&map).expect("JSON"), format!("{{{}}}", names.join(",")));
    }
}
