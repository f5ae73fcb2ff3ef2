//! The database behind `/db/KEY`: SQLite with a write-ahead log, a connection for each thread of the pool, one prepared
//! statement. A real database on a fast disk answers from memory within microseconds; what a slower one takes is slept
//! inside a function of SQL, so the thread, its connection and its transaction are occupied as by a slow read.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use protocol::server::{Message, Row};
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::options::{Database, SlowQueries};
use super::stop::{self, Stop};
use crate::unavailable::Unavailable;

const HAS_TABLE: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'items'";
const FILL: &str = "WITH RECURSIVE keys(key) AS (SELECT 0 UNION ALL SELECT key + 1 FROM keys WHERE key + 1 < ?1) \
                    INSERT INTO items SELECT key, 'the value of key ' || key || char(10) FROM keys";
const LOOK_UP: &str = "SELECT value, pause(?2) FROM items WHERE key = ?1";
/// Nobody else should write; if somebody does, readers of a write-ahead log wait only for its recovery.
const BUSY: Duration = Duration::from_secs(5);

/// Makes the table, if there is none. What it returns for a temporary database removes it if the start goes no further.
///
/// # Errors
/// When the file cannot be written or is not a database.
pub(super) fn prepare(database: &Database) -> Result<Option<Temporary>, Unavailable> {
    if database.is_temporary && database.file.exists() {
        let cause = "it exists, and --db-temporary would remove it".to_owned();
        return Err(Unavailable::Database { file: database.file.clone(), cause });
    }
    let temporary = database.is_temporary.then(|| Temporary { file: database.file.clone(), is_there: true });
    let make = || {
        let mut connection = Connection::open(&database.file)?;
        connection.busy_timeout(BUSY)?;
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0))?;
        if connection.query_row(HAS_TABLE, (), |row| row.get::<_, u32>(0))? == 0 {
            let transaction = connection.transaction()?;
            transaction.execute("CREATE TABLE items (key INTEGER PRIMARY KEY, value TEXT NOT NULL)", ())?;
            transaction.execute(FILL, [database.keys.get()])?;
            transaction.commit()?;
        }
        Ok(mode)
    };
    let mode = make().map_err(|error| unavailable(&database.file, &error))?;
    if mode != "wal" {
        let cause = format!("it keeps a journal of kind {mode} instead of a write-ahead log");
        return Err(Unavailable::Database { file: database.file.clone(), cause });
    }
    Ok(temporary)
}

/// The files of a database that is not to stay. Dropping it removes those that were made.
#[derive(Debug)]
pub(super) struct Temporary {
    file: PathBuf,
    is_there: bool,
}

impl Temporary {
    /// Removes the files, once every thread has opened them: they stay until the last of them closes it, however the
    /// process ends.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub(super) fn remove(mut self) -> Result<(), Unavailable> {
        self.is_there = false;
        self.files().try_for_each(fs::remove_file).map_err(|error| Unavailable::Database {
            file: self.file.clone(),
            cause: format!("it cannot be removed: {error}"),
        })
    }

    /// The database last: as long as it is there, it says whose the others are.
    fn files(&self) -> impl Iterator<Item = OsString> {
        let name = |ending| {
            let mut name = self.file.as_os_str().to_owned();
            name.push(ending);
            name
        };
        ["-wal", "-shm", ""].map(name).into_iter()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.is_there {
            // Not each was made, and why the start failed matters more than one that cannot be removed.
            self.files().for_each(|file| drop(fs::remove_file(file)));
        }
    }
}

fn unavailable(file: &Path, error: &rusqlite::Error) -> Unavailable {
    Unavailable::Database { file: file.to_owned(), cause: error.to_string() }
}

/// A connection to the database, for one thread.
pub(super) struct Queries {
    connection: Connection,
    pace: Pace,
}

/// How long queries take.
#[derive(Clone)]
pub(super) struct Pace {
    time: Duration,
    slow: Option<SlowQueries>,
    /// Of all threads.
    asked: Arc<AtomicU32>,
}

impl Pace {
    pub(super) fn of(database: &Database) -> Pace {
        Pace { time: database.time, slow: database.slow, asked: Arc::default() }
    }

    /// What the next query takes beyond its own time.
    fn next(&self) -> Duration {
        let Some(slow) = self.slow else { return self.time };
        let asked = self.asked.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if asked.is_multiple_of(slow.one_in.get()) { slow.time } else { self.time }
    }
}

impl Queries {
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn open(file: &Path, pace: Pace, stop: Stop) -> Result<Queries, Unavailable> {
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(file, flags)?;
            connection.busy_timeout(BUSY)?;
            // Not SQLITE_DETERMINISTIC: SQLite could leave out a call.
            let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
            connection.create_scalar_function("pause", 1, flags, move |call| {
                stop::sleep(&stop, Duration::from_micros(call.get::<u32>(0)?.into()));
                Ok(0)
            })?;
            // The files beside the database are opened by the first transaction, not by the connection.
            connection.prepare_cached(LOOK_UP)?.exists((0, 0))?;
            Ok(connection)
        };
        Ok(Queries { connection: open().map_err(|error| unavailable(file, &error))?, pace })
    }

    /// The row of a key.
    pub(super) fn look_up(&self, key: u32) -> Message {
        let pause_us = u32::try_from(self.pace.next().as_micros()).unwrap_or(u32::MAX);
        let look_up = || {
            let mut statement = self.connection.prepare_cached(LOOK_UP)?;
            let row = statement.query_row((key, pause_us), |row| Ok(Row::new(row.get_ref(0)?.as_bytes()?)));
            row.optional()
        };
        match look_up() {
            Ok(Some(Some(row))) => Message::Found(row),
            Ok(None) => Message::NotFound,
            // A value that is too long for a row is somebody else's table.
            Ok(Some(None)) | Err(_) => Message::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::never;
    use std::num::NonZeroU32;
    use std::time::Instant;

    /// A file for a database, removed with what SQLite puts beside it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            Scratch(std::env::temp_dir().join(format!("c10m-{}-{name}.sqlite", std::process::id())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            for ending in ["", "-wal", "-shm"] {
                // Not each of them was made.
                let _ = fs::remove_file(format!("{}{ending}", self.0.display()));
            }
        }
    }

    fn database(file: &Scratch, keys: u32) -> Database {
        let keys = NonZeroU32::new(keys).expect("not zero");
        Database { file: file.0.clone(), keys, is_temporary: false, time: Duration::ZERO, slow: None }
    }

    #[test]
    fn rows_are_made_once_and_found() {
        let file = Scratch::new("rows");
        for keys in [1000, 5] {
            // The second time, the rows are there.
            let database = database(&file, keys);
            assert!(prepare(&database).expect("a new file, then an old one").is_none());
            let queries = Queries::open(&file.0, Pace::of(&database), never()).expect("prepared");
            let expected = Row::new(b"the value of key 999\n").expect("short");
            assert_eq!(queries.look_up(999), Message::Found(expected));
            assert_eq!([1000, u32::MAX].map(|key| queries.look_up(key)), [Message::NotFound; 2]);
        }
    }

    #[test]
    fn a_temporary_database_leaves_no_file() {
        let file = Scratch::new("gone");
        let database = Database { is_temporary: true, ..database(&file, 100) };
        let temporary = prepare(&database).expect("a new file").expect("it is temporary");
        let pace = Pace::of(&database);
        let threads: Vec<Queries> =
            (0..3).map(|_| Queries::open(&file.0, pace.clone(), never()).expect("prepared")).collect();
        temporary.remove().expect("it is there");
        assert!(!file.0.exists());
        for queries in threads {
            assert!(matches!(queries.look_up(99), Message::Found(_)));
        }
        fs::write(&file.0, "").expect("writable");
        let refused = prepare(&database).expect_err("somebody's file").to_string();
        assert!(refused.contains("--db-temporary would remove it"), "{refused}");
    }

    #[test]
    fn a_start_that_fails_leaves_no_temporary_file() {
        let file = Scratch::new("failed");
        let database = Database { is_temporary: true, ..database(&file, 100) };
        let files = || ["", "-wal", "-shm"].map(|ending| fs::exists(format!("{}{ending}", file.0.display())).unwrap());
        let temporary = prepare(&database).expect("a new file");
        let queries = Queries::open(&file.0, Pace::of(&database), never()).expect("prepared");
        assert_eq!(files(), [true; 3]);
        // What comes next in a start fails, and one of the threads has opened it.
        drop(temporary);
        assert_eq!(files(), [false; 3]);
        drop(queries);
        assert_eq!(files(), [false; 3]);
    }

    #[test]
    fn one_query_in_so_many_is_slow_whoever_asks() {
        let file = Scratch::new("slow");
        let mut database = database(&file, 1);
        let slow = SlowQueries { one_in: NonZeroU32::new(5).expect("not zero"), time: Duration::from_millis(40) };
        database.slow = Some(slow);
        assert!(prepare(&database).expect("a new file").is_none());
        let pace = Pace::of(&database);
        let threads: Vec<Queries> =
            (0..2).map(|_| Queries::open(&file.0, pace.clone(), never()).expect("prepared")).collect();
        let is_slow = |number: usize| {
            let start = Instant::now();
            assert!(matches!(threads[number % 2].look_up(0), Message::Found(_)));
            start.elapsed() >= slow.time
        };
        let slow: Vec<usize> = (1..=10).filter(|number| is_slow(*number)).collect();
        assert!(slow.contains(&5) && slow.contains(&10) && slow.len() < 6, "{slow:?}");
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let file = Scratch::new("text");
        fs::write(&file.0, "this is not a database, whatever its name says ".repeat(100)).expect("writable");
        let refused = prepare(&database(&file, 1)).expect_err("not a database").to_string();
        assert!(refused.contains("not a database") && refused.contains("--db"), "{refused}");
        let nowhere = Database { file: "/nonexistent/x.sqlite".into(), ..database(&file, 1) };
        assert!(prepare(&nowhere).expect_err("no directory").to_string().contains("/nonexistent/x.sqlite"));
    }
}
