//! The sources of a crate as modules: which file each module is in, and its items without those only tests use.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A module's place in its crate, such as `["report", "table"]`; empty for the root.
pub(crate) type ModulePath = Vec<String>;

/// What a crate is made of.
#[derive(Default)]
pub(crate) struct Code {
    /// Each module that is a file, with its items.
    pub(crate) modules: BTreeMap<ModulePath, Module>,
}

/// A module that is a file of its own.
pub(crate) struct Module {
    /// The file, from the root of the project.
    pub(crate) file: String,
    /// What it declares, without what only tests use.
    pub(crate) items: Vec<syn::Item>,
}

impl Code {
    /// The crate whose root is this file.
    pub(crate) fn of(root: &Path) -> Code {
        let mut code = Code::default();
        let folder = root.parent().expect("a folder").to_owned();
        code.read(root, &folder, vec![]);
        code
    }

    /// A crate written down as its modules.
    pub(crate) fn of_texts(texts: &[(&str, &str)]) -> Code {
        let module = |(path, text): &(&str, &str)| {
            let items = without_tests(syn::parse_file(text).expect("Rust").items);
            let path = path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
            (path, Module { file: text.lines().next().unwrap_or_default().to_owned(), items })
        };
        Code { modules: texts.iter().map(module).collect() }
    }

    fn read(&mut self, file: &Path, folder: &Path, path: ModulePath) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let items = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())).items;
        let items = without_tests(items);
        for item in &items {
            let syn::Item::Mod(declared) = item else { continue };
            if declared.content.is_some() {
                continue;
            }
            let name = declared.ident.to_string();
            let (flat, nested) = (folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs"));
            let child = if flat.is_file() { flat } else { nested };
            self.read(&child, &folder.join(&name), [&path[..], &[name]].concat());
        }
        let name = file.strip_prefix(project()).expect("in the project").to_string_lossy().into_owned();
        self.modules.insert(path, Module { file: name, items });
    }
}

/// Where the project is.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace")
}

/// Every source of the project.
pub(crate) fn sources() -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && name != "runs" && !name.starts_with('.') {
                below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    below(project(), &mut found);
    assert!(found.len() > 50, "the sources were not found");
    found.sort();
    found
}

/// Whether it is compiled for tests only.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_test = |list: &syn::MetaList| list.tokens.to_string() == "test";
        attribute.path().is_ident("test") || matches!(&attribute.meta, syn::Meta::List(list) if is_test(list))
    })
}

fn without_tests(items: Vec<syn::Item>) -> Vec<syn::Item> {
    items.into_iter().filter(|item| !is_for_tests(attributes(item))).collect()
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
