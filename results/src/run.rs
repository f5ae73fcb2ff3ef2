//! The directory of one run: creates and names it, and reads it again. The directory appears whole or not at all, and
//! never replaces another.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::histogram::Latencies;
use crate::judged::Judged;
use crate::record::{Record, RunOfCell, SCHEMA, Summary, VerdictState};
use crate::{columns, hlog, named_file};

/// A file of a run: its name and its content.
pub type NamedFile = (String, Vec<u8>);

/// The starts of a comparison.
pub const RUNS: &str = "runs.csv.zst";
/// The merged response times of each cell.
pub const LATENCIES: &str = "latency.hlog";
/// What happened within each start.
pub const SERIES: &str = "series.csv.zst";

/// Lengths of an abbreviated commit that is unambiguous and still readable.
const COMMIT_LEN_MIN: usize = 7;
const COMMIT_LEN_MAX: usize = 12;

/// With more directories of the same name, something else must be wrong.
const SAME_NAME_MAX: u32 = 1000;

/// `<date>-<host>-<commit>-<experiment>`, safe for a file system and a URL.
pub fn name(date: &str, host: &str, commit: &str, dirty: bool, experiment: &str) -> String {
    let dirty = if dirty { "-dirty" } else { "" };
    format!("{}-{}-{}{dirty}-{}", word(date), word(host), abbreviated(commit), word(experiment))
}

/// Lower case letters, digits and single dashes between them.
pub fn word(text: &str) -> String {
    let mut word = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            word.push(character.to_ascii_lowercase());
        } else if !word.is_empty() && !word.ends_with('-') {
            word.push('-');
        }
    }
    let word = word.trim_end_matches('-');
    if word.is_empty() { "unknown".to_owned() } else { word.to_owned() }
}

/// 7 to 12 hexadecimal digits, or `unknown` when `commit` is not a commit.
fn abbreviated(commit: &str) -> String {
    let commit = commit.trim().to_ascii_lowercase();
    if commit.len() < COMMIT_LEN_MIN || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return "unknown".to_owned();
    }
    commit.chars().take(COMMIT_LEN_MAX).collect()
}

/// Writes files into a new directory `name` below `base`. Returns its path. If a directory of
/// that name exists, it is kept, and the new one gets `-2`, `-3` and so on.
pub fn write_files(base: &Path, name: &str, files: &[NamedFile]) -> io::Result<PathBuf> {
    fs::create_dir_all(base)?;
    // Below the same directory, so that the final rename stays within one file system.
    let temporary = base.join(format!(".{name}.{}", std::process::id()));
    // If it exists, it belongs to another process: one with the same pid in another container, or one that died.
    fs::create_dir(&temporary).map_err(|error| named(&temporary, &error.to_string()))?;
    let written = fill(&temporary, files).and_then(|()| publish(&temporary, base, name));
    if written.is_err() {
        // Reports the first error. What remains is hidden and harmless.
        let _ = fs::remove_dir_all(&temporary);
    }
    written
}

fn fill(directory: &Path, files: &[NamedFile]) -> io::Result<()> {
    for (name, content) in files {
        // Two histograms whose names differ only in punctuation must not overwrite each other.
        let mut file = fs::File::create_new(directory.join(name))?;
        io::Write::write_all(&mut file, content)?;
    }
    Ok(())
}

/// Moves `temporary` to the first free name.
fn publish(temporary: &Path, base: &Path, name: &str) -> io::Result<PathBuf> {
    for number in 1..=SAME_NAME_MAX {
        let path = match number {
            1 => base.join(name),
            _ => base.join(format!("{name}-{number}")),
        };
        // create_dir reserves the name: of two writers, one fails. rename(2) then replaces an empty directory
        // atomically.
        match fs::create_dir(&path) {
            Ok(()) => return fs::rename(temporary, &path).map(|()| path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{SAME_NAME_MAX} runs named {name}")))
}

/// Writes a file into a directory that exists. It appears whole or not at all, and replaces an earlier one.
///
/// # Errors
/// What writing or renaming failed with.
pub fn replace_file(directory: &Path, name: &str, content: impl AsRef<[u8]>) -> io::Result<()> {
    let temporary = directory.join(format!(".{name}.{}", std::process::id()));
    let result = fs::write(&temporary, content).and_then(|()| fs::rename(&temporary, directory.join(name)));
    if result.is_err() {
        // Reports the first error. The temporary file may not exist.
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Reads the record of a run, given the run's directory or the file. See [`of_json`].
///
/// # Errors
/// When it cannot be read, or is not a record.
pub fn read(path: &Path) -> io::Result<Record> {
    let path = if path.is_dir() { path.join("record.json") } else { path.to_owned() };
    of_json(serde_json::from_str(&named_file::text(&path, named_file::RECORD_BYTES_MAX)?)?)
}

/// The record in a document, without its starts.
///
/// # Errors
/// When the document has another schema or lacks something. Also when a key is malformed, because files are named
/// after keys.
pub fn of_json(value: Value) -> io::Result<Record> {
    let schema = value.get("schema").and_then(Value::as_u64);
    if schema != Some(u64::from(SCHEMA)) {
        let found = value.get("schema").map_or("none".to_owned(), Value::to_string);
        let of_older = match schema {
            Some(1..=2) => "; c10m of the commit that it names reads it",
            _ => "",
        };
        return Err(invalid(format!("its schema is {found}, and {SCHEMA} can be read{of_older}")));
    }
    let record: Record = serde_json::from_value(value)?;
    if let Some(cell) = record.cells.iter().find(|cell| cell.key.is_empty() || word(&cell.key) != cell.key) {
        let key = &cell.key;
        return Err(invalid(format!("the key {key:?} of a cell has more than small letters, digits and dashes")));
    }
    Ok(record)
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Response time at each percentile of one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// [`crate::record::Cell::key`].
    pub cell: String,
    /// Quantile (0.99 for p99) and value in µs, by rising quantile, up to the last with ten values above it.
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    /// From the merged histogram of all repeats.
    pub fn of(cell: &str, latencies: &Latencies) -> Curve {
        let nines_max = (latencies.count().max(1) as f64).log10();
        let quantiles = (0..=(nines_max / CURVE_STEP) as u32).map(|i| 1.0 - 10f64.powf(-f64::from(i) * CURVE_STEP));
        let points = quantiles.filter_map(|quantile| Some((quantile, latencies.quantile_us(quantile)?)));
        Curve { cell: cell.to_owned(), points: points.collect() }
    }
}

/// Distance between two points of a curve, in nines of the percentile.
const CURVE_STEP: f64 = 0.02;

/// Everything that a report is rendered from.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The record, with its starts.
    pub record: Record,
    /// The curves of the cells that have one.
    pub curves: Vec<Curve>,
}

/// Opens the directory of a run: the record, its starts and its histograms.
///
/// # Errors
/// When a file cannot be read, or the record sums up something else than the files hold. The text names the file.
pub fn open(directory: &Path) -> io::Result<Run> {
    beside(read(directory)?, directory)
}

/// The same for a record that was already read.
///
/// # Errors
/// When another file of the run cannot be read, or the record sums up something else than it holds. The text names the
/// file.
pub fn beside(mut record: Record, directory: &Path) -> io::Result<Run> {
    let path = directory.join(RUNS);
    let runs = named_file::bytes(&path, named_file::RECORD_BYTES_MAX).and_then(|file| columns::rows(&file));
    fill_in(&mut record, runs.map_err(|error| named(&path, &error.to_string()))?);
    // Nobody made so many; a reader that believed it would be busy for hours.
    let starts: usize = record.cells.iter().map(|cell| cell.runs.len()).sum();
    if record.design.blocks as usize > starts.max(1) {
        let complaint = format!("{} blocks of {starts} starts", record.design.blocks);
        return Err(named(&directory.join("record.json"), &complaint));
    }
    let path = directory.join(LATENCIES);
    let latencies = match text(&path)? {
        Some(log) => latencies_of_log(&record, &log).map_err(|error| named(&path, &error))?,
        None => vec![],
    };
    for cell in &record.cells {
        let merged = latencies.iter().find(|(key, _)| *key == cell.key).map(|(_, merged)| merged);
        if cell.summary != Summary::of(&cell.runs, merged) {
            let complaint = format!("{RUNS} and {LATENCIES} do not add up to what it says of {}", cell.key);
            return Err(named(&directory.join("record.json"), &complaint));
        }
    }
    let recomputed = Judged::of(&record).findings;
    let is_same = match (&record.findings, &recomputed) {
        (Some(told), Some(found)) => told.are_those(found),
        (None, None) => true,
        _ => false,
    };
    if !is_same {
        let complaint = format!("its findings are not those of {RUNS}");
        return Err(named(&directory.join("record.json"), &complaint));
    }
    let curves = latencies.iter().map(|(key, merged)| Curve::of(key, merged)).collect();
    Ok(Run { record, curves })
}

/// Gives each cell its starts, in the order in which they took place.
pub fn fill_in(record: &mut Record, mut runs: Vec<RunOfCell>) {
    runs.sort_by_key(|run| run.order);
    for cell in &mut record.cells {
        cell.runs = runs.iter().filter(|run| run.cell == cell.key).cloned().collect();
    }
}

/// Whether the times of a start belong into the merged histogram of its cell.
pub fn has_times(run: &RunOfCell) -> bool {
    run.times != VerdictState::Invalid
}

/// The text of a file beside a record. `None` when it does not exist.
///
/// # Errors
/// When it exists and cannot be read, or is larger than any such file. The text names the file.
pub fn text(path: &Path) -> io::Result<Option<String>> {
    match named_file::text(path, named_file::SERIES_BYTES_MAX) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named(path, &error.to_string())),
    }
}

fn named(path: &Path, complaint: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {complaint}", path.display()))
}

/// The merged histogram of each cell that has one.
fn latencies_of_log(record: &Record, log: &str) -> Result<Vec<(String, Latencies)>, String> {
    let lines = hlog::tagged(log)?;
    let mut found = Vec::new();
    for cell in &record.cells {
        let own: Vec<&str> = lines.iter().filter(|(tag, _)| *tag == cell.key).map(|(_, encoded)| *encoded).collect();
        if !own.is_empty() {
            let merged = Latencies::decode_all(own).map_err(|error| format!("{}: {error}", cell.key))?;
            found.push((cell.key.clone(), merged));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_a_file_system() {
        for (host, commit, dirty, expected) in [
            ("vm", "0123456789abcdef0123", false, "2026-10-03-vm-0123456789ab-echo-cpu"),
            ("My.Host_7", "ABCDEF1", true, "2026-10-03-my-host-7-abcdef1-dirty-echo-cpu"),
            ("../..", "abc", false, "2026-10-03-unknown-unknown-echo-cpu"),
            ("größe", "no commit", false, "2026-10-03-gr-e-unknown-echo-cpu"),
        ] {
            assert_eq!(name("2026-10-03", host, commit, dirty, "echo cpu"), expected);
        }
    }
}
