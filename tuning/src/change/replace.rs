//! Puts a file in another's place in one step.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::journal::Base64File;

/// Puts a file in another's place. Whoever reads it finds the old one or the new one, whole.
pub(super) fn replace(disk: &dyn Disk, path: &Path, file: &Base64File) -> io::Result<()> {
    let new = new_name(path);
    disk.write_file(&new, &file.0)?;
    disk.rename(&new, path)
}

/// The name of a file that is not in its place yet. It does not end in .conf, so nobody reads it.
pub(super) fn new_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}
