//! Which sources a run was measured with: those of this program, in the words of records.

use crate::built;

/// The commit and whether the sources differed from it; `None` for a program built outside of a git checkout.
pub(crate) fn current() -> Option<(String, bool)> {
    built::source()
}

/// For the record: the commit, with `-dirty` when the sources had changes.
pub(crate) fn described(current: Option<&(String, bool)>) -> String {
    current.map_or("unknown".to_owned(), |(commit, dirty)| format!("{commit}{}", if *dirty { "-dirty" } else { "" }))
}
