//! The journal of an experiment under way. Each result is on the disk, so an interruption, a crash or a power cut
//! costs one run. Does not decide what runs.
//!
//! A hidden directory beside the results holds `journal.jsonl`. The first line is a header with everything that must
//! agree when the experiment is continued. Then comes a line for each event, and each is synced. A torn last line is
//! dropped. A locked file in the directory keeps a second process out.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use results::named_file;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// Version of the journal's format.
pub(crate) const FORMAT: u32 = 2;
const JOURNAL: &str = "journal.jsonl";
const LOCK: &str = "lock";
/// The largest journal that is read. Histograms and series of some thousand runs fit.
const JOURNAL_BYTES_MAX: u64 = 1 << 30;
/// How often to try again when the directory vanishes before it is locked, because the process that held it just
/// finished.
const LOCK_TRIES_MAX: u32 = 10;

/// What must agree if runs are to belong to one experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: u32,
    pub(crate) experiment: String,
    pub(crate) profile: String,
    pub(crate) seed: u64,
    pub(crate) repeats: u32,
    /// The time that all of it may take, in seconds; absent where the repeats are given.
    pub(crate) budget_s: Option<f64>,
    pub(crate) seconds: f64,
    /// Whether servers are measured one after another, even where they could stand side by side.
    pub(crate) apart: bool,
    pub(crate) commit: String,
    /// `debug` or `release`.
    pub(crate) build: String,
    pub(crate) host: String,
    pub(crate) arms: Vec<String>,
    pub(crate) loads: Vec<String>,
    /// When the experiment was begun. The only field that need not agree.
    pub(crate) started_unix_ms: u64,
}

/// An event. `T` is what this kind of experiment finishes: an enum whose variants name the lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line<T> {
    /// What the experiment had to wait for, in words.
    Wait(String),
    /// An attempt that failed, in words.
    Failure(String),
    /// A cell that was given up.
    LeftOut { cell: String, reason: String },
    /// The experiment was continued at this time (RFC 3339).
    Resumed(String),
    /// A result, which need not be measured again.
    #[serde(untagged)]
    Finished(T),
}

/// The results of a kind of experiment.
pub(crate) trait Finished: Serialize + DeserializeOwned {
    /// Whether it is one of the runs that are announced and counted.
    fn is_run(&self) -> bool;
}

/// An open, locked journal. Dropping it keeps the directory, so that the experiment can be continued.
#[derive(Debug)]
pub(crate) struct Journal<T> {
    directory: PathBuf,
    file: File,
    /// Locked until this is dropped.
    lock: File,
    header: Header,
    lines: Vec<Line<T>>,
    /// Bytes of the torn last line that was dropped.
    torn_bytes: usize,
}

impl Header {
    /// How this header differs from `wanted`, in words.
    fn differences(&self, wanted: &Header) -> Vec<String> {
        let list = |names: &[String]| format!("[{}]", names.join(", "));
        let budget = |budget_s: Option<f64>| budget_s.map_or("none".to_owned(), |budget_s| format!("{budget_s} s"));
        let pairs = [
            ("format", self.format.to_string(), wanted.format.to_string()),
            ("experiment", self.experiment.clone(), wanted.experiment.clone()),
            ("profile", self.profile.clone(), wanted.profile.clone()),
            ("seed", self.seed.to_string(), wanted.seed.to_string()),
            ("repeats", self.repeats.to_string(), wanted.repeats.to_string()),
            ("budget", budget(self.budget_s), budget(wanted.budget_s)),
            ("seconds", self.seconds.to_string(), wanted.seconds.to_string()),
            ("--apart", self.apart.to_string(), wanted.apart.to_string()),
            ("commit", self.commit.clone(), wanted.commit.clone()),
            ("build", self.build.clone(), wanted.build.clone()),
            ("host", self.host.clone(), wanted.host.clone()),
            ("arms", list(&self.arms), list(&wanted.arms)),
            ("loads", list(&self.loads), list(&wanted.loads)),
        ];
        let differing = pairs.into_iter().filter(|(_, found, wanted)| found != wanted);
        differing.map(|(name, found, wanted)| format!("{name} was {found} and is now {wanted}")).collect()
    }
}

impl<T: Finished> Journal<T> {
    /// Continues the journal in `directory`. Begins a new one if there is none, or if `is_fresh` discards it.
    ///
    /// Keeps the seed of the earlier journal, unless the user gave one (`is_seed_given`).
    pub(crate) fn open(
        directory: &Path,
        mut header: Header,
        is_seed_given: bool,
        is_fresh: bool,
    ) -> Result<Journal<T>, Refusal> {
        let lock = lock(directory)?;
        let path = directory.join(JOURNAL);
        let found = if is_fresh { None } else { read::<T>(&path)? };
        let Some(Found { header: earlier, lines, valid_len, torn_bytes }) = found else {
            let file = begin(directory, &path, &header)
                .with_context(|| format!("cannot write the journal {}", path.display()))?;
            return Ok(Journal { directory: directory.into(), file, lock, header, lines: vec![], torn_bytes: 0 });
        };
        if !is_seed_given {
            header.seed = earlier.seed;
        }
        let differences = earlier.differences(&header);
        if !differences.is_empty() {
            return Err(Refusal::usage(format!(
                "an interrupted {} is kept in {} ({} runs), but it cannot continue: {}; repeat the command that began it, \
                 or discard it with --fresh",
                earlier.experiment,
                directory.display(),
                finished(&lines).filter(|piece| piece.is_run()).count(),
                differences.join("; ")
            )));
        }
        let file = OpenOptions::new().append(true).open(&path).and_then(|file| file.set_len(valid_len).map(|()| file));
        let file = file.with_context(|| format!("cannot continue writing {}", path.display()))?;
        Ok(Journal { directory: directory.into(), file, lock, header: earlier, lines, torn_bytes })
    }

    /// What all runs have in common.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// All events, in order.
    pub(crate) fn lines(&self) -> &[Line<T>] {
        &self.lines
    }

    /// All results, in order.
    pub(crate) fn finished(&self) -> impl Iterator<Item = &T> {
        finished(&self.lines)
    }

    /// Number of finished runs.
    pub(crate) fn run_count(&self) -> usize {
        self.finished().filter(|piece| piece.is_run()).count()
    }

    /// The cells that were given up, and why.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().filter_map(|line| match line {
            Line::LeftOut { cell, reason } => Some((cell.as_str(), reason.as_str())),
            _ => None,
        })
    }

    /// Bytes of the torn last line that was dropped.
    pub(crate) fn torn_bytes(&self) -> usize {
        self.torn_bytes
    }

    /// The directory of the journal.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Adds a line. When this returns, the line is on the disk.
    pub(crate) fn append(&mut self, line: Line<T>) -> anyhow::Result<()> {
        let text = serde_json::to_string(&line)? + "\n";
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data())
            .with_context(|| format!("cannot write the journal in {}", self.directory.display()))?;
        self.lines.push(line);
        Ok(())
    }

    /// Removes the journal, because the results are published.
    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(&self.directory)
    }
}

impl<T> Drop for Journal<T> {
    /// Unlocks explicitly. A lock belongs to every copy of its descriptor (flock(2)), and a child that was just
    /// started has a copy until its exec. Closing alone would therefore keep the lock a little longer.
    fn drop(&mut self) {
        // If this fails, the kernel unlocks the file when it is closed.
        let _ = self.lock.unlock();
    }
}

fn finished<T>(lines: &[Line<T>]) -> impl Iterator<Item = &T> {
    lines.iter().filter_map(|line| match line {
        Line::Finished(piece) => Some(piece),
        _ => None,
    })
}

/// Locks the directory; creates it if it is missing.
fn lock(directory: &Path) -> Result<File, Refusal> {
    let path = directory.join(LOCK);
    let cannot = || format!("cannot lock {}", path.display());
    for _ in 0..LOCK_TRIES_MAX {
        fs::create_dir_all(directory).with_context(cannot)?;
        let file = match OpenOptions::new().create(true).truncate(false).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.with_context(cannot)?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!(
                    "another process runs this experiment now (it holds {}): wait for its end, or give another --out",
                    path.display()
                );
                return Err(Refusal::failed(message));
            }
            Err(TryLockError::Error(error)) => return Err(anyhow::Error::new(error).context(cannot()).into()),
        }
        // The process that held the lock may have removed the file between the open and the lock.
        let own = file.metadata().with_context(cannot)?;
        if fs::metadata(&path).is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())) {
            return Ok(file);
        }
    }
    Err(anyhow::anyhow!("{}: it vanishes again and again", cannot()).into())
}

/// A new journal with its header.
fn begin(directory: &Path, path: &Path, header: &Header) -> anyhow::Result<File> {
    let mut file = File::create(path)?;
    file.write_all((serde_json::to_string(header)? + "\n").as_bytes())?;
    file.sync_all()?;
    // The directory contains the file's name and must be synced separately (fsync(2)).
    File::open(directory)?.sync_all()?;
    Ok(file)
}

/// The contents of a journal.
struct Found<T> {
    header: Header,
    lines: Vec<Line<T>>,
    valid_len: u64,
    torn_bytes: usize,
}

/// Reads a journal. `None` when there is none, or when its header is incomplete.
fn read<T: Finished>(path: &Path) -> Result<Option<Found<T>>, Refusal> {
    let text = match named_file::text(path, JOURNAL_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let bytes = text.as_bytes();
    let mut pieces = bytes.split_inclusive(|byte| *byte == b'\n').peekable();
    // Without its line feed, the header is incomplete and nothing follows it.
    let Some(first) = pieces.next().filter(|piece| piece.ends_with(b"\n")) else { return Ok(None) };
    let Ok(header) = serde_json::from_slice::<Header>(first) else { return Err(unknown(path, first)) };
    let mut lines = Vec::new();
    let mut torn_bytes = 0;
    while let Some(piece) = pieces.next() {
        match serde_json::from_slice(piece) {
            Ok(line) if piece.ends_with(b"\n") => lines.push(line),
            // Only the last line can be incomplete.
            _ if pieces.peek().is_none() && !is_whole(piece) => torn_bytes = piece.len(),
            _ => return Err(damaged(path, lines.len() + 2)),
        }
    }
    Ok(Some(Found { header, lines, valid_len: (bytes.len() - torn_bytes) as u64, torn_bytes }))
}

/// Whether a line is complete. A complete line that cannot be understood is not a torn line.
fn is_whole(piece: &[u8]) -> bool {
    piece.ends_with(b"\n") && serde_json::from_slice::<serde::de::IgnoredAny>(piece).is_ok()
}

/// The refusal for a header that is damaged or comes from another version of this program.
fn unknown(path: &Path, header: &[u8]) -> Refusal {
    let header: serde_json::Value = serde_json::from_slice(header).unwrap_or_default();
    match header["format"].as_u64() {
        Some(format) if format != u64::from(FORMAT) => Refusal::usage(format!(
            "{} has format {format}, and this c10m continues format {FORMAT}: use the c10m that began it, or discard \
             it with --fresh",
            path.display()
        )),
        _ => damaged(path, 1),
    }
}

fn damaged(path: &Path, number: usize) -> Refusal {
    Refusal::failed(format!(
        "line {number} of {} cannot be understood; discard the journal with --fresh",
        path.display()
    ))
}
