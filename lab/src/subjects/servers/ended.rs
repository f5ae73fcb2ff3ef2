//! What a server leaves when it ended well. Data only.

use serde_json::Value;
use server::Exit;

/// Its account.
pub(crate) struct Ended {
    /// What it printed, for the record.
    pub(crate) printed: Value,
    /// What it counted; only this project's servers do.
    pub(crate) account: Option<Exit>,
}
