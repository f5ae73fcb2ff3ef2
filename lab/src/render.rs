//! The report of a run that was published, from its record.

use std::path::Path;

use anyhow::Context;
use results::report::{self, Document, Table};
use results::run as run_directory;

use crate::experiments::{c10m, omission};
use crate::kinds::comparison::tables::tables;
use crate::record_file::{Kind, RecordFile};

/// The report of a run in `directory`, and its tables for a terminal; `None` for what is no run of `bench`.
///
/// # Errors
/// When the record, or what stands beside it, is damaged.
pub fn render(record: RecordFile, directory: &Path) -> anyhow::Result<Option<(Document, Vec<Table>)>> {
    let RecordFile { path, kind, document } = record;
    let rendered = match kind {
        Kind::Omission => omission::render(document, directory),
        Kind::Steps => c10m::render(document),
        Kind::Comparison => run_directory::of_json(document)
            .and_then(|record| run_directory::beside(record, directory))
            .map(|run| (report::document(&run.record, &run.curves, &run.points), tables(&run.record)))
            .map_err(anyhow::Error::from),
        Kind::Load | Kind::Knee | Kind::SelfTest => return Ok(None),
    };
    rendered.map(Some).with_context(|| format!("cannot read the record {}", path.display()))
}
