//! Why something is not done: an exit code, and a sentence with what mends it.

use std::fmt;

use results::visible::visible_line;

/// Exit code 2 when something else should have been asked for, 1 when it cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The exit code.
    pub code: u8,
    message: String,
}

impl Refusal {
    /// Something else should have been asked for.
    pub fn usage(message: String) -> Refusal {
        Refusal { code: 2, message }
    }

    /// It cannot be done.
    pub fn failed(message: String) -> Refusal {
        Refusal { code: 1, message }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever a record, a path or the complaint about them has in it.
        formatter.write_str(&visible_line(&self.message))
    }
}

impl std::error::Error for Refusal {}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Refusal {
        Refusal::failed(format!("{error:#}"))
    }
}
