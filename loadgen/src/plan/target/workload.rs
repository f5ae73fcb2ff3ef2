//! What is spoken on the connections.

use super::credentials::Secret;

/// What is spoken on the connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Workload {
    Echo,
    Http { host: String, path: String, authorization: Option<Secret> },
}

impl Workload {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Workload::Echo => "echo",
            Workload::Http { .. } => "http",
        }
    }
}
