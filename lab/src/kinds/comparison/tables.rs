//! A comparison on a terminal.

use results::record::Record;
use results::report;

/// The tables of a report that a terminal has room for.
pub(crate) fn tables(record: &Record) -> Vec<report::Table> {
    let overview = report::overview_table(record).into_iter();
    let rest = report::agreement_table(record).into_iter().chain(report::memory_table(record));
    report::table_rows(record).into_iter().chain(report::ratio_tables(record)).chain(overview).chain(rest).collect()
}
