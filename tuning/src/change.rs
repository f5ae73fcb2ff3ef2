//! Changes of a host's settings that can be taken back: what would change, the change itself, and its undoing.
//!
//! The order is what makes it safe. First everything is read and everything that can be refused is refused. Then the old
//! values are written to a journal and synced. Only then the first setting is written. Whatever ends the program after
//! that, the journal tells the next call what to restore, and restoring twice is restoring once. A dry run ends before
//! the journal and opens nothing for writing.

mod apply;
mod disk;
mod draft;
pub(crate) mod files;
mod journal;
mod local;
mod profile;
mod replace;
mod revert;

pub use apply::{ApplyError, apply, lend};
pub use disk::{Disk, Kept};
pub use draft::{Draft, FileChange, Refusal, SettingChange, Standing};
pub use files::{SYSCTL_FILE, unit_file};
pub use journal::{Journal, JournalError, Stage};
pub use local::{Local, LockError};
pub use profile::{ByHand, FileError, Profile, Wanted};
pub use revert::{Foreign, RevertError, recover, revert, tidy};
