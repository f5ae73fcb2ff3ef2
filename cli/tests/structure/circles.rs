//! Modules of a crate that need each other in a circle cannot be read, tested or moved one by one.
//!
//! A name counts for the file that defines it: re-exports are followed, so that none hides a circle. That a module
//! declares its children is no need. Methods do not count: a type whose `impl` is spread over files, as that of a
//! connection or of a ring, is one thing in several files, and they are read together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};

use crate::code::{Code, Module, ModulePath, project};

/// Re-exports of re-exports are followed so far.
const DEPTH_MAX: usize = 16;

#[test]
fn no_modules_need_each_other() {
    let (mut crates, mut found) = (0, Vec::new());
    for entry in fs::read_dir(project()).expect("readable") {
        let source = entry.expect("readable").path().join("src");
        for root in ["lib.rs", "main.rs"].map(|name| source.join(name)).into_iter().filter(|root| root.is_file()) {
            crates += 1;
            let code = Code::of(&root);
            found.extend(circles(&code).into_iter().map(|circle| circle.join(", ")));
        }
    }
    assert!(crates > 8, "the crates were not found");
    assert!(found.is_empty(), "modules that need each other: {found:#?}");
}

#[test]
fn circles_are_found_through_re_exports_parents_and_aliases() {
    let apart = ("b", "//! b\npub struct B;");
    for (what, texts, expected) in [
        ("apart", vec![("", "//! root\nmod a; mod b;"), ("a", "//! a\nuse crate::b::B; fn f(_: B) {}"), apart], 0),
        (
            "two",
            vec![
                ("", "//! root\nmod a; mod b;"),
                ("a", "//! a\npub struct A(crate::b::B);"),
                ("b", "//! b\nuse super::a::A; pub struct B(Box<A>);"),
            ],
            2,
        ),
        (
            "a re-export hides it",
            vec![
                ("", "//! root\nmod a; mod b; pub use b::B;"),
                ("a", "//! a\nuse crate::B; pub struct A(B);"),
                ("b", "//! b\nuse crate::a::A; pub struct B(Box<A>);"),
            ],
            2,
        ),
        (
            "so does a glob",
            vec![
                ("", "//! root\nmod a; mod b; pub use b::*;"),
                ("a", "//! a\npub struct A(crate::B);"),
                ("b", "//! b\nuse crate::a; pub struct B(Box<a::A>);"),
            ],
            2,
        ),
        (
            "parent and child",
            vec![
                ("", "//! root\nmod a; pub struct R; fn f() { a::g(); }"),
                ("a", "//! a\nuse super::R; pub fn g() { let _ = R; }"),
            ],
            2,
        ),
        (
            "the child is only declared",
            vec![("", "//! root\nmod a; pub struct R;"), ("a", "//! a\nuse super::R; pub fn g() { let _ = R; }")],
            0,
        ),
        (
            "tests do not count",
            vec![
                ("", "//! root\nmod a; mod b;"),
                ("a", "//! a\nuse crate::b::B; pub struct A(B);"),
                ("b", "//! b\npub struct B; #[cfg(test)] mod tests { use crate::a::A; }"),
            ],
            0,
        ),
        (
            "three",
            vec![
                ("", "//! root\nmod a; mod b; mod c;"),
                ("a", "//! a\npub fn a() { crate::b::b() }"),
                ("b", "//! b\npub fn b() { crate::c::c() }"),
                ("c", "//! c\npub fn c() { crate::a::a() }"),
            ],
            3,
        ),
    ] {
        let code = Code::of_texts(&texts);
        let found = circles(&code);
        assert_eq!(found.iter().map(Vec::len).sum::<usize>(), expected, "{what}: {found:?}");
    }
}

#[test]
fn circles_are_found_where_a_name_is_passed_on_and_used_and_in_macros() {
    for (what, texts) in [
        (
            "passed on and used",
            [
                ("", "//! root\nmod a; pub use a::A; pub struct R; fn f(_: A) {}"),
                ("a", "//! a\nuse super::R; pub struct A(R);"),
            ],
        ),
        (
            "in a macro",
            [
                ("a", "//! a\npub fn a() { assert!(crate::b::is_so(), \"{}\", 1); }"),
                ("b", "//! b\npub fn is_so() -> bool { crate::a::a(); true }"),
            ],
        ),
    ] {
        let code = Code::of_texts(&texts);
        assert_eq!(circles(&code).len(), 1, "{what}");
    }
    let only_passed_on =
        [("", "//! root\nmod a; pub use a::A; pub struct R;"), ("a", "//! a\nuse super::R; pub struct A(R);")];
    assert!(circles(&Code::of_texts(&only_passed_on)).is_empty());
}

/// The circles of a crate, each as the files of its modules.
fn circles(code: &Code) -> Vec<Vec<&str>> {
    let mut graph: DiGraphMap<&str, ()> = DiGraphMap::new();
    for (path, module) in &code.modules {
        let mut needs = Needs { code, here: path, imported: imported(module), found: BTreeSet::new() };
        module.items.iter().for_each(|item| needs.visit_item(item));
        for needed in needs.found.iter().filter(|needed| *needed != path) {
            graph.add_edge(&module.file, &code.modules[needed].file, ());
        }
    }
    tarjan_scc(&graph).into_iter().filter(|component| component.len() > 1).collect()
}

/// Collects the modules whose names a module uses.
struct Needs<'a> {
    code: &'a Code,
    here: &'a ModulePath,
    /// What a name stands for that a `use` of the module brings in.
    imported: BTreeMap<String, Vec<String>>,
    found: BTreeSet<ModulePath>,
}

impl Needs<'_> {
    fn need(&mut self, written: &[String]) {
        if let Some(absolute) = absolute(self.code, self.here, &self.imported, written)
            && let Some(module) = owner(self.code, &absolute, 0)
        {
            self.found.insert(module);
        }
    }
}

impl<'ast> Visit<'ast> for Needs<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        // Passing a name on is no need of it.
        if matches!(item.vis, syn::Visibility::Inherited) {
            for (_, path) in leaves(&item.tree) {
                self.need(&path);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let written: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        match (&written[..], self.imported.get(&written[0]).cloned()) {
            // A module that passes a name on may use it, too.
            ([_], Some(meant)) => self.need(&meant),
            ([_], None) => {}
            _ => self.need(&written),
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        // Of macros whose arguments are expressions, as in assert! and vec!; of others the tokens say nothing.
        let arguments = called.parse_body_with(Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated);
        for argument in arguments.iter().flatten() {
            // Parsed just now, so it does not live as long as the tree does.
            Needs::visit_expr(self, argument);
        }
        visit::visit_macro(self, called);
    }
}

/// A path from the root of the crate; `None` when it leads out of it, or is a name of the module itself.
fn absolute(
    code: &Code,
    here: &ModulePath,
    imported: &BTreeMap<String, Vec<String>>,
    written: &[String],
) -> Option<Vec<String>> {
    let (first, rest) = written.split_first()?;
    let mut base = match first.as_str() {
        "crate" => return Some(rest.to_vec()),
        "self" => here.clone(),
        "super" => {
            let ups = written.iter().take_while(|name| *name == "super").count();
            let kept = here.len().checked_sub(ups)?;
            return Some([&here[..kept], &written[ups..]].concat());
        }
        name => {
            let child = [&here[..], &[name.to_owned()]].concat();
            if code.modules.contains_key(&child) {
                child
            } else {
                let meant = imported.get(name).filter(|meant| *meant != written && meant[0] != *name)?;
                absolute(code, here, &BTreeMap::new(), meant)?
            }
        }
    };
    base.extend_from_slice(rest);
    Some(base)
}

/// The module whose file defines what a path from the root names; `None` for a module itself.
fn owner(code: &Code, path: &[String], depth: usize) -> Option<ModulePath> {
    let depth_of_module = (0..=path.len()).rev().find(|length| code.modules.contains_key(&path[..*length]))?;
    let (module, rest) = path.split_at(depth_of_module);
    let name = rest.first()?;
    let module = module.to_vec();
    let declared = &code.modules[&module];
    if depth < DEPTH_MAX {
        for item in &declared.items {
            let syn::Item::Use(item) = item else { continue };
            for (alias, written) in leaves(&item.tree) {
                let Some(target) = absolute(code, &module, &BTreeMap::new(), &written) else { continue };
                if alias == *name && target != path {
                    return owner(code, &[&target[..], &rest[1..]].concat(), depth + 1).or(Some(module));
                }
                if alias == "*" {
                    let parent = &target[..target.len() - 1];
                    if code.modules.get(parent).is_some_and(|glob| defines(glob, name)) {
                        return Some(parent.to_vec());
                    }
                }
            }
        }
    }
    Some(module)
}

fn defines(module: &Module, name: &str) -> bool {
    module.items.iter().any(|item| match item {
        syn::Item::Const(item) => item.ident == name,
        syn::Item::Enum(item) => item.ident == name,
        syn::Item::Fn(item) => item.sig.ident == name,
        syn::Item::Static(item) => item.ident == name,
        syn::Item::Struct(item) => item.ident == name,
        syn::Item::Trait(item) => item.ident == name,
        syn::Item::Type(item) => item.ident == name,
        _ => false,
    })
}

fn imported(module: &Module) -> BTreeMap<String, Vec<String>> {
    let uses = module.items.iter().filter_map(|item| match item {
        syn::Item::Use(item) => Some(leaves(&item.tree)),
        _ => None,
    });
    uses.flatten().collect()
}

/// Each name that a `use` brings in, with its path; `*` for all of them.
fn leaves(tree: &syn::UseTree) -> Vec<(String, Vec<String>)> {
    fn walk(tree: &syn::UseTree, path: &[String], found: &mut Vec<(String, Vec<String>)>) {
        let with = |name: &syn::Ident| [path, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(tree) => walk(&tree.tree, &with(&tree.ident), found),
            syn::UseTree::Name(tree) if tree.ident == "self" => {
                found.push((path.last().cloned().unwrap_or_default(), path.to_vec()));
            }
            syn::UseTree::Name(tree) => found.push((tree.ident.to_string(), with(&tree.ident))),
            syn::UseTree::Rename(tree) => found.push((tree.rename.to_string(), with(&tree.ident))),
            syn::UseTree::Glob(_) => found.push(("*".to_owned(), [path, &["*".to_owned()]].concat())),
            syn::UseTree::Group(tree) => tree.items.iter().for_each(|tree| walk(tree, path, found)),
        }
    }
    let mut found = Vec::new();
    walk(tree, &[], &mut found);
    found
}
