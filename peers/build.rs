//! Hands the versions in Cargo.lock to the programs, so that each can say what it was built with.

use std::fs;

/// The libraries that are compared.
const LIBRARIES: [&str; 9] =
    ["actix-web", "compio", "glommio", "hyper", "may_minihttp", "monoio", "ntex", "ringline", "tokio"];

fn main() {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock").expect("Cargo.lock is checked in");
    for library in LIBRARIES {
        let entry = format!("name = \"{library}\"\nversion = \"");
        let version = lock.split_once(&entry).and_then(|(_, rest)| rest.split_once('"')).map(|(version, _)| version);
        let version = version.unwrap_or_else(|| panic!("Cargo.lock has no {library}"));
        let variable = library.replace('-', "_").to_uppercase();
        println!("cargo::rustc-env={variable}_VERSION={version}");
    }
}
