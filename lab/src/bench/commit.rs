//! Which state of the source this program was built from, as far as git can tell.

use std::process::Command;

/// The commit and whether tracked files differ from it; `None` outside a git checkout.
pub(super) fn current() -> Option<(String, bool)> {
    let commit = git(&["rev-parse", "HEAD"])?;
    // Results are what this program writes itself: they do not make it another program.
    let changes = git(&["status", "--porcelain", "--untracked-files=no", "--", ":/", ":!/results/runs"])?;
    Some((commit, !changes.is_empty()))
}

/// For the record: the commit, with `-dirty` when the tree had changes.
pub(super) fn described(current: Option<&(String, bool)>) -> String {
    current.map_or("unknown".to_owned(), |(commit, dirty)| format!("{commit}{}", if *dirty { "-dirty" } else { "" }))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
