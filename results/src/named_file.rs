//! Reads files that a user names: only regular ones of limited length. A device, a pipe or a file of another kind
//! gives an error with its reason. Reading never waits and never fills the memory.

use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// The largest record that is read. The largest published one has 13 MiB.
pub const RECORD_BYTES_MAX: u64 = 64 << 20;
/// The largest other file of a run that is read, and the largest table in one.
pub const SERIES_BYTES_MAX: u64 = 256 << 20;

/// The text of a file of at most `bytes_max`.
///
/// # Errors
/// Those of [`bytes`], and [`ErrorKind::InvalidData`] if it is not text.
pub fn text(path: &Path, bytes_max: u64) -> io::Result<String> {
    String::from_utf8(bytes(path, bytes_max)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is no text in UTF-8"))
}

/// The content of a file of at most `bytes_max`.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if it is not a regular file, [`ErrorKind::FileTooLarge`] beyond the limit, and any error
/// of reading.
pub fn bytes(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    // Checked before opening, because opening a device may have an effect.
    check_kind(fs::metadata(path)?.file_type())?;
    // Checked again on the opened file, because the name may refer to another file by now. Without O_NONBLOCK, opening
    // a pipe would wait for its writer, and reading some files of /proc would wait, too (/proc/kmsg).
    let file: File = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?.into();
    check_kind(file.metadata()?.file_type())?;
    if rustix::fs::fstatfs(&file)?.f_type == rustix::fs::PROC_SUPER_MAGIC {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is a file of /proc, which the kernel makes up"));
    }
    let mut bytes = Vec::new();
    // One byte more, to detect a longer file.
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let message = format!("it has more than the {} MiB that are read", bytes_max >> 20);
        return Err(io::Error::new(ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

fn check_kind(kind: FileType) -> io::Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {}, not a file", word(kind))))
}

fn word(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_regular_files_are_read() {
        let path = std::env::temp_dir().join(format!("results-named-file-{}", std::process::id()));
        fs::write(&path, "12345678").unwrap();
        assert_eq!(text(&path, 8).unwrap(), "12345678");
        assert_eq!(text(&path, 7).unwrap_err().kind(), ErrorKind::FileTooLarge);
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(text(&path, 8).unwrap_err().kind(), ErrorKind::InvalidData);
        fs::remove_file(&path).unwrap();
        for (path, expected) in [("/dev/zero", "a device"), ("/", "a directory"), ("/proc/self/stat", "/proc")] {
            let error = text(Path::new(path), 8).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(expected), "{path}: {error}");
        }
        assert_eq!(text(Path::new("/nonexistent"), 8).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
