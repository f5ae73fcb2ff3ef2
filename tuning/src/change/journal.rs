//! What a change has found, and how far it has come: enough to restore everything, whatever happens.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::disk::{Disk, Kept};

/// The format of the journal.
const SCHEMA: u32 = 1;

/// A change that was begun, and not taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// The format: 1.
    pub schema: u32,
    /// How far it has come.
    pub stage: Stage,
    /// What was applied, in words: a profile's name or a file's.
    pub what: String,
    /// The settings, in the order in which they are written.
    pub settings: Vec<OldSetting>,
    /// The files, likewise.
    pub files: Vec<OldFile>,
    /// Directories that were not there, the outermost first.
    pub directories: Vec<PathBuf>,
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Any part of it may be done. The next call undoes it.
    Begun,
    /// All of it is done.
    Applied,
    /// Any part of it may be undone. The next call undoes the rest.
    Reverting,
}

/// A setting before the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OldSetting {
    /// Its name, as sysctl(8) takes it.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// What the file had, with its line's end.
    pub before: String,
    /// What it has after the change.
    pub after: String,
}

/// A file before the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OldFile {
    /// The file.
    pub path: PathBuf,
    /// What it was; `None`: it was not there.
    pub before: Option<Base64File>,
    /// What it is after the change.
    pub after: Base64File,
}

/// A file, its contents in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64File(pub Kept);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    mode: u32,
    base64: String,
}

impl Serialize for Base64File {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Encoded { mode: self.0.mode, base64: STANDARD.encode(&self.0.bytes) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Base64File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Base64File, D::Error> {
        let Encoded { mode, base64 } = Encoded::deserialize(deserializer)?;
        let bytes = STANDARD.decode(base64).map_err(serde::de::Error::custom)?;
        Ok(Base64File(Kept { bytes, mode }))
    }
}

/// Why a journal cannot be used. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read or written.
    #[error("cannot {what} the journal {}: {why}", Journal::PATH)]
    Io {
        /// Which of the two.
        what: &'static str,
        /// What the system says.
        why: io::Error,
    },
    /// It is not what this program writes.
    #[error(
        "the journal {} cannot be understood ({why}); it has the values from before the last change: restore them by \
         hand, then remove it",
        Journal::PATH
    )]
    Unknown {
        /// What is wrong.
        why: String,
    },
}

impl Journal {
    /// Where it is.
    pub const PATH: &str = "/var/lib/c10m/tune/journal.json";

    /// The directory that it is in, which is locked meanwhile.
    pub const DIRECTORY: &str = "/var/lib/c10m/tune";

    /// The outermost directory that is there for it alone.
    pub const OUTER_DIRECTORY: &str = "/var/lib/c10m";

    /// Directories of its own, the outermost first.
    pub(super) const DIRECTORIES: [&str; 2] = [Journal::OUTER_DIRECTORY, Journal::DIRECTORY];

    const NEW: &str = "/var/lib/c10m/tune/journal.json.new";

    pub(super) fn new(
        what: &str,
        settings: Vec<OldSetting>,
        files: Vec<OldFile>,
        directories: Vec<PathBuf>,
    ) -> Journal {
        Journal { schema: SCHEMA, stage: Stage::Begun, what: what.to_owned(), settings, files, directories }
    }

    /// The journal of a change that was not taken back; `None`: there is none.
    ///
    /// # Errors
    /// If it cannot be read or understood.
    pub fn read(disk: &dyn Disk) -> Result<Option<Journal>, JournalError> {
        let file = disk.read(Path::new(Journal::PATH)).map_err(|why| JournalError::Io { what: "read", why })?;
        let Some(file) = file else { return Ok(None) };
        let unknown = |why: String| JournalError::Unknown { why };
        let journal: Journal = serde_json::from_slice(&file.bytes).map_err(|error| unknown(error.to_string()))?;
        match journal.schema {
            SCHEMA => Ok(Some(journal)),
            other => Err(unknown(format!("schema {other} instead of {SCHEMA}"))),
        }
    }

    /// Writes it in place of the one before, synced.
    pub(super) fn write(&self, disk: &dyn Disk) -> Result<(), JournalError> {
        let failed = |why| JournalError::Io { what: "write", why };
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        for directory in Journal::DIRECTORIES {
            disk.make_directory(Path::new(directory)).map_err(failed)?;
        }
        let new = Path::new(Journal::NEW);
        // Values of settings are no secret, but nobody else has to change them here.
        disk.write_file(new, &Kept { bytes, mode: 0o644 }).map_err(failed)?;
        disk.rename(new, Path::new(Journal::PATH)).map_err(failed)
    }

    /// Removes one that was not put in its place.
    pub(super) fn remove_new(disk: &dyn Disk) -> Result<(), JournalError> {
        disk.remove(Path::new(Journal::NEW)).map_err(|why| JournalError::Io { what: "remove", why })
    }

    /// Removes it and all traces of it.
    pub(super) fn remove(disk: &dyn Disk) -> Result<(), JournalError> {
        let failed = |why| JournalError::Io { what: "remove", why };
        // The journal last: without it nobody would look for the rest.
        Journal::remove_new(disk)?;
        disk.remove(Path::new(Journal::PATH)).map_err(failed)?;
        for directory in Journal::DIRECTORIES.into_iter().rev() {
            disk.remove_directory(Path::new(directory)).map_err(failed)?;
        }
        Ok(())
    }
}
