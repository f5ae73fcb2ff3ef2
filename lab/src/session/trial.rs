//! What tests of whole experiments need: a temporary directory for results, a request, and a stage.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::session::host::Host;
use crate::session::places::Places;
use crate::session::request::Request;
use crate::session::stage::Stage;

/// A directory for results. Dropping it removes the directory.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    /// `name` distinguishes the tests of this process.
    pub(crate) fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("c10m-{}-{name}", std::process::id()));
        assert!(!path.exists(), "{path:?} was left behind");
        Place(path)
    }

    /// A request that sets nothing but the seed.
    pub(crate) fn request(&self, wait_max: Option<Duration>) -> Request {
        Request {
            experiment: "trial".to_owned(),
            profile: None,
            out: self.0.clone(),
            arms: vec![],
            loads: vec![],
            repeats: None,
            budget: None,
            seconds: None,
            seed: Some(7),
            wait_max,
            noisy: false,
            fresh: false,
            json: false,
        }
    }

    /// What the experiment left: its run, or its journal.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A test of a refusal has created none.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A stage with server and load generator on separate CPUs.
pub(crate) fn stage<'a>(host: &'a dyn Host, stop: &Arc<AtomicBool>) -> Stage<'a> {
    Stage { host, places: Places { server: 0, client: 1, all: vec![0, 1] }, stop: stop.clone() }
}
