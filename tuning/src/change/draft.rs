//! A change before it is made: what is, what would be, and what is refused. Reads only.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::disk::{Disk, Kept};
use super::files::{SYSCTL_FILE, about, sysctl_text, unit_text};
use super::profile::{Profile, Wanted};

/// A change that was not made yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What is to be applied, in words.
    pub what: String,
    /// Every setting that is wanted, in the order in which they are written.
    pub settings: Vec<SettingChange>,
    /// Every file that is wanted.
    pub files: Vec<FileChange>,
    /// Directories that have to be made, the outermost first.
    pub directories: Vec<PathBuf>,
    /// Why it cannot be made; empty: it can.
    pub refusals: Vec<Refusal>,
}

/// A setting as it is and as it would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// What the file has, with its line's end.
    pub before: String,
    /// The value that is wanted.
    pub wanted: String,
    /// The value afterwards: the one that is wanted, or the host's own where that is enough.
    pub after: String,
    /// Why; empty: nobody says.
    pub because: String,
    /// What happens to it.
    pub standing: Standing,
}

/// What a change does to a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It has the value.
    Same,
    /// It has more than is wanted at least, or less than is wanted at most.
    Enough,
    /// It gets the value.
    Changes,
}

/// A file as it is and as it would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The file.
    pub path: PathBuf,
    /// What it is; `None`: it is not there.
    pub before: Option<Kept>,
    /// What it would be.
    pub after: Kept,
}

/// Why something cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The setting's name or the file's path.
    pub name: String,
    /// What is in the way.
    pub why: String,
    /// Whether there is no such setting here.
    pub is_absent: bool,
}

impl Draft {
    /// The same without any file: for as long as nothing boots.
    pub fn without_files(disk: &dyn Disk, profile: &Profile) -> Draft {
        Draft { files: Vec::new(), directories: Vec::new(), ..Draft::new(disk, profile, None) }
    }

    /// What applying `profile` comes to, with LimitNOFILE= in the drop-in `unit_file` if there is one.
    pub fn new(disk: &dyn Disk, profile: &Profile, unit_file: Option<&Path>) -> Draft {
        let mut draft = Draft {
            what: profile.name.clone(),
            settings: Vec::new(),
            files: Vec::new(),
            directories: Vec::new(),
            refusals: Vec::new(),
        };
        for wanted in &profile.settings {
            match setting(disk, wanted) {
                Ok(change) => draft.settings.push(change),
                Err(refusal) => draft.refusals.push(refusal),
            }
        }
        if !profile.settings.is_empty() {
            let values = profile.settings.iter().zip(draft.settings.iter().map(|change| change.after.as_str()));
            let text = sysctl_text(&about(&profile.name), values);
            draft.file(disk, Path::new(SYSCTL_FILE), text);
        }
        if let (Some(path), Some(open_files)) = (unit_file, profile.open_files) {
            draft.file(disk, path, unit_text(&about(&profile.name), path, open_files));
        }
        draft
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.settings.iter().all(|each| each.standing != Standing::Changes) && self.changing_files().next().is_none()
    }

    /// The files that would change.
    pub fn changing_files(&self) -> impl Iterator<Item = &FileChange> {
        self.files.iter().filter(|file| file.before.as_ref() != Some(&file.after))
    }

    fn file(&mut self, disk: &dyn Disk, path: &Path, text: String) {
        let before = match disk.read(path) {
            Ok(before) => before,
            Err(error) => {
                let name = path.display().to_string();
                return self.refusals.push(Refusal { name, why: error.to_string(), is_absent: false });
            }
        };
        let mut missing: Vec<PathBuf> = path
            .ancestors()
            .skip(1)
            .take_while(|each| !disk.is_directory(each))
            .filter(|each| !self.directories.iter().any(|known| known == each))
            .map(Path::to_owned)
            .collect();
        missing.reverse();
        self.directories.extend(missing);
        // A file that is there keeps who may read it.
        let mode = before.as_ref().map_or(0o644, |kept| kept.mode);
        self.files.push(FileChange { path: path.to_owned(), before, after: Kept { bytes: text.into(), mode } });
    }
}

/// A setting as it is and as it would be, or why it cannot be changed.
fn setting(disk: &dyn Disk, wanted: &Wanted) -> Result<SettingChange, Refusal> {
    let refuse = |why: String, is_absent| Refusal { name: wanted.name.clone(), why, is_absent };
    let path = host::sysctl::path(Path::new("/"), &wanted.name)
        .ok_or_else(|| refuse("it is no name of a setting".to_owned(), true))?;
    let kept = disk.read(&path).map_err(|error| refuse(error.to_string(), false))?;
    let kept = kept.ok_or_else(|| refuse("there is no such setting here".to_owned(), true))?;
    let before = String::from_utf8(kept.bytes).map_err(|_| refuse("its value is no text".to_owned(), false))?;
    let now = words(&before);
    let after = wanted.how.value(&now, &wanted.value);
    let standing = match (after == now, now == wanted.value) {
        (true, true) => Standing::Same,
        (true, false) => Standing::Enough,
        (false, _) => Standing::Changes,
    };
    if standing == Standing::Changes {
        disk.may_write(&path).map_err(|error| refuse(format!("it cannot be written from here: {error}"), false))?;
    }
    let (name, because) = (wanted.name.clone(), wanted.because.clone());
    Ok(SettingChange { name, path, before, wanted: wanted.value.clone(), after, because, standing })
}

/// A value as it is compared: the kernel puts tabs between numbers.
pub(super) fn words(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}
