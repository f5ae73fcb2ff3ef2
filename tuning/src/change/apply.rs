//! Makes a change: all of it, or nothing.

use std::io;
use std::path::PathBuf;

use super::disk::Disk;
use super::draft::{Draft, Refusal, Standing, words};
use super::journal::{Base64File, Journal, JournalError, OldFile, OldSetting, Stage};
use super::replace::replace;
use super::revert::{RevertError, undo};

/// Why a change was not made. Except for [`ApplyError::Stuck`] everything is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Something cannot be changed; nothing was tried.
    #[error("refused before anything was written: {}", list(.0))]
    Refused(Vec<Refusal>),
    /// Another change was not taken back; nothing was tried.
    #[error("{0} is applied already: take it back first, with `c10m tune revert --write`")]
    Applied(String),
    /// The journal cannot be written, so nothing was tried; or it cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A step failed, and what was done before it is undone.
    #[error("{what}; everything is as it was")]
    Undone {
        /// The step.
        what: Failure,
    },
    /// A step failed, and so did the undoing of those before it. The journal is kept.
    #[error("{what}; and it cannot be undone now: {undoing}. `c10m tune revert --write` tries again")]
    Stuck {
        /// The step.
        what: Failure,
        /// Why it cannot be undone.
        undoing: RevertError,
    },
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The kernel refused a value.
    #[error("{name} cannot be set to {value}: {why}")]
    Setting {
        /// The setting.
        name: String,
        /// The value.
        value: String,
        /// What the system says.
        why: io::Error,
    },
    /// The kernel took a value and made another of it.
    #[error("{name} was set to {value}, and the kernel made {found} of it")]
    Clamped {
        /// The setting.
        name: String,
        /// The value.
        value: String,
        /// What it is now.
        found: String,
    },
    /// A file cannot be written.
    #[error("{} cannot be written: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The journal cannot tell that the change is complete.
    #[error(transparent)]
    Journal(JournalError),
}

fn list(refusals: &[Refusal]) -> String {
    refusals.iter().map(|each| format!("{}: {}", each.name, each.why)).collect::<Vec<_>>().join("; ")
}

/// Makes the change that `draft` describes. The caller has recovered what was interrupted, and holds the lock.
///
/// # Errors
/// If it is refused or a step fails; then everything is as it was.
pub fn apply(disk: &dyn Disk, draft: &Draft) -> Result<(), ApplyError> {
    make(disk, draft, Stage::Applied)
}

/// The same for a while: whoever looks at the journal takes the change for one that was interrupted, and
/// [`super::recover`] undoes it.
///
/// # Errors
/// Likewise.
pub fn lend(disk: &dyn Disk, draft: &Draft) -> Result<(), ApplyError> {
    make(disk, draft, Stage::Begun)
}

fn make(disk: &dyn Disk, draft: &Draft, ends_as: Stage) -> Result<(), ApplyError> {
    if !draft.refusals.is_empty() {
        return Err(ApplyError::Refused(draft.refusals.clone()));
    }
    if let Some(journal) = Journal::read(disk)? {
        return Err(ApplyError::Applied(journal.what));
    }
    if draft.is_empty() {
        return Ok(());
    }
    let mut journal = plan(draft);
    if let Err(error) = journal.write(disk) {
        // What the failed attempt left, if anything; its failure would not tell more.
        let _ = Journal::remove(disk);
        return Err(error.into());
    }
    let done = write(disk, &journal).and_then(|()| {
        if ends_as == journal.stage {
            return Ok(());
        }
        journal.stage = ends_as;
        journal.write(disk).map_err(Failure::Journal)
    });
    done.map_err(|what| match undo(disk, &journal) {
        Ok(()) => ApplyError::Undone { what },
        Err(undoing) => ApplyError::Stuck { what, undoing },
    })
}

/// The journal of a change: what it writes, and what is there now.
fn plan(draft: &Draft) -> Journal {
    let settings = draft.settings.iter().filter(|each| each.standing == Standing::Changes).map(|each| OldSetting {
        name: each.name.clone(),
        path: each.path.clone(),
        before: each.before.clone(),
        after: format!("{}\n", each.after),
    });
    let files = draft.changing_files().map(|file| OldFile {
        path: file.path.clone(),
        before: file.before.clone().map(Base64File),
        after: Base64File(file.after.clone()),
    });
    Journal::new(&draft.what, settings.collect(), files.collect(), draft.directories.clone())
}

fn write(disk: &dyn Disk, journal: &Journal) -> Result<(), Failure> {
    for OldSetting { name, path, after, .. } in &journal.settings {
        let failed = |why| Failure::Setting { name: name.clone(), value: words(after), why };
        disk.write_setting(path, after.as_bytes()).map_err(failed)?;
        // The kernel clamps some values, and tells nobody.
        let found = disk.read(path).map_err(failed)?.map(|kept| words(&String::from_utf8_lossy(&kept.bytes)));
        let found = found.unwrap_or_else(|| "nothing".to_owned());
        if found != words(after) {
            return Err(Failure::Clamped { name: name.clone(), value: words(after), found });
        }
    }
    for directory in &journal.directories {
        disk.make_directory(directory).map_err(|why| Failure::File { path: directory.clone(), why })?;
    }
    for OldFile { path, after, .. } in &journal.files {
        replace(disk, path, after).map_err(|why| Failure::File { path: path.clone(), why })?;
    }
    Ok(())
}
