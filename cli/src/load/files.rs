//! The files of `--out`: their names and contents. Each file appears whole or not at all, and none replaces another.
//! The formats belong to `results`.
//!
//! | file | what |
//! |---|---|
//! | `record.json` | the document of `--json`; written last, so where it is, the rest is, too |
//! | `series.csv` | one row an interval, warm-up and grace included: column `phase` |
//! | `latency.hlog` | the histograms of the intervals, tagged `response`, `service` and so on; the warm-up is not in it, so the sum of a tag is the histogram of the record |
//! | `response.hgrm` … | one percentile distribution in µs for each histogram that has samples |
//! | `knee.json` | with `--find-knee`, instead of all of these |
//!
//! Java's `HistogramLogProcessor` shows one series of the log with `-tag response`. Without a tag it only reads lines
//! without one, and finds none.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use loadgen::Outcome;
use loadgen::record::{Interval, IntervalPhase};
use results::histogram::Latencies;
use results::{hgrm, hlog, series};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// The first columns of a row of `series.csv`.
const COLUMNS_FIRST: [&str; 3] = ["start_us", "duration_us", "phase"];

/// One file: its name and contents.
pub(super) type Named = (String, String);

/// A directory that contained no results when it was claimed.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
}

/// Whether a file of this name could be a result of an earlier run.
fn is_result(name: &str) -> bool {
    ["record.json", "knee.json", "series.csv"].contains(&name)
        || [".hlog", ".hgrm"].iter().any(|extension| name.ends_with(extension))
}

impl Directory {
    /// Before anything is measured, makes sure that results can be written here and replace none.
    ///
    /// # Errors
    /// What prevents it, for the user.
    pub(super) fn claim(path: &Path) -> Result<Directory, String> {
        let shown = path.display();
        let cannot = |error: io::Error| format!("cannot write to --out {shown}: {error}");
        fs::create_dir_all(path).map_err(cannot)?;
        for entry in fs::read_dir(path).map_err(cannot)? {
            let name = entry.map_err(cannot)?.file_name();
            let name = name.to_string_lossy();
            if is_result(&name) {
                return Err(format!("--out {shown} has results of an earlier run ({name}); name another directory"));
            }
        }
        let directory = Directory { path: path.to_owned() };
        let trial = directory.temporary("trial");
        File::create_new(&trial).and_then(|_| fs::remove_file(&trial)).map_err(cannot)?;
        Ok(directory)
    }

    /// A hidden name that differs for every process.
    fn temporary(&self, name: &str) -> PathBuf {
        self.path.join(format!(".{name}.{}", std::process::id()))
    }

    /// Writes all files under temporary names first, then renames them.
    ///
    /// # Errors
    /// Names the file and the error of the system.
    pub(super) fn write(&self, files: Vec<Named>) -> anyhow::Result<()> {
        let result = self.write_temporary(&files).and_then(|()| self.publish(&files));
        if result.is_err() {
            // Reports the first error. Some of the temporary files may not exist.
            files.iter().for_each(|(name, _)| drop(fs::remove_file(self.temporary(name))));
        }
        result
    }

    fn write_temporary(&self, files: &[Named]) -> anyhow::Result<()> {
        for (name, content) in files {
            // Synced, because a rename can reach the disk before the contents do.
            File::create(self.temporary(name))
                .and_then(|mut file| file.write_all(content.as_bytes()).and_then(|()| file.sync_all()))
                .with_context(|| self.failure(name))?;
        }
        Ok(())
    }

    fn publish(&self, files: &[Named]) -> anyhow::Result<()> {
        for (name, _) in files {
            let path = self.path.join(name);
            // Another run may have written results since the directory was claimed.
            rename_to_new(&self.temporary(name), &path).with_context(|| self.failure(name))?;
        }
        Ok(())
    }

    fn failure(&self, name: &str) -> String {
        format!("cannot write {}", self.path.join(name).display())
    }
}

/// Renames a file, but never to a name that exists.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system does not know the flag (rename(2)). Check first instead, which leaves a race.
        Err(Errno::INVAL) if !to.exists() => fs::rename(from, to),
        Err(Errno::INVAL | Errno::EXIST) => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file appeared in the meantime"))
        }
        other => Ok(other?),
    }
}

/// The files of one run.
///
/// # Errors
/// When a histogram of the record cannot be read.
pub(super) fn of_run(outcome: &Outcome) -> anyhow::Result<Vec<Named>> {
    let record = &outcome.record;
    let mut files = Vec::new();
    for (name, encoded) in &record.histograms {
        let latencies = Latencies::decode(encoded).with_context(|| format!("histogram {name}"))?;
        if latencies.count() > 0 {
            files.push((format!("{name}.hgrm"), hgrm::text(&latencies)));
        }
    }
    files.push(("latency.hlog".to_owned(), log(outcome)));
    files.push(("series.csv".to_owned(), series::csv::<Interval>(&COLUMNS_FIRST, &record.intervals)?));
    files.push(("record.json".to_owned(), document(record)?));
    Ok(files)
}

/// A JSON document that people can read, too.
pub(super) fn document(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// The interval log, without the warm-up.
fn log(outcome: &Outcome) -> String {
    let lines = outcome.log.iter().filter(|entry| entry.phase != IntervalPhase::WarmUp).map(|entry| hlog::Line {
        tag: entry.tag.name(),
        // The first interval may begin a little before the window that the log counts from.
        start_us: entry.start_us.max(0).cast_unsigned(),
        duration_us: entry.duration_us,
        max_ns: entry.max_ns,
        encoded: &entry.encoded,
    });
    hlog::text(outcome.record.window_start_unix_ms, lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::sample;
    use loadgen::Distribution;
    use loadgen::record::LogEntry;

    /// A directory for one test. Dropping it removes the directory.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("c10m-files-{name}-{}", std::process::id()));
            // Removes what a killed test left behind.
            let _ = fs::remove_dir_all(&path);
            Scratch(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).expect("readable");
            let mut names: Vec<String> =
                entries.map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8")).collect();
            names.sort();
            names
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn file(name: &str, content: &str) -> Named {
        (name.to_owned(), content.to_owned())
    }

    /// A run with made-up intervals: one of each phase.
    #[test]
    fn the_warm_up_is_in_the_series_and_not_in_the_log() {
        let mut outcome = sample::outcome(Some(500.0));
        let phases =
            [(IntervalPhase::WarmUp, -500_000), (IntervalPhase::Measured, -7), (IntervalPhase::Grace, 100_000)];
        outcome.record.window_start_unix_ms = 1_700_000_000_000;
        outcome.record.intervals = phases
            .map(|(phase, start_us)| Interval { phase, start_us, duration_us: 100_000, ..Interval::default() })
            .to_vec();
        let entry = |(phase, start_us)| LogEntry {
            tag: Distribution::Response,
            phase,
            start_us,
            duration_us: 100_000,
            max_ns: 2_500_000,
            encoded: IntervalPhase::name(phase).to_owned(),
        };
        outcome.log = phases.map(entry).to_vec();

        let files = of_run(&outcome).expect("a run");
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        let last = names.len() - 1;
        assert_eq!(names[last - 2..], ["latency.hlog", "series.csv", "record.json"], "the record is written last");
        assert!(names.contains(&"response.hgrm") && names.contains(&"lateness.hgrm"), "{names:?}");
        assert!(names.iter().all(|name| is_result(name)), "{names:?}");
        let lines: Vec<&str> = files[last - 2].1.lines().filter(|line| line.starts_with("Tag=")).collect();
        let measured = "Tag=response,0.000000,0.100000,2.500000,measured";
        assert_eq!(lines, [measured, "Tag=response,0.100000,0.100000,2.500000,grace"]);
        let rows: Vec<&str> = files[last - 1].1.lines().collect();
        assert!(rows[0].starts_with("start_us,duration_us,phase,scheduled,sent,completed,"), "{}", rows[0]);
        assert!(rows[0].contains(",response_us_count,response_us_p50,"), "{}", rows[0]);
        assert!(rows[1].starts_with("-500000,100000,warm_up,0,0,0,") && rows.len() == 4, "{rows:?}");
        let columns = rows[0].split(',').count();
        assert!(rows.iter().all(|row| row.split(',').count() == columns), "{rows:?}");
    }

    #[test]
    fn results_are_never_replaced() {
        for name in ["record.json", "response.hgrm", "latency.hlog", "series.csv", "knee.json"] {
            let scratch = Scratch::new(name);
            let directory = Directory::claim(&scratch.0.join("deep")).expect("it is made");
            directory.write(vec![file(name, "1")]).expect("an empty directory");
            let message = Directory::claim(&scratch.0.join("deep")).expect_err("it has results");
            assert!(message.contains(name), "{message}");
            let error = directory.write(vec![file(name, "2")]).expect_err("it is there");
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(fs::read_to_string(scratch.0.join("deep").join(name)).expect("readable"), "1");
        }
    }

    #[test]
    fn notes_of_the_user_are_not_in_the_way() {
        let scratch = Scratch::new("notes");
        fs::create_dir(&scratch.0).expect("new");
        fs::write(scratch.0.join("notes.txt"), "mine").expect("writable");
        Directory::claim(&scratch.0).expect("no results").write(vec![file("record.json", "{}")]).expect("writable");
        assert_eq!(scratch.names(), ["notes.txt", "record.json"]);
    }

    #[test]
    fn a_failure_names_the_file_and_leaves_nothing() {
        let scratch = Scratch::new("failure");
        let directory = Directory::claim(&scratch.0).expect("new");
        let error =
            directory.write(vec![file("series.csv", ""), file("no/such/place.hgrm", "")]).expect_err("no folder");
        assert!(format!("{error:#}").contains("no/such/place.hgrm: No such file"), "{error:#}");
        assert_eq!(scratch.names(), [""; 0]);
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let scratch = Scratch::new("refused");
        fs::write(&scratch.0, "").expect("writable");
        let message = Directory::claim(&scratch.0).expect_err("a file");
        assert!(message.contains("--out"), "{message}");
        fs::remove_file(&scratch.0).expect("ours");
    }
}
