//! The real disk: a directory that stands for `/`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tuning::change::{Disk, Draft, Journal, Kept, Local, LockError, SYSCTL_FILE, apply, recover, revert, tidy};
use tuning::knowledge::How;

use crate::{one, profile, wanted};

/// A directory that goes away with the test.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Copy {
        let path = std::env::temp_dir().join(format!("tuning-change-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        for directory in ["proc/sys/net/core", "proc/sys/net/ipv4", "etc/sysctl.d", "var/lib"] {
            fs::create_dir_all(path.join(directory)).unwrap();
        }
        fs::write(path.join("proc/sys/net/core/somaxconn"), "4096\n").unwrap();
        fs::write(path.join("proc/sys/net/ipv4/tcp_rmem"), "4096\t131072\t6291456\n").unwrap();
        Copy(path)
    }

    fn disk(&self) -> Local {
        Local::new(&self.0).unwrap()
    }

    /// Every file with its mode and contents, and every directory.
    fn tree(&self) -> BTreeMap<PathBuf, (u32, Option<Vec<u8>>)> {
        let mut tree = BTreeMap::new();
        let mut todo = vec![self.0.clone()];
        while let Some(path) = todo.pop() {
            let data = fs::symlink_metadata(&path).unwrap();
            if data.is_dir() {
                todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
            let contents = data.is_file().then(|| fs::read(&path).unwrap());
            tree.insert(path, (data.permissions().mode(), contents));
        }
        tree
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn a_copy_of_a_host_is_changed_and_restored() {
    let copy = Copy::new("whole");
    let disk = copy.disk();
    let before = copy.tree();
    let settings = vec![
        wanted("net.core.somaxconn", "16384", How::AtLeast),
        wanted("net.ipv4.tcp_rmem", "4096 131072 33554432", How::Exactly),
    ];
    let profile = profile(settings, Some(1_000_000));
    let unit = tuning::change::unit_file("c10m-serve").unwrap();
    let draft = Draft::new(&disk, &profile, Some(&unit));
    assert_eq!(copy.tree(), before, "a draft writes nothing");
    apply(&disk, &draft).unwrap();
    let read = |path: &str| fs::read_to_string(copy.0.join(path)).unwrap();
    assert_eq!(read("proc/sys/net/core/somaxconn"), "16384\n");
    assert_eq!(read("proc/sys/net/ipv4/tcp_rmem"), "4096 131072 33554432\n");
    assert!(read("etc/sysctl.d/90-c10m.conf").contains("net.core.somaxconn = 16384\n"));
    let unit_text = read("etc/systemd/system/c10m-serve.service.d/90-c10m.conf");
    assert!(unit_text.ends_with("[Service]\nLimitNOFILE=1000000\n"), "{unit_text}");
    assert!(Draft::new(&disk, &profile, Some(&unit)).is_empty());
    revert(&disk, false).unwrap().expect("something to take back");
    assert_eq!(copy.tree(), before);
}

#[test]
fn links_do_not_lead_out_of_a_copy() {
    let copy = Copy::new("links");
    let outside = Copy::new("links-outside");
    let untouched = outside.tree();
    fs::remove_dir(copy.0.join("etc/sysctl.d")).unwrap();
    symlink(outside.0.join("etc/sysctl.d"), copy.0.join("etc/sysctl.d")).unwrap();
    let draft = Draft::new(&copy.disk(), &one("net.core.somaxconn", "8192", How::Exactly), None);
    assert!(draft.refusals.iter().any(|refusal| refusal.why.contains("leads out of")), "{:?}", draft.refusals);
    assert!(copy.disk().write_file(Path::new(SYSCTL_FILE), &Kept { bytes: Vec::new(), mode: 0o644 }).is_err());
    assert_eq!(outside.tree(), untouched);
}

#[test]
fn a_link_in_the_place_of_a_file_is_refused() {
    let copy = Copy::new("link");
    symlink("../sysctl.conf", copy.0.join("etc/sysctl.d/90-c10m.conf")).unwrap();
    let draft = Draft::new(&copy.disk(), &one("net.core.somaxconn", "8192", How::Exactly), None);
    assert_eq!(draft.refusals.len(), 1);
    assert!(draft.refusals[0].why.contains("ordinary"), "{:?}", draft.refusals);
}

#[test]
fn two_do_not_change_settings_at_once() {
    let copy = Copy::new("lock");
    let before = copy.tree();
    let directory = Path::new(Journal::DIRECTORY);
    let lock = copy.disk().lock(directory).unwrap();
    assert!(matches!(copy.disk().lock(directory), Err(LockError::Busy)));
    drop(lock);
    let _lock = copy.disk().lock(directory).expect("free again");
    // Nothing of it stays.
    recover(&copy.disk()).unwrap();
    // The lock is on this directory: who recovers leaves it in its place.
    assert!(matches!(copy.disk().lock(directory), Err(LockError::Busy)));
    tidy(&copy.disk()).unwrap();
    assert_eq!(copy.tree(), before);
}
