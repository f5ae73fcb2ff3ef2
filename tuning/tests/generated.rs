//! The files that are made from the rules are those that lie here. `C10M_WRITE=1 cargo test -p tuning --test generated` writes
//! them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tuning::knowledge::Knowledge;
use tuning::profiles;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files of a directory by name.
fn there(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let named = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    let read = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).expect("text"))
    };
    named.map(read).filter(|(name, _)| name != "README.md").collect()
}

#[test]
fn profiles_are_those_of_the_rules() {
    let directory = directory("profiles");
    let made: BTreeMap<String, String> =
        profiles::files(Knowledge::embedded()).into_iter().map(|file| (file.name, file.text)).collect();
    assert!(made.len() >= 12, "{:?}", made.keys());
    if std::env::var_os("C10M_WRITE").is_some() {
        fs::create_dir_all(&directory).expect("writable");
        there(&directory).keys().for_each(|name| fs::remove_file(directory.join(name)).expect("writable"));
        made.iter().for_each(|(name, text)| fs::write(directory.join(name), text).expect("writable"));
    }
    assert_eq!(there(&directory), made, "C10M_WRITE=1 writes them anew");
}

#[test]
fn the_role_has_the_profiles_of_the_rules() {
    let file = directory("ansible/roles/c10m_tuning/vars/profiles.json");
    let made = profiles::json(Knowledge::embedded());
    if std::env::var_os("C10M_WRITE").is_some() {
        fs::create_dir_all(file.parent().expect("a directory")).expect("writable");
        fs::write(&file, &made).expect("writable");
    }
    assert_eq!(fs::read_to_string(&file).unwrap_or_default(), made, "C10M_WRITE=1 writes them anew");
}
