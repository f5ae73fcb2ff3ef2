//! Tells the program which commit it is built from, and whether its sources differ from that commit. It runs again
//! when a source or the commit changes. Either change relinks the program anyway.
//!
//! Outside a checkout of this project, as in an unpacked archive, there is no commit to name.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What every member of the workspace is compiled with.
const OF_WORKSPACE: [&str; 3] = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];
/// What each member is compiled from. Tests are left out because they do not change the program.
const PARTS: [&str; 4] = ["Cargo.toml", "build.rs", "src", "templates"];

fn main() {
    // Read at run time: a compiled-in path would be wrong after the checkout is moved.
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo tells it"));
    let root = manifest.parent().expect("a workspace").to_owned();
    let sources = sources(&root);
    // Without members, every build would count as clean, whatever had changed.
    assert!(
        sources.len() > OF_WORKSPACE.len(),
        "the workspace's `members = [` and its members have to stand on one line"
    );
    let present = sources.iter().map(|source| root.join(source)).filter(|path| path.exists());
    // Cargo would treat a missing path as changed every time.
    for path in present.chain(marks_of_the_commit(&root)) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let built_from = BuiltFrom::find(&root, &sources);
    if built_from == BuiltFrom::Unknown && root.join(".git").exists() {
        println!("cargo::warning=git does not tell the commit of this checkout: records will say that it is unknown");
    }
    let (commit, words) = match &built_from {
        BuiltFrom::Unknown => ("unknown".to_owned(), "commit unknown".to_owned()),
        BuiltFrom::Commit { commit, changed: false } => (commit.clone(), format!("{}, clean", short(commit))),
        BuiltFrom::Commit { commit, changed: true } => (format!("{commit}-dirty"), format!("{}, dirty", short(commit))),
    };
    println!("cargo::rustc-env=C10M_COMMIT={commit}");
    println!("cargo::rustc-env=C10M_BUILT_FROM={words}");
    println!("cargo::rustc-env=C10M_SOURCES={}", sources.join(" "));
}

/// What git knows about the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BuiltFrom {
    /// Git is missing, or this is not a checkout of this project.
    Unknown,
    Commit {
        commit: String,
        /// Whether a source differs from it or is not in it.
        changed: bool,
    },
}

impl BuiltFrom {
    pub(crate) fn find(root: &Path, sources: &[String]) -> BuiltFrom {
        BuiltFrom::told(root, sources).unwrap_or(BuiltFrom::Unknown)
    }

    fn told(root: &Path, sources: &[String]) -> Option<BuiltFrom> {
        // If the sources lie inside another project's checkout, git would report that project's commit.
        let top = PathBuf::from(git(root, &["rev-parse", "--show-toplevel"])?);
        if fs::canonicalize(top).ok()? != fs::canonicalize(root).ok()? {
            return None;
        }
        let commit = git(root, &["rev-parse", "--verify", "HEAD"])?;
        // Compares with HEAD and ignores the index, so `git add` changes nothing here.
        let status = ["status", "--porcelain", "--untracked-files=all", "--"];
        let arguments: Vec<&str> = status.into_iter().chain(sources.iter().map(String::as_str)).collect();
        let changed = !git(root, &arguments)?.is_empty();
        Some(BuiltFrom::Commit { commit, changed })
    }
}

/// The paths the program is compiled from, relative to the workspace. Includes missing paths, because a deleted source
/// is a change. No path contains a blank. Empty when the workspace's manifest names no members.
pub(crate) fn sources(root: &Path) -> Vec<String> {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")).unwrap_or_default();
    let members = members.split('"').skip(1).step_by(2);
    let parts = members.flat_map(|member| PARTS.map(|part| format!("{member}/{part}")));
    OF_WORKSPACE.map(str::to_owned).into_iter().chain(parts).collect()
}

/// Files that change when another commit is checked out or made: the log of HEAD if git keeps one, HEAD itself, and
/// the ref it points to. `--git-path` also finds them for a worktree, whose .git is a file.
pub(crate) fn marks_of_the_commit(root: &Path) -> Vec<PathBuf> {
    let path_of = |name: &str| git(root, &["rev-parse", "--git-path", name]).map(|path| root.join(path));
    let branch = git(root, &["symbolic-ref", "--quiet", "HEAD"]);
    let loose = branch.as_deref().and_then(path_of).filter(|path| path.exists());
    // A branch without its own file is in packed-refs until its next commit.
    let packed = loose.is_none().then(|| ["packed-refs", "refs/heads", "reftable"].map(path_of)).into_iter().flatten();
    let all = [path_of("HEAD"), path_of("logs/HEAD"), loose].into_iter().chain(packed);
    all.flatten().filter(|path| path.exists()).collect()
}

/// What git prints; `None` if it fails. Optional locks are off: a build must not change the repository.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // Git sets these for a hook, and they may name another repository (githooks(5)).
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    let output = command.arg("--no-optional-locks").arg("-C").arg(root).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Shortens a commit to as many digits as the names of runs have.
fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
