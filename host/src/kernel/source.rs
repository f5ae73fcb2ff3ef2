//! A file of /proc that stays open and is read repeatedly. Knows nothing about its contents.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Initial length of a read buffer. Every file read here fits, except /proc/stat of a large machine.
const BUFFER_LEN: usize = 64 * 1024;
/// A longer file counts as unreadable. At about 100 bytes per CPU in /proc/stat, no host has one.
const BUFFER_LEN_MAX: usize = 8 * 1024 * 1024;

/// The buffer that all files of a sampler share.
#[derive(Debug)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    pub(crate) fn new() -> Buffer {
        Buffer(vec![0; BUFFER_LEN])
    }
}

/// A file of /proc, or the fact that it could not be opened.
#[derive(Debug)]
pub(crate) struct Source(Option<File>);

impl Source {
    pub(crate) fn open(path: impl AsRef<Path>) -> Source {
        Source(File::open(path).ok())
    }

    /// Opens a file, or says why it cannot.
    pub(crate) fn try_open(path: impl AsRef<Path>) -> io::Result<Source> {
        Ok(Source(Some(File::open(path)?)))
    }

    /// The current contents of the whole file. `None` when there is no such file, or its process has ended.
    pub(crate) fn read<'b>(&self, buffer: &'b mut Buffer) -> Option<Cow<'b, str>> {
        let length = read_whole(self.0.as_ref()?, &mut buffer.0).ok()?;
        // The name of a process need not be UTF-8; nothing here uses it.
        Some(String::from_utf8_lossy(&buffer.0[..length]))
    }
}

/// Reads to the end from offset 0, where the kernel generates the contents again.
fn read_whole(file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut length = 0;
    loop {
        if length == buffer.len() {
            if length >= BUFFER_LEN_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            buffer.resize(length * 2, 0);
        }
        match file.read_at(&mut buffer[length..], length as u64) {
            Ok(0) => return Ok(length),
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_anew_each_time() {
        let (source, mut buffer) = (Source::open("/proc/self/stat"), Buffer::new());
        let first = source.read(&mut buffer).unwrap().into_owned();
        let second = source.read(&mut buffer).unwrap().into_owned();
        let start = format!("{} (", std::process::id());
        assert!(
            first.starts_with(&start) && second.starts_with(&start) && second.ends_with('\n'),
            "{first:?} {second:?}"
        );
    }

    #[test]
    fn what_is_not_there_is_absent() {
        assert_eq!(Source::open("/proc/self/no-such-file").read(&mut Buffer::new()), None);
        assert_eq!(Source::open("/proc/self").read(&mut Buffer::new()), None, "a folder");
        assert!(Source::try_open("/proc/self/no-such-file").is_err());
    }

    #[test]
    fn a_file_longer_than_the_buffer_is_read_whole() {
        let mut buffer = Buffer(vec![0; 16]);
        let text = Source::open("/proc/self/status").read(&mut buffer).unwrap().into_owned();
        assert!(text.starts_with("Name:") && text.contains("nonvoluntary_ctxt_switches:"), "{text}");
    }
}
