//! The tables that `bench` prints, and the answer below them.

use results::judged::Judged;
use results::record::Record;
use results::report;

/// The tables of a report that a terminal has room for.
pub(crate) fn tables(record: &Record) -> Vec<report::Table> {
    let judged = Judged::of(record);
    let rest = report::champions_table(record, &judged).into_iter().chain(report::agreement_table(record));
    report::matrix(record, &judged).into_iter().chain(rest).collect()
}
