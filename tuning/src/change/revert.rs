//! Takes a change back: one that is complete, or what is left of one that was interrupted.

use std::fmt;
use std::io;
use std::path::Path;

use super::disk::Disk;
use super::draft::words;
use super::journal::{Journal, JournalError, OldFile, OldSetting, Stage};
use super::replace::{new_name, replace};

/// Why a change was not taken back, or not all of it. The journal is kept, and the next call tries again.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    /// Others have changed something since; nothing was tried.
    #[error(
        "changed since by somebody else: {}; `c10m tune revert --write --force` restores the values from before all the same",
        list(.0)
    )]
    Foreign(Vec<Foreign>),
    /// The journal cannot be read, written or removed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Some values or files cannot be restored.
    #[error("cannot restore {}", list(.0))]
    Failed(Vec<Unrestored>),
}

/// Something that is neither as it was before the change nor as the change left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The setting's name or the file's path.
    pub name: String,
    /// What it is now; a file's contents are not shown.
    pub found: Option<String>,
}

/// Something that could not be restored.
#[derive(Debug)]
pub struct Unrestored {
    /// The setting's name or the file's path.
    pub name: String,
    /// What happened.
    pub why: String,
}

impl fmt::Display for Foreign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => write!(formatter, "{} is {found}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

impl fmt::Display for Unrestored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.name, self.why)
    }
}

fn list<T: fmt::Display>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// Undoes a change that was interrupted. The caller holds the lock, which is on the journal's directory, so that stays; see
/// [`tidy`]. Returns what was undone.
///
/// # Errors
/// If something cannot be restored.
pub fn recover(disk: &dyn Disk) -> Result<Option<Journal>, RevertError> {
    match Journal::read(disk)? {
        Some(journal) if journal.stage == Stage::Applied => Ok(Journal::remove_new(disk).map(|()| None)?),
        Some(journal) => undo(disk, &journal).map(|()| Some(journal)),
        None => Ok(None),
    }
}

/// Removes what there is of the journal's directories where nothing is applied: the last thing that whoever holds the lock
/// does.
///
/// # Errors
/// If they cannot be removed.
pub fn tidy(disk: &dyn Disk) -> Result<(), RevertError> {
    match Journal::read(disk)? {
        Some(_) => Ok(()),
        None => Ok(Journal::remove(disk)?),
    }
}

/// Takes the last change back. The caller has recovered what was interrupted, and holds the lock. Returns what was
/// taken back; `None`: there is nothing.
///
/// # Errors
/// If others have changed something since, unless `force`; or if something cannot be restored.
pub fn revert(disk: &dyn Disk, force: bool) -> Result<Option<Journal>, RevertError> {
    let Some(mut journal) = Journal::read(disk)? else { return Ok(None) };
    let foreign = foreign(disk, &journal);
    if !foreign.is_empty() && !force {
        return Err(RevertError::Foreign(foreign));
    }
    journal.stage = Stage::Reverting;
    journal.write(disk)?;
    undo(disk, &journal)?;
    Ok(Some(journal))
}

/// What is neither as it was before nor as the change left it.
pub(super) fn foreign(disk: &dyn Disk, journal: &Journal) -> Vec<Foreign> {
    let mut foreign = Vec::new();
    for OldSetting { name, path, before, after } in &journal.settings {
        let found = disk.read(path).ok().flatten().map(|kept| words(&String::from_utf8_lossy(&kept.bytes)));
        if found.as_ref().is_none_or(|found| *found != words(before) && *found != words(after)) {
            foreign.push(Foreign { name: name.clone(), found });
        }
    }
    for OldFile { path, before, after } in &journal.files {
        let is_known = match disk.read(path) {
            Ok(found) => found.as_ref() == before.as_ref().map(|file| &file.0) || found.as_ref() == Some(&after.0),
            Err(_) => false,
        };
        if !is_known {
            foreign.push(Foreign { name: path.display().to_string(), found: None });
        }
    }
    foreign
}

/// Restores everything that a journal has, in reverse order, then removes the journal. Restoring what is restored
/// changes nothing, so it can be interrupted and begun anew.
pub(super) fn undo(disk: &dyn Disk, journal: &Journal) -> Result<(), RevertError> {
    let mut failed = Vec::new();
    let mut note = |name: &dyn fmt::Display, why: String| failed.push(Unrestored { name: name.to_string(), why });
    for OldFile { path, before, .. } in journal.files.iter().rev() {
        let restored = disk.remove(&new_name(path)).and_then(|()| match before {
            Some(file) if disk.read(path)?.as_ref() == Some(&file.0) => Ok(()),
            Some(file) => replace(disk, path, file),
            None => disk.remove(path),
        });
        if let Err(error) = restored {
            note(&path.display(), error.to_string());
        }
    }
    for directory in journal.directories.iter().rev() {
        if let Err(error) = disk.remove_directory(directory) {
            note(&directory.display(), error.to_string());
        }
    }
    for OldSetting { name, path, before, .. } in journal.settings.iter().rev() {
        match restore(disk, path, before) {
            Ok(found) if found == words(before) => {}
            Ok(found) => note(name, format!("the kernel made {found} of {}", words(before))),
            Err(error) => note(name, error.to_string()),
        }
    }
    match failed.is_empty() {
        true => Ok(Journal::remove(disk)?),
        false => Err(RevertError::Failed(failed)),
    }
}

/// Restores a setting, and returns what it is then.
fn restore(disk: &dyn Disk, path: &Path, before: &str) -> io::Result<String> {
    let read = || disk.read(path)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
    if read()?.bytes != before.as_bytes() {
        disk.write_setting(path, before.as_bytes())?;
    }
    Ok(words(&String::from_utf8_lossy(&read()?.bytes)))
}
