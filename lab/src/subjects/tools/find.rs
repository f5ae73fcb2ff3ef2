//! Which load generators are installed, where, and in which version.

use std::path::{Path, PathBuf};

use crate::session::host::{Command, Host};
use crate::session::process::{Process, said};
use crate::subjects::tools::tool::Tool;

/// An installed program.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) version: String,
}

/// Looks where `scripts/generators.sh` puts what Debian lacks, then in the directories of PATH.
pub(crate) fn path_of(program: &str) -> Option<PathBuf> {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path);
    directories.chain([PathBuf::from(built)]).map(|directory| directory.join(program)).find(|path| path.is_file())
}

fn package_version(host: &dyn Host, package: &str) -> Option<String> {
    let arguments = ["--show", "--showformat", "${Version}", package].map(str::to_owned);
    let process = Process::start(host, &Command::other("dpkg-query", &arguments, "dpkg-query")).ok()?;
    let (version, _) = process.finish().ok()?;
    (!version.is_empty()).then(|| format!("{package} {version} (package)"))
}

/// The first line that is not empty, up to a bracket or the name of a copyright holder.
fn first_line(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let end = [" [", " <", " Copyright"].iter().filter_map(|mark| line.find(mark)).min().unwrap_or(line.len());
    Some(line[..end].trim_start_matches("This is ").to_owned())
}

impl Tool {
    /// Its path and version. `None` when it is not installed.
    pub(crate) fn find(self, host: &dyn Host) -> Option<Found> {
        if self.is_own() {
            let path = std::env::current_exe().ok()?;
            return Some(Found { path, version: format!("c10m {}", env!("CARGO_PKG_VERSION")) });
        }
        let path = path_of(self.program())?;
        Some(Found { version: self.version(host, &path), path })
    }

    fn version(self, host: &dyn Host, path: &Path) -> String {
        let argument = match self {
            Tool::Wrk => "-v",
            Tool::Ab => "-V",
            // hey has no option that prints its version: ask the package.
            Tool::Hey | Tool::HeyPaced => {
                return package_version(host, "hey").unwrap_or_else(|| "hey, version unknown".into());
            }
            _ => "--version",
        };
        let text = said(host, path, argument, self.program()).unwrap_or_default();
        first_line(&text).unwrap_or_else(|| format!("{}, version unknown", self.program()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_one_line() {
        for (text, expected) in [
            ("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 Will Glozer\nUsage", "wrk debian/4.1.0-3+b2"),
            ("This is ApacheBench, Version 2.3 <$Revision$>\n", "ApacheBench, Version 2.3"),
            ("\nsockperf, version 3.7-no.git\n   compiled 2021", "sockperf, version 3.7-no.git"),
            ("oha 1.16.0\n", "oha 1.16.0"),
        ] {
            assert_eq!(first_line(text).as_deref(), Some(expected));
        }
        assert_eq!(first_line("\n \n"), None);
    }
}
