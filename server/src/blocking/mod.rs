//! Work that blocks, kept out of the reactors: a bounded pool of threads that all of them share, and the database.

mod database;
mod desk;
mod options;
mod pool;
mod stop;
mod work;

pub(crate) use desk::Desk;
pub use options::{Blocking, Database, QueueLimit, SlowQueries};
pub(crate) use pool::Pool;
pub(crate) use work::do_here;
