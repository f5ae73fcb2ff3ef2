//! A directory for the files of one test.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A directory of its own for each test, removed when dropped.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("c10m-{name}-{}", std::process::id()));
        // What a killed test has left behind.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("new");
        Scratch(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).into_os_string().into_string().expect("UTF-8")
    }

    /// The directory of a comparison with this record, which is one that was published, changed, and the other files of
    /// that run.
    pub(crate) fn comparison(&self, name: &str, record: &impl Serialize) -> String {
        let directory = self.run(name, record);
        for file in [results::run::RUNS, results::run::LATENCIES] {
            fs::copy(published("quick").join(file), Path::new(&directory).join(file)).expect("a published run");
        }
        directory
    }

    /// The directory of a run with this record.
    pub(crate) fn run(&self, name: &str, record: &impl Serialize) -> String {
        let directory = self.path(name);
        fs::create_dir_all(&directory).expect("new");
        fs::write(format!("{directory}/record.json"), serde_json::to_string(record).expect("JSON")).expect("writable");
        directory
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It is below the directory for temporary files; what cannot be removed is the system's to clear.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The newest checked-in run of an experiment.
pub(crate) fn published(experiment: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/runs");
    let runs = fs::read_dir(root).expect("runs").map(|entry| entry.expect("readable").path());
    // The label follows the commit: `…-quick`, and not `…-c10m-quick`.
    let is_own = |run: &PathBuf| {
        let name = run.to_string_lossy();
        let commit = name.strip_suffix(&format!("-{experiment}")).and_then(|rest| rest.rsplit('-').next());
        commit.is_some_and(|commit| commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    runs.filter(is_own).max().unwrap_or_else(|| panic!("no run of {experiment}"))
}
