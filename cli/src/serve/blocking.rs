//! The arguments of `c10m serve http` about requests whose work blocks: the targets, the pool, the database.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use protocol::Workload;
use server::{Blocking, Database, QueueLimit, SlowQueries};

use super::cpus::{CpuList, cpu_list};
use crate::count;

/// These arguments.
#[derive(Debug, Args)]
pub(super) struct BlockingArgs {
    /// Serve targets by which any peer takes the server's time: GET /block/MS sleeps in the reactor, /work/US burns CPU
    /// time there, /offload/MS sleeps in the pool.
    #[arg(long)]
    lab_routes: bool,
    /// Serve GET /db/KEY from this database of SQLite, through the pool; a new file gets a table of rows.
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// Rows of a new database, with keys from 0 on [default: 100000].
    #[arg(long, value_name = "N", value_parser = count::between(1, Database::KEYS_MAX))]
    db_keys: Option<u32>,
    /// Make the database for as long as the server lives: its file is removed once every thread has opened it.
    #[arg(long)]
    db_temporary: bool,
    /// What each query takes beyond its own time, such as 1ms: as if it waited for a disk [default: nothing].
    #[arg(long, value_name = "TIME", value_parser = query_time)]
    db_time: Option<Duration>,
    /// One query in so many is slow.
    #[arg(long, value_name = "N", value_parser = count::nonzero, requires = "db_slow")]
    db_slow_one_in: Option<NonZeroU32>,
    /// What a slow query takes instead.
    #[arg(long, value_name = "TIME", value_parser = query_time, requires = "db_slow_one_in")]
    db_slow: Option<Duration>,
    /// Threads for work that blocks, which all reactors share [default: 4].
    #[arg(long, value_name = "N", value_parser = count::between(1, Blocking::THREADS_MAX))]
    pool_threads: Option<u16>,
    /// Jobs that wait for a thread at most; one more is answered 503 with Retry-After. unbounded: as many as there may be
    /// connections [default: 1024].
    #[arg(long, value_name = "N", value_parser = queue)]
    pool_queue: Option<QueueLimit>,
    /// A job that waited longer is answered 503 instead of begun [default: none].
    #[arg(long, value_name = "TIME", value_parser = deadline)]
    pool_deadline: Option<Duration>,
    /// CPUs for the threads, in turn, such as 0,2-3 [default: all].
    #[arg(long, value_name = "LIST", value_parser = cpu_list)]
    pool_cpus: Option<CpuList>,
}

fn queue(text: &str) -> Result<QueueLimit, String> {
    if text == "unbounded" {
        return Ok(QueueLimit::Connections);
    }
    let places = count::between(1, QueueLimit::PLACES_MAX)(text).map_err(|error| format!("{error}, or unbounded"))?;
    NonZeroU32::new(places).map(QueueLimit::Places).ok_or_else(|| "at least one place".into())
}

fn query_time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time <= Database::TIME_MAX => Ok(time),
        Ok(_) => Err(format!("a query takes {} at most", humantime::format_duration(Database::TIME_MAX))),
        Err(error) => Err(error.to_string()),
    }
}

fn deadline(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(deadline) if deadline.is_zero() => {
            Err("0s leaves no time to begin; leave the option out for no limit".into())
        }
        Ok(deadline) => Ok(deadline),
        Err(error) => Err(error.to_string()),
    }
}

impl BlockingArgs {
    /// Refuses options without effect.
    ///
    /// # Errors
    /// Which, and what they need.
    pub(super) fn check_effects(&self, workload: Workload) -> Result<(), String> {
        let targets = [("--lab-routes", self.lab_routes), ("--db", self.db.is_some())];
        let of_database = [
            ("--db-keys", self.db_keys.is_some()),
            ("--db-temporary", self.db_temporary),
            ("--db-time", self.db_time.is_some()),
            ("--db-slow", self.db_slow.is_some()),
        ];
        let of_pool = [
            ("--pool-threads", self.pool_threads.is_some()),
            ("--pool-queue", self.pool_queue.is_some()),
            ("--pool-deadline", self.pool_deadline.is_some()),
            ("--pool-cpus", self.pool_cpus.is_some()),
        ];
        let first = |options: &[(&'static str, bool)]| options.iter().find(|(_, is_given)| *is_given).map(|it| it.0);
        if workload != Workload::Http
            && let Some(option) = first(&targets).or_else(|| first(&of_database)).or_else(|| first(&of_pool))
        {
            return Err(format!("{option} has no effect on {workload}, which has no targets: it needs http"));
        }
        if self.db.is_none()
            && let Some(option) = first(&of_database)
        {
            return Err(format!("{option} has no effect without --db FILE: there is no database"));
        }
        if first(&targets).is_none()
            && let Some(option) = first(&of_pool)
        {
            return Err(format!("{option} has no effect without --lab-routes or --db: no other target needs the pool"));
        }
        Ok(())
    }

    /// The settings that they stand for; `None` if no target needs them.
    pub(super) fn settings(&self) -> Option<Blocking> {
        let slow = self.db_slow_one_in.zip(self.db_slow).map(|(one_in, time)| SlowQueries { one_in, time });
        let database = self.db.clone().map(|file| Database {
            file,
            keys: self.db_keys.and_then(NonZeroU32::new).unwrap_or(Database::KEYS),
            is_temporary: self.db_temporary,
            time: self.db_time.unwrap_or_default(),
            slow,
        });
        (self.lab_routes || database.is_some()).then(|| Blocking {
            lab_routes: self.lab_routes,
            database,
            threads: self.pool_threads.and_then(NonZeroU16::new).unwrap_or(Blocking::THREADS),
            queue: self.pool_queue.unwrap_or_default(),
            deadline: self.pool_deadline,
            cpus: self.pool_cpus.as_ref().map_or(vec![], |list| list.0.clone()),
        })
    }
}
