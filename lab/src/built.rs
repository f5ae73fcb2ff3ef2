//! Which sources this program was built from, as its build script found them. The sources at hand at run time may
//! differ: there may be a newer commit, another checkout, or none.

use std::path::Path;
use std::process::Command;

/// The version for `--version` and for what servers announce.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("C10M_BUILT_FROM"), ")");
/// The commit for records: with `-dirty` when the sources differed from it, or `unknown`.
pub const COMMIT: &str = env!("C10M_COMMIT");
/// The paths the program is compiled from, relative to the workspace and separated by blanks.
const SOURCES: &str = env!("C10M_SOURCES");
/// A file that only this project has. If it exists, the sources are at hand.
const MARK: &str = "lab/build.rs";

/// The commit, and whether the sources differed from it. `None` when the program was built outside a checkout.
pub fn source() -> Option<(String, bool)> {
    parse(COMMIT)
}

fn parse(commit: &str) -> Option<(String, bool)> {
    let bare = commit.strip_suffix("-dirty");
    (commit != "unknown").then(|| (bare.unwrap_or(commit).to_owned(), bare.is_some()))
}

/// Why the commit in a record does not fully identify the sources; `None` when it does.
pub fn doubt() -> Option<String> {
    let Some((commit, dirty)) = source() else {
        return Some("this program was built outside of a git checkout: the record cannot name its sources".to_owned());
    };
    if dirty {
        return Some(format!(
            "this program was built from {} with changes that are in no commit, so the record cannot name them; commit, \
             and build again",
            short(&commit)
        ));
    }
    let differs = differences(&std::env::current_dir().ok()?, &commit)?;
    Some(format!(
        "this program was built from {}, and {differs}: the record is about the program; to measure the sources, build \
         it again",
        short(&commit)
    ))
}

/// How the sources of the checkout that contains `place` differ from `commit`. `None` when they do not, or when the
/// checkout is not of this project.
fn differences(place: &Path, commit: &str) -> Option<String> {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        // Git sets these for a hook, and they may name another repository (githooks(5)).
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(variable);
        }
        command.arg("--no-optional-locks").arg("-C").arg(place).args(arguments).output().ok()
    };
    let top = git(&["rev-parse", "--show-toplevel"]).filter(|output| output.status.success())?;
    let top = String::from_utf8(top.stdout).ok()?;
    let top = top.trim_end();
    if !Path::new(top).join(MARK).is_file() {
        return None;
    }
    // The prefix `:/` starts at the top of the checkout, because git resolves paths relative to where it is called.
    let sources = SOURCES.split(' ').map(|source| format!(":/{source}")).collect::<Vec<_>>();
    let diff = ["diff", "--quiet", commit, "--"].into_iter().chain(sources.iter().map(String::as_str));
    match git(&diff.collect::<Vec<_>>())?.status.code() {
        Some(0) => None,
        Some(1) => Some(format!("the sources in {top} are others")),
        _ => Some(format!("the checkout in {top} does not have that commit")),
    }
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// A repository with one file of the project. Dropping it removes it.
    struct Repository(PathBuf);

    impl Repository {
        fn new(name: &str) -> Repository {
            let path = std::env::temp_dir().join(format!("c10m-built-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("lab/src")).expect("writable");
            let repository = Repository(path);
            repository.git(&["init", "--quiet"]);
            repository.write(MARK, "1");
            repository.commit();
            repository
        }

        fn git(&self, arguments: &[&str]) -> String {
            let mut command = Command::new("git");
            let identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
            let output = command.arg("-C").arg(&self.0).args(identity).args(arguments).output().expect("git is needed");
            assert!(output.status.success(), "{arguments:?}: {output:?}");
            String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.join(name), text).expect("writable");
        }

        /// Commits everything and returns the name of the commit.
        fn commit(&self) -> String {
            self.git(&["add", "--all"]);
            self.git(&["commit", "--quiet", "--message", "a"]);
            self.git(&["rev-parse", "HEAD"])
        }
    }

    impl Drop for Repository {
        fn drop(&mut self) {
            // It is a temporary directory; the system clears what cannot be removed.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn sources_at_hand_that_differ_are_named() {
        let repository = Repository::new("differs");
        let commit = repository.git(&["rev-parse", "HEAD"]);
        let below = repository.0.join("lab/src");
        assert_eq!(differences(&below, &commit), None);
        repository.write("README.md", "what is no source");
        repository.commit();
        assert_eq!(differences(&below, &commit), None, "the sources are the same");
        repository.write(MARK, "2");
        let differs = differences(&below, &commit).expect("a changed file");
        assert!(differs.ends_with("are others") && differs.contains("c10m-built-differs"), "{differs}");
        repository.commit();
        assert!(differences(&below, &commit).is_some(), "committed, they are still others");
        let unknown = differences(&below, &"0".repeat(40)).expect("no such commit");
        assert!(unknown.ends_with("does not have that commit"), "{unknown}");
        fs::remove_file(repository.0.join(MARK)).expect("ours");
        assert_eq!(differences(&below, &commit), None, "another project's checkout is not compared");
    }

    #[test]
    fn commits_are_taken_apart() {
        for (text, expected) in
            [("unknown", None), ("abc", Some(("abc".to_owned(), false))), ("abc-dirty", Some(("abc".to_owned(), true)))]
        {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert!(VERSION.starts_with(concat!(env!("CARGO_PKG_VERSION"), " (")) && VERSION.ends_with(')'), "{VERSION}");
    }
}
