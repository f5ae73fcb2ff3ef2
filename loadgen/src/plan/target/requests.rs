//! What the requests are made of.

use super::credentials::Secret;
use protocol::Workload;

/// What the requests are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Requests {
    Echo,
    Http { host: String, path: String, authorization: Option<Secret> },
}

impl Requests {
    pub(crate) const fn workload(&self) -> Workload {
        match self {
            Requests::Echo => Workload::Echo,
            Requests::Http { .. } => Workload::Http,
        }
    }
}
