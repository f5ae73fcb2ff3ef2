//! What the walk along the limits found, as it is printed with `--json`, and what a child tells of the wall it ran into.
//! Data only.

use std::fmt;

use results::report::count;
use serde::{Deserialize, Serialize};

/// A limit on descriptors, in the order in which a growing server meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wall {
    /// RLIMIT_NOFILE as it is when nobody raises it.
    Soft,
    /// How far a program may raise that by itself.
    Hard,
    /// How far anybody may raise the hard limit.
    NrOpen,
    /// Open files of the whole host.
    FileMax,
    /// What one user may watch by epoll.
    EpollWatches,
    /// The size of a ring's table of direct descriptors.
    RingTable,
    /// The slots of that table.
    RingSlots,
}

impl Wall {
    /// All of them, in order.
    pub const ALL: [Wall; 7] =
        [Wall::Soft, Wall::Hard, Wall::NrOpen, Wall::FileMax, Wall::EpollWatches, Wall::RingTable, Wall::RingSlots];

    /// The name in commands and records.
    pub const fn name(self) -> &'static str {
        match self {
            Wall::Soft => "soft",
            Wall::Hard => "hard",
            Wall::NrOpen => "nr-open",
            Wall::FileMax => "file-max",
            Wall::EpollWatches => "epoll-watches",
            Wall::RingTable => "ring-table",
            Wall::RingSlots => "ring-slots",
        }
    }
}

/// An error number as people meet it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Errno {
    pub(super) number: i32,
    pub(super) name: String,
    /// As programs print it (strerror(3)).
    pub(super) message: String,
}

/// What came of running into a wall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Met {
    /// It was hit.
    Hit {
        /// The value of the limit that was hit.
        at: u64,
        /// The call that failed.
        call: String,
        errno: Errno,
        /// What else was seen there.
        seen: Vec<String>,
    },
    /// It cannot be hit here, or not without harm.
    NotHit { reason: String },
}

/// A wall, what came of running into it, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WallRecord {
    pub(super) wall: Wall,
    pub(super) title: String,
    /// Its value on this host, if that could be read.
    pub(super) limit: Option<u64>,
    /// How it is hit.
    pub(super) how: String,
    #[serde(flatten)]
    pub(super) met: Met,
    /// The call that fails there, and how.
    pub(super) fails: String,
    /// What a server sees and does.
    pub(super) server: String,
    /// Where it shows.
    pub(super) counter: String,
    /// Commands that mend it.
    pub(super) mends: Vec<String>,
    pub(super) traps: Vec<String>,
}

/// What a load generator did that was asked for more connections than it may have descriptors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct GeneratorRecord {
    pub(super) program: String,
    pub(super) version: String,
    pub(super) command: String,
    /// Absent when a signal ended it.
    pub(super) exit_code: Option<i32>,
    /// Whether it ended by itself in time.
    pub(super) ended_by_itself: bool,
    /// The first line in which it speaks of an error.
    pub(super) said: Option<String>,
    /// Connections that the server took in from it.
    pub(super) connections_served: u64,
    pub(super) requests_served: u64,
    pub(super) cpu_s: f64,
    pub(super) wall_s: f64,
}

/// The same for all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Generators {
    pub(super) descriptors: u64,
    pub(super) connections: u32,
    pub(super) seconds: u32,
    pub(super) met: Vec<GeneratorRecord>,
    /// Programs that are not installed, or could not be asked.
    pub(super) left_out: Vec<String>,
}

/// The whole walk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Walk {
    pub(super) version: String,
    pub(super) commit: String,
    pub(super) kernel: String,
    pub(super) walls: Vec<WallRecord>,
    pub(super) generators: Generators,
}

impl fmt::Display for Errno {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}, \"{}\")", self.name, self.number, self.message)
    }
}

/// A number of things with its thousands marked.
pub(super) fn number(number: u64) -> String {
    count(number as f64)
}

impl Errno {
    /// That of an error of the standard library. One without a number comes from no system call.
    pub(super) fn of_error(error: &std::io::Error) -> Errno {
        Errno::of(rustix::io::Errno::from_io_error(error).unwrap_or(rustix::io::Errno::IO))
    }

    pub(super) fn of(errno: rustix::io::Errno) -> Errno {
        use rustix::io::Errno as Number;
        let name = match errno {
            Number::PERM => "EPERM",
            Number::NFILE => "ENFILE",
            Number::MFILE => "EMFILE",
            Number::NOSPC => "ENOSPC",
            Number::NOMEM => "ENOMEM",
            Number::INVAL => "EINVAL",
            Number::NOSYS => "ENOSYS",
            Number::ACCESS => "EACCES",
            _ => "",
        };
        let number = errno.raw_os_error();
        let name = if name.is_empty() { format!("errno {number}") } else { name.to_owned() };
        // The standard library puts the number behind it.
        let text = std::io::Error::from(errno).to_string();
        let message = text.split(" (os error").next().unwrap_or_default().to_owned();
        Errno { number, name, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_records() {
        for wall in Wall::ALL {
            assert_eq!(serde_json::to_value(wall).expect("a word"), wall.name());
        }
        let errno = Errno::of(rustix::io::Errno::MFILE);
        assert_eq!((errno.number, errno.name.as_str(), errno.message.as_str()), (24, "EMFILE", "Too many open files"));
        assert_eq!(Errno::of(rustix::io::Errno::XDEV).name, "errno 18");
    }
}
