//! A server of the distribution: finds it, sets it up in its own directory, starts it on its CPUs, and waits until it
//! listens.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Resource, getrlimit};

use super::started::{Started, TemporaryDirectory};
use crate::session::host::{Command, Host};
use crate::session::orphans;
use crate::session::process::{Process, said};

/// How long a server may take to start.
pub(super) const START_MAX: Duration = Duration::from_secs(10);
/// How long it may take to end. Its connections are already closed by then.
const END_MAX: Duration = Duration::from_secs(10);
/// The most descriptors that a server is configured for, even if this process may have more. Some servers reserve
/// memory for every descriptor they might use.
const DESCRIPTORS_MAX: u64 = 100_000;
/// Where Debian puts servers. Not every user's PATH contains it.
const SYSTEM_DIRECTORY: &str = "/usr/sbin";

/// What is known about one such server.
pub(super) struct Program {
    /// The file to execute. Messages use this name, too.
    pub(super) executable: &'static str,
    /// The Debian package.
    pub(super) package: &'static str,
    /// The argument that makes it print its version, on stdout or stderr.
    pub(super) version_argument: &'static str,
    /// Finds the version in that output.
    pub(super) version: fn(&str) -> Option<&str>,
    /// Its arguments. It must stay in the foreground.
    pub(super) arguments: fn(&Site<'_>) -> Vec<String>,
    /// The text of the file [`Site::configuration`].
    pub(super) configuration: fn(&Site<'_>) -> String,
    /// How many children do the work on that many CPUs. 0 if the main process does it.
    pub(super) children: fn(usize) -> usize,
    /// For reports: how it is set up, and what it does beyond this project's server.
    pub(super) about: &'static str,
}

/// Where and with what a program runs.
pub(super) struct Site<'a> {
    pub(super) host: &'a dyn Host,
    pub(super) address: SocketAddr,
    pub(super) cpus: Vec<usize>,
    pub(super) directory: PathBuf,
    /// Number of files that it may open.
    pub(super) descriptors: u64,
}

impl Site<'_> {
    /// The configuration file of the program.
    pub(super) fn configuration(&self) -> String {
        self.file("configuration")
    }

    /// A file with the same body as this project's server sends, for servers of files.
    pub(super) fn body(&self) -> String {
        self.file("index.txt")
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).to_string_lossy().into_owned()
    }
}

impl Program {
    /// Its version. Otherwise what to install.
    pub(super) fn availability(&self, host: &dyn Host) -> Result<String, String> {
        let missing = || format!("not installed (Debian: apt-get install {})", self.package);
        let path = find(self.executable).ok_or_else(missing)?;
        let text = said(host, path, self.version_argument, self.executable).map_err(|error| format!("{error:#}"))?;
        let version = (self.version)(&text)
            .ok_or_else(|| format!("`{} {}` names no version", self.executable, self.version_argument))?;
        Ok(version.to_owned())
    }

    /// Version, set-up and differences from this project's server in one sentence.
    pub(super) fn described(&self, host: &dyn Host) -> String {
        let version = self.availability(host).unwrap_or_else(|reason| format!("{}, {reason}", self.executable));
        format!("{version}: the distribution's build, {}", self.about)
    }

    /// Starts it on `cpus` and waits until it accepts connections.
    pub(super) fn start(&self, host: &dyn Host, cpus: &[usize]) -> anyhow::Result<Started> {
        let executable = find(self.executable).with_context(|| format!("{} is not installed", self.executable))?;
        // No such server can choose a port and tell which. Find a free one and release it just before the start.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr())?;
        let name = orphans::directory_name(&format!("{}-{}", self.executable, address.port()))?;
        // An absolute path, because the directory becomes the program's working directory.
        let directory = TemporaryDirectory(std::path::absolute(std::env::temp_dir().join(name))?);
        let descriptors = getrlimit(Resource::Nofile).maximum.unwrap_or(DESCRIPTORS_MAX).min(DESCRIPTORS_MAX);
        let site = Site { host, address, cpus: cpus.to_vec(), directory: directory.0.clone(), descriptors };
        write_files(&directory.0, &site, (self.configuration)(&site))
            .with_context(|| format!("cannot set up {} in {}", self.executable, directory.0.display()))?;
        let command = Command {
            cpus: cpus.into(),
            // The program leads its own process group, because lighttpd with several workers ends by signalling its
            // whole group. It works in the directory, whose name tells `orphans` to whom its workers belong.
            directory: Some(directory.0.clone()),
            ..Command::other(executable, &(self.arguments)(&site), self.executable)
        };
        let mut process = Process::start(host, &command)?;
        let children = (self.children)(cpus.len());
        let start = Instant::now();
        while TcpStream::connect(address).is_err() || host::process::children(process.pid()).len() < children {
            if !process.is_running() {
                bail!("{} did not start: {}", self.executable, process.complaint());
            }
            if start.elapsed() > START_MAX {
                bail!("{} did not listen on {address} within {START_MAX:?}", self.executable);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let workers = if children > 0 { host::process::children(process.pid()) } else { vec![process.pid()] };
        Ok(Started { process, address, workers, directory: Some(directory) })
    }

    /// Ends it in order. Ignores the exit status, because haproxy dies of the signal.
    pub(super) fn end(&self, started: Started) -> anyhow::Result<()> {
        let Started { mut process, directory: _directory, .. } = started;
        process.terminate();
        let start = Instant::now();
        while process.is_running() {
            if start.elapsed() > END_MAX {
                bail!("{} did not end within {END_MAX:?} of SIGTERM", self.executable);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

fn write_files(directory: &Path, site: &Site<'_>, configuration: String) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::write(site.body(), "Hello, World!")?;
    fs::write(site.configuration(), configuration)
}

/// Finds the file of a program.
pub(super) fn find(executable: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain([PathBuf::from(SYSTEM_DIRECTORY)]);
    directories.map(|directory| directory.join(executable)).find(|path| path.is_file())
}
