//! The addresses of the target in a record: what each one carried, or why it carried nothing.

use serde::{Deserialize, Serialize};

/// One address of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetAddress {
    /// Address and port, or `unix:` and a path.
    pub address: String,
    /// Connections that were its share.
    pub connections: u64,
    /// Those of them that were established when the load began.
    pub established: u64,
    /// Why it was left out, for example the name of the error of a connect before the run; absent when it was used.
    pub left_out: Option<String>,
}
