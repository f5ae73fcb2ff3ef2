//! What tests of whole experiments need: a temporary directory for results, a request, and a stage.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::session::host::Host;
use crate::session::places::Places;
use crate::session::request::Request;
use crate::session::stage::Stage;

/// A directory for results. Dropping it removes the directory.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    /// `name` says to people whose it is.
    pub(crate) fn new(name: &str) -> Place {
        Place(unused(name))
    }

    /// A request that sets nothing but the seed.
    pub(crate) fn request(&self, wait_max: Option<Duration>) -> Request {
        Request {
            experiment: "trial".to_owned(),
            profile: None,
            out: self.0.clone(),
            arms: vec![],
            loads: vec![],
            apart: false,
            repeats: None,
            budget: None,
            seconds: None,
            seed: Some(7),
            wait_max,
            noisy: false,
            without_fault: false,
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

/// A path below the directory for temporary files where nothing is, and that no other test of this process gets.
pub(crate) fn unused(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("c10m-{}-{count}-{name}", std::process::id()));
    clear(&path);
    path
}

/// Removes what is left of a test process that was killed and had the same pid.
fn clear(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path) {
        assert_eq!(error.kind(), ErrorKind::NotFound, "cannot remove {}: {error}", path.display());
    }
}

/// A stage with server and load generator on separate CPUs.
pub(crate) fn stage<'a>(host: &'a dyn Host, stop: &Arc<AtomicBool>) -> Stage<'a> {
    Stage { host, places: Places { server: 0, client: 1, all: vec![0, 1] }, stop: stop.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_test_left_behind_is_in_nobody_s_way() {
        let [one, other] = [Place::new("twice"), Place::new("twice")];
        assert_ne!(one.0, other.0);
        fs::create_dir_all(one.0.join(".trial-full.unfinished")).expect("a leftover");
        clear(&one.0);
        assert!(!one.0.exists());
    }
}
