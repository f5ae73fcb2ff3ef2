//! The list of the runs in a directory. `report --list` writes it; `bench` updates a list that exists.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use results::report::{FIRST_LINE_OF_LIST, ListedRun, runs_list};
use results::run::replace_file;
use serde::Deserialize;
use serde_json::Value;

use crate::experiments;
use crate::kinds::comparison::experiment::answer as answer_of_comparison;
use crate::record_file::{Kind, RecordFile};
use crate::refusal::Refusal;

/// Forges show a file with this name as the text of its directory.
const LIST: &str = "README.md";

/// The fields that the record of every experiment has.
#[derive(Debug, Deserialize)]
struct Head {
    experiment: String,
    #[serde(default)]
    profile: Option<String>,
    question: String,
    started_at: String,
    host: Value,
}

/// A list that was written.
#[derive(Debug)]
pub struct List {
    /// The file.
    pub path: PathBuf,
    /// Runs in it.
    pub run_count: usize,
}

/// Writes the list of the runs in `directory` into it.
///
/// # Errors
/// A [`Refusal`] when a file of that name is not a list of runs, or when a record there is damaged. Otherwise the
/// error of writing.
pub fn write_list(directory: &Path) -> anyhow::Result<List> {
    let path = directory.join(LIST);
    if !is_ours(&path)? {
        return Err(Refusal::usage(format!(
            "{} is no list of runs, so it stays unchanged: rename it, or name another directory",
            path.display()
        ))
        .into());
    }
    let runs = runs(directory)?;
    let run_count = runs.len();
    replace_file(directory, LIST, runs_list(runs)).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(List { path, run_count })
}

/// Rewrites a list that lacks a run. Errors are only warnings, because the run itself is published. Writes and says
/// nothing when nothing was published.
pub(crate) fn keep_list(directory: &Path) {
    let path = directory.join(LIST);
    let is_list = matches!(fs::symlink_metadata(&path), Ok(found) if found.is_file());
    if !is_list || !is_ours(&path).unwrap_or(false) {
        return;
    }
    let kept = || {
        let text = runs_list(runs(directory)?);
        let is_new = fs::read(&path).ok().as_deref() != Some(text.as_bytes());
        if is_new {
            replace_file(directory, LIST, &text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        anyhow::Ok(is_new)
    };
    match kept() {
        Ok(true) => say!("c10m: wrote {}", path.display()),
        Ok(false) => {}
        Err(error) => say!(
            "c10m: WARNING: the list of runs is not up to date: {error:#}; `c10m report --list {}` writes it again",
            directory.display()
        ),
    }
}

/// Whether the file may be replaced: it begins as a list does, or does not exist.
fn is_ours(path: &Path) -> anyhow::Result<bool> {
    let mut beginning = Vec::new();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Ok(found) if !found.is_file() => return Ok(false),
        _ => {}
    }
    let file = fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.take(FIRST_LINE_OF_LIST.len() as u64).read_to_end(&mut beginning)?;
    Ok(beginning == FIRST_LINE_OF_LIST.as_bytes())
}

/// The runs of `bench` in a directory. A name that begins with a dot is an experiment under way. A directory without a
/// record is not a run.
fn runs(directory: &Path) -> anyhow::Result<Vec<ListedRun>> {
    let unreadable = |error| Refusal::usage(format!("--list {}: {error}", directory.display()));
    let mut runs = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (name, path) = (entry.file_name(), entry.path());
        if !name.as_bytes().starts_with(b".") && path.join("record.json").exists() {
            runs.extend(listed(name.as_bytes(), RecordFile::open(&path)?)?);
        }
    }
    Ok(runs)
}

/// `None` for a record of `load`, which asks no question.
fn listed(directory: &[u8], record: RecordFile) -> anyhow::Result<Option<ListedRun>> {
    let damaged = |error: anyhow::Error| anyhow!("cannot read the record {}: {error:#}", record.path.display());
    if !matches!(record.kind, Kind::Comparison | Kind::Scenario(_)) {
        return Ok(None);
    }
    let Head { experiment, profile, question, started_at, host } =
        Head::deserialize(&record.document).map_err(|error| damaged(error.into()))?;
    let beside = record.path.parent().unwrap_or(Path::new(".")).to_owned();
    let answer = match record.kind {
        Kind::Scenario(name) => match experiments::find(name) {
            Some(experiment) => experiment.answer(record.document, &beside),
            None => return Ok(None),
        },
        _ => answer_of_comparison(record.document, &beside),
    };
    Ok(Some(ListedRun {
        directory: directory.to_owned(),
        started_at,
        title: profile.map_or(experiment.clone(), |profile| format!("{experiment}, {profile}")),
        question,
        answer: answer.map_err(damaged)?,
        host,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::trial::Place;

    #[test]
    fn a_list_is_written_anew_only_where_it_is_one_and_differs() {
        let place = Place::new("list");
        let path = place.0.join(LIST);
        fs::create_dir(&place.0).expect("a place");
        keep_list(&place.0);
        assert!(!path.exists(), "there was no list");
        fs::write(&path, "mine\n").expect("writable");
        keep_list(&place.0);
        assert_eq!(fs::read_to_string(&path).expect("text"), "mine\n", "it is no list");
        let empty = runs_list(vec![]);
        fs::write(&path, format!("{empty}a run that is gone\n")).expect("writable");
        keep_list(&place.0);
        assert_eq!(fs::read_to_string(&path).expect("text"), empty);
        let written = fs::metadata(&path).and_then(|found| found.modified()).expect("a time");
        let file = rustix::fs::stat(&path).expect("a file").st_ino;
        keep_list(&place.0);
        let again = fs::metadata(&path).and_then(|found| found.modified()).expect("a time");
        assert_eq!((again, rustix::fs::stat(&path).expect("a file").st_ino), (written, file), "nothing was new");
    }
}
