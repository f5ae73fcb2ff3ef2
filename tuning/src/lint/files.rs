//! What the linter has looked at so far: files in their order, and what kept it from reading one.

use super::mistake::MistakeKind;
use super::order::Listing;
use super::tree::{Tree, Trouble};
use super::value::{FileRead, Standing};

/// Everything that was looked at.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) list: Vec<FileRead>,
    /// Those whose names do not end as they must.
    pub(crate) others: Vec<String>,
    pub(crate) troubles: Vec<Trouble>,
}

impl Files {
    /// Takes over a listing and returns the paths that are read, in their order.
    pub(crate) fn add(&mut self, listing: Listing) -> Vec<String> {
        let read = |file: &&FileRead| file.standing == Standing::Read;
        let paths = listing.files.iter().filter(read).map(|file| file.path.clone()).collect();
        self.list.extend(listing.files);
        self.list.extend(listing.masked);
        self.others.extend(listing.others);
        self.troubles.extend(listing.troubles);
        paths
    }

    /// A single file, if it is there.
    pub(crate) fn single(&mut self, tree: &Tree<'_>, path: &str) -> Option<String> {
        let file = super::order::entry(tree, path.to_owned(), &mut self.troubles)?;
        let is_read = file.standing == Standing::Read;
        self.list.push(file);
        is_read.then(|| self.text(tree, path)).flatten()
    }

    /// The text of a file. Notes what is wrong with it.
    pub(crate) fn text(&mut self, tree: &Tree<'_>, path: &str) -> Option<String> {
        match tree.text(path) {
            Ok(text) => {
                let text = text?;
                if text.is_lossy {
                    let says = "Some bytes of this file are no UTF-8. Its lines were read without them.".to_owned();
                    self.note(Trouble { path: path.to_owned(), kind: MistakeKind::NotUtf8, says });
                }
                Some(text.text)
            }
            Err(trouble) => {
                if let Some(file) = self.list.iter_mut().find(|file| file.path == path) {
                    file.standing = Standing::Trouble;
                }
                self.note(trouble);
                None
            }
        }
    }

    fn note(&mut self, trouble: Trouble) {
        if !self.troubles.contains(&trouble) {
            self.troubles.push(trouble);
        }
    }

    /// Whether a link that is read leads to `path`.
    pub(crate) fn lead_to(&self, path: &str) -> bool {
        self.list.iter().any(|file| file.standing == Standing::Read && file.leads_to.as_deref() == Some(path))
    }
}
