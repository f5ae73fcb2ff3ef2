//! The disk of this host, or a copy of one below a directory.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, FlockOperation, access, flock};
use rustix::io::Errno;

use super::disk::{Disk, Kept};

/// Largest file that is kept in a journal. Drop-ins have some KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The files below a directory that stands for `/`.
#[derive(Debug, Clone)]
pub struct Local {
    root: PathBuf,
}

/// Why nothing may be changed now.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else does.
    #[error("another `c10m tune` is changing settings; wait for its end")]
    Busy,
    /// The directory cannot be locked.
    #[error("cannot lock {}: {why}", path.display())]
    Failed {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
}

impl Local {
    /// The disk whose `/` is `root`.
    ///
    /// # Errors
    /// If `root` is no directory.
    pub fn new(root: &Path) -> io::Result<Local> {
        let root = root.canonicalize()?;
        if root.is_dir() { Ok(Local { root }) } else { Err(ErrorKind::NotADirectory.into()) }
    }

    /// The directory that stands for `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps others from changing settings for as long as the result lives. The directory is made if it is not there.
    ///
    /// # Errors
    /// If somebody else has the lock, or the directory cannot be made.
    pub fn lock(&self, directory: &Path) -> Result<File, LockError> {
        let failed = |why: io::Error| LockError::Failed { path: directory.to_owned(), why };
        let mut missing: Vec<&Path> = directory.ancestors().take_while(|each| !self.is_directory(each)).collect();
        missing.reverse();
        for each in missing {
            self.make_directory(each).map_err(failed)?;
        }
        let file = File::open(self.place(directory).map_err(failed)?).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(Errno::WOULDBLOCK) => Err(LockError::Busy),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// The path of a host's file. A link in the way must not lead out of the root: a copy of a host has links with
    /// absolute targets, which would lead to the files of the host that the copy is on.
    fn place(&self, path: &Path) -> io::Result<PathBuf> {
        let place = self.root.join(path.strip_prefix("/").unwrap_or(path));
        if place == self.root {
            return Ok(place);
        }
        let parent = place.parent().unwrap_or(&self.root);
        match parent.canonicalize() {
            Ok(real) if !real.starts_with(&self.root) => {
                Err(io::Error::other(format!("{} leads out of {}", path.display(), self.root.display())))
            }
            Ok(real) => Ok(place.file_name().map_or(real.clone(), |name| real.join(name))),
            // Not there: what is asked for is not there either.
            Err(_) => Ok(place),
        }
    }

    fn sync_parent(place: &Path) -> io::Result<()> {
        place.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }
}

impl Disk for Local {
    fn read(&self, path: &Path) -> io::Result<Option<Kept>> {
        let place = self.place(path)?;
        match fs::symlink_metadata(&place) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(error),
            Ok(data) if !data.is_file() => return Err(io::Error::other("it is no ordinary file")),
            Ok(_) => {}
        }
        let file = File::open(place)?;
        let mode = file.metadata()?.permissions().mode() & 0o7777;
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(ErrorKind::FileTooLarge.into());
        }
        Ok(Some(Kept { bytes, mode }))
    }

    fn is_directory(&self, path: &Path) -> bool {
        self.place(path).is_ok_and(|place| place.is_dir())
    }

    fn may_write(&self, path: &Path) -> io::Result<()> {
        Ok(access(self.place(path)?, Access::WRITE_OK)?)
    }

    fn write_setting(&self, path: &Path, value: &[u8]) -> io::Result<()> {
        // Of a setting in /proc the end is cut off without effect; of a copy's file the old value would show behind a
        // shorter new one. One write(2): the kernel takes each as a value of its own.
        let mut file = OpenOptions::new().write(true).truncate(true).open(self.place(path)?)?;
        let written = file.write(value)?;
        if written == value.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
    }

    fn write_file(&self, path: &Path, kept: &Kept) -> io::Result<()> {
        let place = self.place(path)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(kept.mode).open(&place)?;
        // What open(2) sets passes the umask.
        file.set_permissions(Permissions::from_mode(kept.mode))?;
        file.write_all(&kept.bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let to = self.place(to)?;
        fs::rename(self.place(from)?, &to)?;
        Local::sync_parent(&to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        match fs::remove_file(&place) {
            Ok(()) => Local::sync_parent(&place),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        match DirBuilder::new().mode(0o755).create(&place) {
            Ok(()) => Local::sync_parent(&place),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && place.is_dir() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        match fs::remove_dir(&place) {
            Ok(()) => Local::sync_parent(&place),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
