//! `--out`: if the directory cannot be written to, refuses it by name before anything is measured.

use std::fs;
use std::io;
use std::path::Path;

/// Creates the directory if it is missing, and tries to create a directory in it.
///
/// # Errors
/// A sentence that names the option.
pub fn check(out: &Path) -> Result<(), String> {
    let trial = out.join(format!(".trial-{}", std::process::id()));
    let tried = fs::create_dir_all(out).and_then(|()| fs::create_dir(&trial)).and_then(|()| fs::remove_dir(&trial));
    tried.map_err(|error| refusal(out, &error))
}

fn refusal(out: &Path, error: &io::Error) -> String {
    let reason = match fs::metadata(out) {
        Ok(found) if !found.is_dir() => "it is no directory".to_owned(),
        _ => format!("it cannot be written to: {error}"),
    };
    format!("--out {}: {reason}; name a directory that you may write to, or one that can be made", out.display())
}

/// What failed when the results cannot be written.
pub(crate) fn cannot_write(out: &Path) -> String {
    format!("cannot write the run below --out {}", out.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_made_and_left_empty_or_refused_by_its_option() {
        let base = std::env::temp_dir().join(format!("c10m-out-{}", std::process::id()));
        let deep = base.join("a/b");
        assert_eq!(check(&deep), Ok(()));
        assert_eq!(fs::read_dir(&deep).expect("made").count(), 0);
        let file = base.join("file");
        fs::write(&file, "").expect("writable");
        for (place, words) in [
            (file.clone(), "it is no directory"),
            (file.join("below"), "Not a directory"),
            (Path::new("/proc/none").to_owned(), "No such file"),
        ] {
            let said = check(&place).expect_err("a refusal");
            assert!(said.starts_with(&format!("--out {}: ", place.display())) && said.contains(words), "{said}");
        }
        fs::remove_dir_all(base).expect("ours");
    }
}
