//! Why something is not done: an exit code, and a sentence that says what mends it.

use std::fmt;

use results::visible::visible_line;

/// Exit code 2 if the user should ask for something else, 1 if it cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The exit code.
    pub code: u8,
    message: String,
}

impl Refusal {
    /// The user should ask for something else.
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
        // One line, even if a record, a path or an error message contains line feeds.
        formatter.write_str(&visible_line(&self.message))
    }
}

impl std::error::Error for Refusal {}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Refusal {
        Refusal::failed(format!("{error:#}"))
    }
}
