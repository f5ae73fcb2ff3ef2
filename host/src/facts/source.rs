//! Reads small files below a root, and remembers those it could not understand. It knows where files are, not what
//! they are for.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;

use crate::text::{numbers, word};

/// How much of a file to quote when its contents cannot be understood.
const EXCERPT_LEN_MAX: usize = 40;

/// A file that exists but does not contain what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FactError {
    /// The file, as an absolute path below the root.
    pub path: String,
    /// The beginning of its contents.
    pub found: String,
    /// What was expected instead.
    pub expected: &'static str,
}

/// A root directory, and the files that could not be understood so far.
pub(super) struct Source<'a> {
    root: &'a Path,
    errors: Vec<FactError>,
}

impl<'a> Source<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        Source { root, errors: Vec::new() }
    }

    pub(super) fn into_errors(self) -> Vec<FactError> {
        self.errors
    }

    /// The trimmed contents of a file. `None` when it does not exist or may not be read.
    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        match fs::read_to_string(self.root.join(path)) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.misunderstood(path, "(not UTF-8)", "text");
                None
            }
            // Absent, forbidden, or a driver that refuses to answer (EINVAL). For the audit, all of these mean that
            // the host does not tell.
            Err(_) => None,
        }
    }

    /// The first whole lines of a long file, as many as fit in `bytes_max`. The kernel generates such files piece by
    /// piece as they are read, so the rest costs nothing.
    pub(super) fn first_lines(&self, path: &str, bytes_max: u64) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.root.join(path)).ok()?.take(bytes_max).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 == bytes_max {
            let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            bytes.truncate(end);
        }
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Opens a file that is not text.
    pub(super) fn open(&self, path: &str) -> Option<File> {
        File::open(self.root.join(path)).ok()
    }

    /// Whether a file or directory of this name exists.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// The last part of a symbolic link's target. This is how `/sys` names the driver of a device.
    pub(super) fn link_name(&self, path: &str) -> Option<String> {
        fs::read_link(self.root.join(path)).ok()?.file_name()?.to_str().map(str::to_owned)
    }

    /// One word, from a file that contains a name.
    pub(super) fn word(&mut self, path: &str) -> Option<String> {
        self.parsed(path, "one word", word)
    }

    /// The word in brackets, from a file that lists its choices, such as `always [madvise] never`.
    pub(super) fn chosen(&mut self, path: &str) -> Option<String> {
        self.parsed(path, "a list with one word in brackets", |text| {
            let (_, rest) = text.split_once('[')?;
            word(rest.split_once(']')?.0)
        })
    }

    /// `0` or `1`.
    pub(super) fn switch(&mut self, path: &str) -> Option<bool> {
        self.parsed(path, "0 or 1", |text| match text {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        })
    }

    /// Contents that `parse` understands.
    pub(super) fn parsed<T>(
        &mut self,
        path: &str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(path)?;
        let value = parse(&text);
        if value.is_none() {
            self.misunderstood(path, &text, expected);
        }
        value
    }

    /// One number that is not negative.
    pub(super) fn number(&mut self, path: &str) -> Option<u64> {
        self.parsed(path, "one number", |text| text.parse().ok())
    }

    /// The setting of a `sysctl` name, as one number.
    pub(super) fn sysctl(&mut self, name: &str) -> Option<u64> {
        self.number(&sysctl_path(name))
    }

    /// The setting of a `sysctl` name, as three numbers.
    pub(super) fn sysctl_three(&mut self, name: &str) -> Option<[u64; 3]> {
        self.parsed(&sysctl_path(name), "three numbers", numbers)
    }

    /// The setting of a `sysctl` name, as one word.
    pub(super) fn sysctl_word(&mut self, name: &str) -> Option<String> {
        self.word(&sysctl_path(name))
    }

    /// The names of the files in a directory, sorted. Empty if the directory does not exist.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.join(path)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Remembers that `path` does not contain what was expected. Only once for each file, whoever reads it.
    pub(super) fn misunderstood(&mut self, path: &str, found: &str, expected: &'static str) {
        if self.errors.iter().any(|error| error.path.strip_prefix('/') == Some(path)) {
            return;
        }
        let line = found.lines().next().unwrap_or("(empty)");
        let mut excerpt: String = line.chars().take(EXCERPT_LEN_MAX).collect();
        if excerpt.len() < line.len() {
            excerpt.push('…');
        }
        self.errors.push(FactError { path: format!("/{path}"), found: excerpt, expected });
    }
}

/// The file below `/proc/sys` for the setting of this name.
pub(super) fn sysctl_path(name: &str) -> String {
    format!("proc/sys/{}", name.replace('.', "/"))
}
