//! The operations that a change consists of. Each is a step at which a program can be killed, a disk can be full or a
//! kernel can refuse; tests put a disk in between that does so.

use std::io;
use std::path::Path;

/// A file as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its contents.
    pub bytes: Vec<u8>,
    /// Its permission bits, as in chmod(2).
    pub mode: u32,
}

/// Where settings and files are. Paths are those of the host, such as `/etc/sysctl.d/90-c10m.conf`, whatever directory
/// stands for `/`.
pub trait Disk {
    /// A file's contents; `None`: there is none.
    ///
    /// # Errors
    /// Those of open(2) and read(2) but for a missing file.
    fn read(&self, path: &Path) -> io::Result<Option<Kept>>;

    /// Whether there is such a directory.
    fn is_directory(&self, path: &Path) -> bool;

    /// Whether this process may write a file, without opening it.
    ///
    /// # Errors
    /// Those of access(2).
    fn may_write(&self, path: &Path) -> io::Result<()>;

    /// Writes a setting: the file exists, and what is written counts from that moment on.
    ///
    /// # Errors
    /// Those of open(2) and write(2); EINVAL is the kernel's word for a value that it does not take.
    fn write_setting(&self, path: &Path, value: &[u8]) -> io::Result<()>;

    /// Makes a file or empties the one that is there, writes it and syncs it.
    ///
    /// # Errors
    /// Those of open(2), write(2) and fsync(2).
    fn write_file(&self, path: &Path, file: &Kept) -> io::Result<()>;

    /// Puts a file in another's place in one step, and syncs the directory.
    ///
    /// # Errors
    /// Those of rename(2) and fsync(2).
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file, and syncs the directory. That there is none is no error.
    ///
    /// # Errors
    /// Those of unlink(2) and fsync(2).
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory, and syncs the one that it is in. That it is there is no error.
    ///
    /// # Errors
    /// Those of mkdir(2) and fsync(2).
    fn make_directory(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory if it is empty. That it is not, or not there, is no error.
    ///
    /// # Errors
    /// Those of rmdir(2).
    fn remove_directory(&self, path: &Path) -> io::Result<()>;
}
