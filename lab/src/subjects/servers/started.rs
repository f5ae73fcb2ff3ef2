//! A server that was started, as a process: its address, and the processes that do the work.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::session::orphans;
use crate::session::process::Process;

/// Signals that follow one another more quickly are one.
const SIGNALS_APART: Duration = Duration::from_millis(2);
/// More would not help.
const SIGNALS_MAX: u32 = 100;

/// The result of a start.
pub(super) struct Started {
    pub(super) process: Process,
    pub(super) address: SocketAddr,
    /// The processes that do the work.
    pub(super) workers: Vec<u32>,
    /// Removed when the server is dropped, however it ends.
    pub(super) directory: Option<TemporaryDirectory>,
}

/// A directory. Dropping this removes it.
pub(crate) struct TemporaryDirectory(pub(crate) PathBuf);

impl TemporaryDirectory {
    /// An empty one, whose name says that it is of this `bench`, and what it is for.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn new(what: &str) -> anyhow::Result<TemporaryDirectory> {
        // An absolute path, because it may become a program's working directory.
        let path = std::path::absolute(std::env::temp_dir().join(orphans::directory_name(what)?))?;
        fs::create_dir_all(&path)?;
        Ok(TemporaryDirectory(path))
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // If this fails, a few small files stay in the temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Started {
    /// A server whose main process does the work and announces its address in its first line.
    pub(super) fn announced(mut process: Process) -> anyhow::Result<Started> {
        let address = process.read_address()?.parse()?;
        let workers = vec![process.pid()];
        Ok(Started { process, address, workers, directory: None })
    }

    /// Ends a server of this project that has no connections left, and does not wait for handshakes that may be under
    /// way: the first signal begins a drain, which gives them two tenths of a second, the next one ends it.
    pub(super) fn end_at_once(mut self) -> anyhow::Result<(String, i32)> {
        for _ in 0..SIGNALS_MAX {
            self.process.terminate();
            if !self.process.is_running() {
                break;
            }
            thread::sleep(SIGNALS_APART);
        }
        self.process.finish()
    }

    /// Ends it in order. Returns its output and its exit code.
    pub(super) fn end(mut self) -> anyhow::Result<(String, i32)> {
        self.process.terminate();
        self.process.finish()
    }
}
