//! Files below a root: follows links as if the root were `/`, reads text, and says what keeps it from reading. Nothing
//! outside the root is opened, and only regular files are, so neither a pipe nor a device can stop it.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::mistake::MistakeKind;

/// A configuration is smaller; the largest unit files have some hundred lines.
const BYTES_MAX: u64 = 1 << 20;
/// As many links as Linux itself follows (path_resolution(7)).
const LINKS_MAX: usize = 40;
/// Enough for a whole distribution's units; a directory with more is something else.
const ENTRIES_MAX: usize = 10_000;
/// A link to it replaces files of its name.
pub(crate) const NOTHING: &str = "/dev/null";

/// The files below a root.
pub(crate) struct Tree<'a> {
    root: &'a Path,
}

/// Why something cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) path: String,
    pub(crate) kind: MistakeKind,
    pub(crate) says: String,
}

/// A file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// Some bytes were no UTF-8, and are now replacement characters.
    pub(crate) is_lossy: bool,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(root: &'a Path) -> Tree<'a> {
        Tree { root }
    }

    /// The root, for the readers of /proc/sys.
    pub(crate) fn root(&self) -> &'a Path {
        self.root
    }

    /// The path that `path` leads to, both as seen from the root. `Ok(None)`: there is nothing at `path` itself.
    pub(crate) fn resolve(&self, path: &str) -> Result<Option<String>, Trouble> {
        let trouble = |kind, says: &str| Trouble { path: path.to_owned(), kind, says: says.to_owned() };
        let mut rest: Vec<String> = parts(path).rev().map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        let mut last_link = false;
        while let Some(part) = rest.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            done.push(part);
            let here = absolute(&done);
            match fs::symlink_metadata(self.below(&here)) {
                Ok(data) if data.is_symlink() => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(trouble(MistakeKind::LinkLoop, "The links lead in a circle."));
                    }
                    last_link = last_link || rest.is_empty();
                    let target = fs::read_link(self.below(&here)).unwrap_or_default();
                    let target = target.to_string_lossy().into_owned();
                    done.pop();
                    if target.starts_with('/') {
                        done.clear();
                    }
                    rest.extend(parts(&target).rev().map(str::to_owned));
                }
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    // A root without devices has no /dev.
                    done.extend(rest.iter().rev().cloned());
                    if absolute(&done) == NOTHING {
                        return Ok(Some(NOTHING.to_owned()));
                    }
                    if last_link {
                        return Err(trouble(
                            MistakeKind::DanglingLink,
                            "The link leads to a file that does not exist.",
                        ));
                    }
                    return Ok(None);
                }
                Err(error) => return Err(trouble(MistakeKind::Unreadable, &sentence(&error))),
            }
        }
        Ok(Some(absolute(&done)))
    }

    /// The text of a file, without the bytes that are no UTF-8. `Ok(None)`: there is no such file.
    pub(crate) fn text(&self, path: &str) -> Result<Option<Text>, Trouble> {
        let trouble = |kind, says: String| Trouble { path: path.to_owned(), kind, says };
        let Some(real) = self.resolve(path)? else { return Ok(None) };
        if real == NOTHING {
            return Ok(Some(Text { text: String::new(), is_lossy: false }));
        }
        let unreadable = |error: std::io::Error| trouble(MistakeKind::Unreadable, sentence(&error));
        let data = fs::metadata(self.below(&real)).map_err(unreadable)?;
        if !data.is_file() {
            let what = if data.is_dir() { "a directory" } else { "a device, a pipe or a socket" };
            return Err(trouble(MistakeKind::NotAFile, format!("This is {what}, where a file is expected.")));
        }
        let file = fs::File::open(self.below(&real)).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(trouble(MistakeKind::TooLarge, "The file has more than 1 MiB, so it was not read.".to_owned()));
        }
        let text = String::from_utf8_lossy(&bytes);
        let is_lossy = matches!(text, std::borrow::Cow::Owned(_));
        Ok(Some(Text { text: text.into_owned(), is_lossy }))
    }

    /// The names in a directory, sorted by their bytes. Empty if there is none.
    pub(crate) fn names(&self, directory: &str) -> Result<Vec<String>, Trouble> {
        let trouble = |kind, says| Trouble { path: directory.to_owned(), kind, says };
        let Some(real) = self.resolve(directory)? else { return Ok(Vec::new()) };
        let entries = match fs::read_dir(self.below(&real)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                let says = "This is a file, where a directory is expected.".to_owned();
                return Err(trouble(MistakeKind::NotAFile, says));
            }
            Err(error) => return Err(trouble(MistakeKind::Unreadable, sentence(&error))),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| trouble(MistakeKind::Unreadable, sentence(&error)))?;
            if names.len() == ENTRIES_MAX {
                let says = format!("The directory has more than {ENTRIES_MAX} entries, so it was not read.");
                return Err(trouble(MistakeKind::TooLarge, says));
            }
            names.push(entry.file_name());
        }
        names.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
        Ok(names.iter().map(|name: &std::ffi::OsString| shown(name)).collect())
    }

    /// Whether `path` leads to a directory.
    pub(crate) fn is_directory(&self, path: &str) -> bool {
        matches!(self.resolve(path), Ok(Some(real)) if self.below(&real).is_dir())
    }

    fn below(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !matches!(*part, "" | "."))
}

fn absolute(parts: &[String]) -> String {
    format!("/{}", parts.join("/"))
}

fn shown(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

fn sentence(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => "This user may not read it.".to_owned(),
        _ => format!("The system says: {error}."),
    }
}
