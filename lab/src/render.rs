//! Renders the report of a published run from its record.

use std::path::Path;

use anyhow::Context;
use results::report::{Document, Table};

use crate::experiments;
use crate::kinds::comparison::experiment::render as render_comparison;
use crate::record_file::{Kind, RecordFile};

/// The report of a run in `directory`, and its tables for a terminal. `None` when `bench` did not write the record.
///
/// # Errors
/// When the record or another file of the run is damaged.
pub fn render(record: RecordFile, directory: &Path) -> anyhow::Result<Option<(Document, Vec<Table>)>> {
    let RecordFile { path, kind, document } = record;
    let rendered = match kind {
        Kind::Comparison => render_comparison(document, directory),
        Kind::Scenario(name) => match experiments::find(name) {
            Some(experiment) => experiment.render(document, directory),
            None => return Ok(None),
        },
        Kind::Load | Kind::Knee | Kind::SelfTest => return Ok(None),
    };
    rendered.map(Some).with_context(|| format!("cannot read the record {}", path.display()))
}
