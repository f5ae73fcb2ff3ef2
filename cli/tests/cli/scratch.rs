//! A directory for the files of one test.

use std::fs;
use std::path::PathBuf;

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
