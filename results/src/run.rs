//! The directory of one run: creates and names it, and reads it again. The directory appears whole or not at all, and
//! never replaces another.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::histogram::Latencies;
use crate::record::{Cell, Loop, Metric, Point, Record, SCHEMA};
use crate::{hgrm, named_file};

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

/// Writes `record.json`, `report.md` and one `.hgrm` for each named histogram into a new directory below `base`.
/// Returns its path. See [`write_files`].
pub fn write(
    base: &Path,
    name: &str,
    record: &Record,
    report: &str,
    histograms: &[(String, Latencies)],
) -> io::Result<PathBuf> {
    let json = serde_json::to_string_pretty(record)? + "\n";
    let mut files = vec![("record.json".to_owned(), json), ("report.md".to_owned(), report.to_owned())];
    files.extend(histograms.iter().map(|(name, latencies)| (format!("{}.hgrm", word(name)), hgrm::text(latencies))));
    write_files(base, name, &files)
}

/// Writes files, given as name and text, into a new directory `name` below `base`. Returns its path. If a directory of
/// that name exists, it is kept, and the new one gets `-2`, `-3` and so on.
pub fn write_files(base: &Path, name: &str, files: &[(String, String)]) -> io::Result<PathBuf> {
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

fn fill(directory: &Path, files: &[(String, String)]) -> io::Result<()> {
    for (name, text) in files {
        // Two histograms whose names differ only in punctuation must not overwrite each other.
        let mut file = fs::File::create_new(directory.join(name))?;
        io::Write::write_all(&mut file, text.as_bytes())?;
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
pub fn replace_file(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    let temporary = directory.join(format!(".{name}.{}", std::process::id()));
    let result = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, directory.join(name)));
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

/// The record in a document. A record of schema 1 gets the keys of its cells. It also gets the generators and servers,
/// which it only has in the names of its arms.
///
/// # Errors
/// When the document has a newer schema or lacks something. Also when a key is malformed, because files are named
/// after keys.
pub fn of_json(value: Value) -> io::Result<Record> {
    let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
    let schema = value.get("schema").and_then(Value::as_u64);
    if !schema.is_some_and(|schema| (1..=u64::from(SCHEMA)).contains(&schema)) {
        let found = value.get("schema").map_or("none".to_owned(), Value::to_string);
        return Err(invalid(format!("its schema is {found}, and those from 1 to {SCHEMA} can be read")));
    }
    let mut record: Record = serde_json::from_value(value)?;
    let keys = record.cells.iter().map(|cell| cell.key.as_str()).filter(|key| !key.is_empty());
    if let Some(key) = keys.clone().find(|key| word(key) != **key) {
        return Err(invalid(format!("the key {key:?} of a cell has more than small letters, digits and dashes")));
    }
    let is_about_generators = record.metric == Metric::ClientCpu;
    for cell in record.cells.iter_mut().filter(|cell| cell.key.is_empty()) {
        cell.key = key_of_schema_1(cell);
        if let Some((generator, server)) = cell.arm.split_once(" on ").filter(|_| is_about_generators) {
            (cell.generator, cell.server) = (generator.to_owned(), server.to_owned());
        }
    }
    Ok(record)
}

/// The name that the histogram of a cell had in schema 1.
fn key_of_schema_1(cell: &Cell) -> String {
    let mode = match cell.load_loop {
        Loop::Closed => "closed".to_owned(),
        Loop::Open { rate } => format!("rate{rate}"),
    };
    word(&format!("{}-c{}-{mode}-p{} {}", cell.workload, cell.connections, cell.pipeline, cell.arm))
}

/// Response time at each percentile of one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// [`Cell::key`].
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
    /// The record.
    pub record: Record,
    /// The curves of the cells that have one.
    pub curves: Vec<Curve>,
    /// The points of all runs. Empty for directories of schema 1.
    pub points: Vec<Point>,
}

/// Opens the directory of a run: the record, `latency.hlog` or else the `.hgrm` files, and `series.jsonl`.
///
/// # Errors
/// When the record cannot be read, or another file exists and cannot be understood. The text names the file.
pub fn open(directory: &Path) -> io::Result<Run> {
    beside(read(directory)?, directory)
}

/// The same for a record that was already read.
///
/// # Errors
/// When another file of the run exists and cannot be understood. The text names the file.
pub fn beside(record: Record, directory: &Path) -> io::Result<Run> {
    let curves = match text(&directory.join("latency.hlog"))? {
        Some(log) => curves_of_log(&record, &log).map_err(|error| named(&directory.join("latency.hlog"), &error))?,
        None => curves_of_files(&record, directory)?,
    };
    let series = directory.join("series.jsonl");
    let lines = text(&series)?.unwrap_or_default();
    let points: Result<Vec<Point>, _> =
        lines.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str).collect();
    Ok(Run { record, curves, points: points.map_err(|error| named(&series, &error.to_string()))? })
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

/// Merges the histograms of each cell by counts.
fn curves_of_log(record: &Record, log: &str) -> Result<Vec<Curve>, String> {
    let lines = crate::hlog::tagged(log)?;
    let mut curves = Vec::new();
    for cell in &record.cells {
        let own: Vec<&str> = lines.iter().filter(|(tag, _)| *tag == cell.key).map(|(_, encoded)| *encoded).collect();
        if !own.is_empty() {
            let merged = Latencies::decode_all(own).map_err(|error| format!("{}: {error}", cell.key))?;
            curves.push(Curve::of(&cell.key, &merged));
        }
    }
    Ok(curves)
}

fn curves_of_files(record: &Record, directory: &Path) -> io::Result<Vec<Curve>> {
    let mut curves = Vec::new();
    for cell in &record.cells {
        let path = directory.join(format!("{}.hgrm", cell.key));
        if let Some(text) = text(&path)? {
            let points = hgrm::points(&text).map_err(|error| named(&path, &error))?;
            curves.push(Curve { cell: cell.key.clone(), points });
        }
    }
    Ok(curves)
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
