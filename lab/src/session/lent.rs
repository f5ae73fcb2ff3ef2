//! Settings of the whole host for the length of one run. Their old values are in the journal of `c10m tune` meanwhile, so that
//! the next `c10m tune apply` or `revert` restores them if this program is killed.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use tuning::change::{Draft, Journal, Local, Profile, Wanted, lend, recover, tidy};
use tuning::knowledge::How;

/// Restores the settings when it is dropped.
#[derive(Debug)]
pub(crate) struct Lent {
    disk: Local,
    /// Held until the settings are restored.
    _lock: File,
}

impl Lent {
    /// Sets these settings.
    ///
    /// # Errors
    /// When one of them cannot be set; then none is. Also while a change of `c10m tune apply` is in force.
    pub(crate) fn take(settings: &[(&str, &str)]) -> anyhow::Result<Lent> {
        Lent::take_on(Local::new(Path::new("/"))?, settings)
    }

    fn take_on(disk: Local, settings: &[(&str, &str)]) -> anyhow::Result<Lent> {
        let wanted = |(name, value): &(&str, &str)| Wanted {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            how: How::Exactly,
            because: String::new(),
        };
        let profile = Profile {
            name: "A setting that `c10m tune prove` tries".to_owned(),
            settings: settings.iter().map(wanted).collect(),
            open_files: None,
            by_hand: vec![],
        };
        let lock = disk.lock(Path::new(Journal::DIRECTORY))?;
        recover(&disk).context("cannot restore what an interrupted run has left")?;
        let lent = Lent { disk, _lock: lock };
        lend(&lent.disk, &Draft::without_files(&lent.disk, &profile))?;
        Ok(lent)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Err(error) = recover(&self.disk).and_then(|_| tidy(&self.disk)) {
            say!("c10m: WARNING: {error}; `c10m tune revert --write` tries again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_setting_is_restored_at_the_end_and_after_a_kill() {
        let root = std::env::temp_dir().join(format!("lent-{}", std::process::id()));
        let file = root.join("proc/sys/net/core/busy_read");
        fs::create_dir_all(file.parent().expect("a directory")).expect("writable");
        fs::create_dir_all(root.join("var/lib")).expect("writable");
        fs::write(&file, "0\n").expect("writable");
        let now = || fs::read_to_string(&file).expect("there");
        let take = || Lent::take_on(Local::new(&root).expect("there"), &[("net.core.busy_read", "50")]);
        let lent = take().expect("a setting");
        assert_eq!(now(), "50\n");
        assert!(take().is_err(), "one at a time");
        drop(lent);
        assert_eq!(now(), "0\n");
        assert!(!root.join("var/lib/c10m").exists(), "nothing stays");
        // Killed: nothing is dropped, and the lock goes with the process.
        let killed = std::mem::ManuallyDrop::new(take().expect("a setting"));
        let again = File::open(root.join("var/lib/c10m/tune")).expect("there");
        drop(again);
        drop(killed._lock.try_clone().map(|lock| lock.unlock()));
        assert_eq!(now(), "50\n");
        drop(take().expect("it restores first"));
        assert_eq!(now(), "0\n");
        fs::remove_dir_all(&root).expect("ours");
    }
}
