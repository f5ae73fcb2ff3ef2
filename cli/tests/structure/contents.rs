//! A `mod.rs` below `src` is a table of contents: it declares and re-exports. A module that does more is a file with
//! its own name.

use std::fs;

use crate::code::{project, sources};

#[test]
fn mod_rs_is_a_table_of_contents() {
    let mut seen = 0;
    for path in sources() {
        let file = path.strip_prefix(project()).expect("in the project").display().to_string();
        // Support of tests has no better name.
        if !file.ends_with("/mod.rs") || file.contains("tests/") {
            continue;
        }
        seen += 1;
        let found = beside_contents(&fs::read_to_string(&path).expect("UTF-8"));
        assert_eq!(
            found, 0,
            "{file} holds {found} items that are neither modules nor re-exports: name the file for them"
        );
    }
    assert!(seen > 10, "only {seen} found");
}

#[test]
fn deeds_in_a_table_of_contents_are_found() {
    assert_eq!(beside_contents("//! A.\nmod a;\npub use a::B;\n#[cfg(test)]\nmod tests;"), 0);
    assert_eq!(beside_contents("mod a;\nfn f() {}\nstruct A;\nimpl A {}\nconst B: u8 = 1;"), 4);
    assert_eq!(beside_contents("mod a { fn f() {} }"), 1);
}

/// Items that are neither `mod name;` nor `use`.
fn beside_contents(text: &str) -> usize {
    let is_contents = |item: &&syn::Item| match item {
        syn::Item::Mod(module) => module.content.is_none(),
        syn::Item::Use(_) => true,
        _ => false,
    };
    syn::parse_file(text).expect("Rust").items.iter().filter(|item| !is_contents(item)).count()
}
