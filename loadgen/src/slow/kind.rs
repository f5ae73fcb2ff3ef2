//! The ways of being slow.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a slow client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Begins a request and sends a byte of its head each interval, without an end (slowloris).
    Heads,
    /// Sends a whole head, and a byte of its body each interval.
    Bodies,
    /// Asks for something and reads nothing of the reply.
    Unread,
    /// Sends whole requests, a byte each interval and in a segment of its own, and reads the replies.
    Segments,
    /// Connects and says nothing.
    Idle,
}

impl Kind {
    /// Every kind, in the order of the help.
    pub const ALL: [Kind; 5] = [Kind::Heads, Kind::Bodies, Kind::Unread, Kind::Segments, Kind::Idle];

    /// The word on the command line and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Heads => "heads",
            Kind::Bodies => "bodies",
            Kind::Unread => "unread",
            Kind::Segments => "segments",
            Kind::Idle => "idle",
        }
    }

    /// What it does, in a few words.
    pub const fn what(self) -> &'static str {
        match self {
            Kind::Heads => "A byte of a request's head each interval, without an end (slowloris)",
            Kind::Bodies => "A whole head, and a byte of the body each interval",
            Kind::Unread => "Ask, and read nothing of the reply",
            Kind::Segments => "Whole requests, each byte in a segment of its own",
            Kind::Idle => "Connect and say nothing",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it sends bytes at intervals.
    pub const fn has_interval(self) -> bool {
        matches!(self, Kind::Heads | Kind::Bodies | Kind::Segments)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_and_records_use_the_same_words() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert_eq!(serde_json::to_string(&kind).expect("JSON"), format!("\"{kind}\""));
        }
        assert_eq!(Kind::named("fast"), None);
    }
}
