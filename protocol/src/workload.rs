//! The vocabulary of workloads: one list and one word for each, in flags, records, file names and prose.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is spoken on the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Every byte comes back.
    #[default]
    Echo,
    /// HTTP/1.1.
    Http,
}

impl Workload {
    /// Every workload.
    pub const ALL: [Workload; 2] = [Workload::Echo, Workload::Http];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Workload::Echo => "echo",
            Workload::Http => "http",
        }
    }

    /// The scheme of its targets.
    pub const fn scheme(self) -> &'static str {
        match self {
            Workload::Echo => "tcp",
            Workload::Http => "http",
        }
    }

    /// The target that speaks it at `place`, an address and a port.
    pub fn target(self, place: impl fmt::Display) -> String {
        let path = match self {
            Workload::Echo => "",
            Workload::Http => "/",
        };
        format!("{}://{place}{path}", self.scheme())
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(word: &str) -> Result<Workload, String> {
        Workload::ALL.into_iter().find(|workload| workload.name() == word).ok_or_else(|| {
            let names = Workload::ALL.map(Workload::name).join(", ");
            format!("no workload is called {word:?}; there are {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_and_are_those_of_records() {
        for workload in Workload::ALL {
            assert_eq!(workload.name().parse(), Ok(workload));
            assert_eq!(serde_json::to_value(workload).unwrap(), workload.name());
        }
        let refused = "gopher".parse::<Workload>().unwrap_err();
        assert!(Workload::ALL.iter().all(|workload| refused.contains(workload.name())), "{refused}");
    }
}
