//! Reads small files below a root and remembers those it could not understand. It knows the
//! shapes of `/proc` and `/sys` files, not what they are for.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;

/// How much of a file is quoted when its contents make no sense.
const EXCERPT_LEN_MAX: usize = 40;

/// A file that exists but holds something else than expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FactError {
    /// The file, as an absolute path below the root.
    pub path: String,
    /// The beginning of what it holds.
    pub found: String,
    /// What was expected instead.
    pub expected: &'static str,
}

/// A root directory and the misunderstandings so far.
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

    /// The trimmed contents of a file; `None` when it is absent or not ours to read.
    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        match fs::read_to_string(self.root.join(path)) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.misunderstood(path, "(not UTF-8)", "text");
                None
            }
            // Absent, forbidden, or a driver that refuses to answer (EINVAL): for the audit all of
            // these mean that the host does not say.
            Err(_) => None,
        }
    }

    /// The first whole lines of a file that may be long, as far as they fit `bytes_max`. The kernel
    /// writes such files piece by piece as they are read, so what is not read costs nothing.
    pub(super) fn first_lines(&self, path: &str, bytes_max: u64) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.root.join(path)).ok()?.take(bytes_max).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 == bytes_max {
            let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            bytes.truncate(end);
        }
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file open for reading, for what is not text.
    pub(super) fn open(&self, path: &str) -> Option<File> {
        File::open(self.root.join(path)).ok()
    }

    /// Whether there is a file or directory of this name.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// The last part of what a symbolic link points to: how `/sys` names the driver of a device.
    pub(super) fn link_name(&self, path: &str) -> Option<String> {
        fs::read_link(self.root.join(path)).ok()?.file_name()?.to_str().map(str::to_owned)
    }

    /// One word; for files that hold a name.
    pub(super) fn word(&mut self, path: &str) -> Option<String> {
        self.parsed(path, "one word", word)
    }

    /// The word in brackets of a file that lists its choices, as in `always [madvise] never`.
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

    /// One non-negative number.
    pub(super) fn number(&mut self, path: &str) -> Option<u64> {
        self.parsed(path, "one number", |text| text.parse().ok())
    }

    /// The setting a `sysctl` name stands for, as one number.
    pub(super) fn sysctl(&mut self, name: &str) -> Option<u64> {
        self.number(&sysctl_path(name))
    }

    /// The setting a `sysctl` name stands for, as three numbers.
    pub(super) fn sysctl_three(&mut self, name: &str) -> Option<[u64; 3]> {
        self.parsed(&sysctl_path(name), "three numbers", numbers)
    }

    /// The setting a `sysctl` name stands for, as one word.
    pub(super) fn sysctl_word(&mut self, name: &str) -> Option<String> {
        self.word(&sysctl_path(name))
    }

    /// The names of the files in a directory, sorted; empty when there is none.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.join(path)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Remembers that `path` holds something else than expected; once for each file, whoever reads it.
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

/// Where `/proc/sys` keeps the setting of this name.
pub(super) fn sysctl_path(name: &str) -> String {
    format!("proc/sys/{}", name.replace('.', "/"))
}

/// Exactly `N` numbers between white space.
pub(super) fn numbers<const N: usize>(text: &str) -> Option<[u64; N]> {
    let values: Option<Vec<u64>> = text.split_whitespace().map(|part| part.parse().ok()).collect();
    values?.try_into().ok()
}

/// A single printable word.
pub(super) fn word(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// The ranges of a kernel list such as `0-3,8`; an empty text is an empty list.
pub(super) fn ranges(text: &str) -> Option<Vec<(u64, u64)>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            // Processors and ports: 32 bits are plenty, and sums of them cannot overflow.
            let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some((first.into(), last.into()))
        })
        .collect()
}

/// How many numbers a kernel list such as `0-3,8` names.
pub(super) fn listed_count(text: &str) -> Option<u64> {
    let count = ranges(text)?.iter().map(|(first, last)| last - first + 1).sum();
    (count > 0).then_some(count)
}

/// A size such as `48K`, in bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let (digits, factor) = match text.strip_suffix('K') {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// The line `key:   123 kB` of /proc/meminfo and its like, in bytes.
pub(super) fn kibibytes(text: &str, key: &str) -> Option<u64> {
    field(text, key)?.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// What stands behind `key:` at the beginning of a line.
pub(super) fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_lists() {
        for (text, expected) in [
            ("", Some(vec![])),
            ("0", Some(vec![(0, 0)])),
            ("0-3,8", Some(vec![(0, 3), (8, 8)])),
            ("3-1", None),
            ("a-b", None),
            ("1,,2", None),
            ("0-18446744073709551615", None),
        ] {
            assert_eq!(ranges(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_wrong_count_of_numbers_is_refused() {
        assert_eq!(numbers::<3>("1\t2 3"), Some([1, 2, 3]));
        assert_eq!(numbers::<3>("1 2"), None);
        assert_eq!(numbers::<2>("1 -2"), None);
    }

    #[test]
    fn sizes_and_fields() {
        for (text, expected) in
            [("48K", Some(49_152)), ("2M", Some(2 << 20)), ("64", Some(64)), ("K", None), ("", None)]
        {
            assert_eq!(size(text), expected, "{text:?}");
        }
        let text = "MemTotal:       24684084 kB\nMemAvailable:   100 kB\nMemFree: x kB";
        assert_eq!(kibibytes(text, "MemTotal"), Some(24_684_084 * 1024));
        assert_eq!(kibibytes(text, "MemAvailable"), Some(102_400));
        assert_eq!(kibibytes(text, "MemFree"), None);
        assert_eq!(kibibytes(text, "Mem"), None);
        assert_eq!(field(text, "MemFree"), Some("x kB"));
        assert_eq!((listed_count("0-3,8"), listed_count("")), (Some(5), None));
    }
}
