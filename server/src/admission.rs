//! What a server does about more connections than it can serve. Settings only; `shard` and the backends follow them.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// These settings. By default every connection is taken in as soon as there is room for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// Most connections that all reactors together take in per second; `None`: no limit. Further ones wait in the accept
    /// queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_rate: Option<NonZeroU32>,
}

impl Admission {
    /// Whether nothing was asked for.
    pub fn is_default(&self) -> bool {
        *self == Admission::default()
    }
}
