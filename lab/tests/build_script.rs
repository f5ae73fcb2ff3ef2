//! What the build script finds in checkouts, worktrees, and outside of both.

#[allow(dead_code)] // its main function is cargo's to call
#[path = "../build.rs"]
mod build;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use build::{BuiltFrom, marks_of_the_commit, sources};

/// A directory with the sources of two members, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let scratch = Scratch(std::env::temp_dir().join(format!("c10m-build-{name}-{}", std::process::id())));
        // What a killed test has left behind.
        let _ = fs::remove_dir_all(&scratch.0);
        scratch.write("tree/Cargo.toml", "[workspace]\nmembers = [\"one\", \"two\"]\n");
        scratch.write("tree/one/src/lib.rs", "");
        scratch.write("tree/two/src/deep/main.rs", "");
        scratch.write("tree/two/tests/a.rs", "");
        scratch
    }

    fn tree(&self) -> PathBuf {
        self.0.join("tree")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("below the scratch")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    /// Commits everything in `tree`; the name of the commit.
    fn commit(&self) -> String {
        git(&self.tree(), &["add", "--all"]);
        git(&self.tree(), &["commit", "--quiet", "--message", "a"]);
        git(&self.tree(), &["rev-parse", "HEAD"])
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn git(place: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
    let output =
        Command::new("git").arg("-C").arg(place).args(identity).args(arguments).output().expect("git is needed");
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

fn found(root: &Path) -> BuiltFrom {
    BuiltFrom::find(root, &sources(root))
}

#[test]
fn sources_that_differ_from_the_commit_are_seen_and_nothing_else_is() {
    let scratch = Scratch::new("differ");
    let root = scratch.tree();
    assert_eq!(found(&root), BuiltFrom::Unknown, "no repository");
    git(&root, &["init", "--quiet"]);
    assert_eq!(found(&root), BuiltFrom::Unknown, "no commit");
    let commit = scratch.commit();
    let is = |changed| BuiltFrom::Commit { commit: commit.clone(), changed };
    assert_eq!(found(&root), is(false));
    for (name, changed) in [
        ("README.md", false),
        ("two/tests/a.rs", false),
        ("two/build.rs", true),
        ("two/src/deep/main.rs", true),
        ("one/src/new.rs", true),
        ("one/Cargo.toml", true),
        ("Cargo.lock", true),
    ] {
        scratch.write(&format!("tree/{name}"), "changed");
        assert_eq!(found(&root), is(changed), "{name}");
        git(&root, &["add", "--all"]);
        assert_eq!(found(&root), is(changed), "{name}, added");
        git(&root, &["reset", "--quiet", "--hard"]);
        assert_eq!(found(&root), is(false), "{name}, taken back");
    }
    fs::remove_dir_all(root.join("one/src")).expect("ours");
    assert_eq!(found(&root), is(true), "a folder is gone");
}

#[test]
fn another_repository_around_it_is_not_its_own() {
    let scratch = Scratch::new("foreign");
    git(&scratch.0, &["init", "--quiet"]);
    git(&scratch.0, &["add", "--all"]);
    git(&scratch.0, &["commit", "--quiet", "--message", "a"]);
    assert_eq!(found(&scratch.tree()), BuiltFrom::Unknown);
}

/// The text of a file, or of all files below a directory.
fn text(path: &Path) -> String {
    if !path.is_dir() {
        return fs::read_to_string(path).unwrap_or_default();
    }
    let entries = fs::read_dir(path).expect("a directory").map(|entry| entry.expect("readable").path());
    let mut texts: Vec<String> = entries.map(|path| format!("{}\n{}", path.display(), text(&path))).collect();
    texts.sort();
    texts.concat()
}

/// Whatever moves HEAD changes one of the files that cargo looks at, and each of them exists: one that does not would
/// have the build script run each time.
#[test]
fn each_way_to_another_commit_is_noticed() {
    let scratch = Scratch::new("marks");
    git(&scratch.0, &["init", "--quiet", "tree"]);
    scratch.commit();
    let worktree = scratch.0.join("worktree");
    git(&scratch.tree(), &["worktree", "add", "--quiet", worktree.to_str().expect("UTF-8")]);
    for (root, branch) in [(scratch.tree(), "one"), (worktree, "two")] {
        git(&root, &["config", "core.logAllRefUpdates", "true"]);
        goes_through_commits(&root, &format!("{branch}-logged"));
        git(&root, &["config", "core.logAllRefUpdates", "false"]);
        let log = git(&root, &["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"]);
        fs::remove_file(log).expect("it was kept");
        goes_through_commits(&root, branch);
    }
}

fn goes_through_commits(root: &Path, branch: &str) {
    git(root, &["checkout", "--quiet", "-B", branch]);
    let steps: [&[&str]; 6] = [
        &["commit", "--quiet", "--allow-empty", "--message", "b"],
        &["commit", "--quiet", "--allow-empty", "--message", "c"],
        &["commit", "--quiet", "--amend", "--allow-empty", "--message", "d"],
        &["reset", "--quiet", "HEAD~1"],
        &["checkout", "--quiet", "--detach", "HEAD~1"],
        &["commit", "--quiet", "--allow-empty", "--message", "e"],
    ];
    for (index, step) in steps.into_iter().enumerate() {
        if index == 1 {
            git(root, &["pack-refs", "--all"]);
        }
        let marks = marks_of_the_commit(root);
        assert!(!marks.is_empty() && marks.iter().all(|path| path.exists()), "{marks:?}");
        let before: Vec<String> = marks.iter().map(|path| text(path)).collect();
        let commit = git(root, &["rev-parse", "HEAD"]);
        git(root, step);
        assert_ne!(git(root, &["rev-parse", "HEAD"]), commit, "{step:?} makes another commit");
        assert!(marks.iter().zip(&before).any(|(path, was)| text(path) != *was), "{step:?} on {branch}: {marks:?}");
    }
}
