//! What a server leaves when it ended well. Data only.

use serde_json::Value;
use server::Exit;

/// The account of such a server.
pub(crate) struct Ended {
    /// What it printed, for the record.
    pub(crate) printed: Value,
    /// What it counted. Only this project's servers count.
    pub(crate) account: Option<Exit>,
}
