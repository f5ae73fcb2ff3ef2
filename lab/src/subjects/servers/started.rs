//! A server that was started, as a process: its address, and the processes that do the work.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::session::process::Process;

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
pub(super) struct TemporaryDirectory(pub(super) PathBuf);

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

    /// Ends it in order. Returns its output and its exit code.
    pub(super) fn end(mut self) -> anyhow::Result<(String, i32)> {
        self.process.terminate();
        self.process.finish()
    }
}
