//! How far a run had come when it was interrupted.

use serde::{Deserialize, Serialize};

/// The part of a run in which it was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interruption {
    /// Connections were being established: nothing was measured.
    Connecting,
    /// The window had not begun: nothing was measured.
    WarmUp,
    /// The window was cut short.
    Window,
}

impl Interruption {
    /// Why a run interrupted in this part measured nothing; `None` if part of the window was measured.
    pub const fn why_nothing(self) -> Option<&'static str> {
        match self {
            Interruption::Connecting => Some("interrupted while connecting: nothing was measured"),
            Interruption::WarmUp => Some("interrupted during the warm-up: nothing was measured"),
            Interruption::Window => None,
        }
    }
}
