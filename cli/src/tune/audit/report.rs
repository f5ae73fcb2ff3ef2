//! All that an audit says, as `--json` prints it.

use serde::Serialize;
use tuning::hits::Hit;
use tuning::lint::Lint;
use tuning::{Audit, State};

/// All that an audit says.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) audit: Audit,
    /// The first limit that keeps so many connections from being open; absent: none.
    pub(super) first_wall: Option<&'static str>,
    /// The most connections of a server that fit now.
    pub(super) fits_now: Option<u64>,
    /// Limits that were hit, those that are being hit first.
    pub(super) hits: Vec<Hit>,
    /// Configuration files.
    pub(super) lint: Lint,
}

impl Report {
    /// Whether a check or a file is as bad as `least`, or worse.
    pub(super) fn is_as_bad_as(&self, least: State) -> bool {
        let states = self.audit.rows.iter().map(|row| row.state);
        states.chain(self.lint.mistakes.iter().map(|mistake| mistake.state)).any(|state| state >= least)
    }
}
