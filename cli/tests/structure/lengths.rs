//! A function that does not fit one look does several things.

use std::fs;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::code::{project, sources};

/// From the line with its name to its last brace.
const LINES_MAX: usize = 70;

#[test]
fn every_function_fits_one_look() {
    for path in sources() {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let found = longer_than(LINES_MAX, &text);
        let file = path.strip_prefix(project()).expect("in the project").display();
        assert!(found.is_empty(), "{file}: more than {LINES_MAX} lines: {found:?}");
    }
}

#[test]
fn lengths_are_counted_in_each_kind_of_function() {
    for text in [
        "fn f() {\n\n}",
        "impl A {\n    fn f(\n    ) {}\n}",
        "trait T { fn f() {\n\n\n} }",
        "mod m {\n fn f() {\n\n}\n}",
    ] {
        assert_eq!(longer_than(1, text).len(), 1, "{text}");
        assert!(longer_than(4, text).is_empty(), "{text}");
    }
    assert_eq!(longer_than(2, "fn f() {\n\n}"), [("f".to_owned(), 3)]);
}

/// Functions with more lines, with how many.
fn longer_than(lines_max: usize, text: &str) -> Vec<(String, usize)> {
    let mut lengths = Lengths::default();
    lengths.visit_file(&syn::parse_file(text).expect("Rust"));
    lengths.0.retain(|(_, lines)| *lines > lines_max);
    lengths.0
}

#[derive(Default)]
struct Lengths(Vec<(String, usize)>);

impl Lengths {
    fn count(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let lines = block.span().end().line + 1 - signature.span().start().line;
        self.0.push((signature.ident.to_string(), lines));
    }
}

impl<'ast> Visit<'ast> for Lengths {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.count(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.count(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.count(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}
