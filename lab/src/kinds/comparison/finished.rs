//! The results of a comparison as its journal keeps them, one by one.

use results::record::{Point, RunOfCell};
use serde::{Deserialize, Serialize};

use crate::kinds::comparison::pilot::Pilot;
use crate::session::journal::{self, Journal};
use crate::subjects::job::Raw;
use crate::subjects::opening::Opening;

/// One result. The names of the variants are part of the journal's format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finished {
    Pilot(Pilot),
    Run(Box<Entry>),
    /// What connections cost by themselves, by [`crate::subjects::opening::key`].
    Opening {
        key: String,
        opening: Opening,
    },
}

/// One finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) run: RunOfCell,
    /// What both programs printed, without histograms and intervals.
    pub(crate) raw: Raw,
    /// The response times in Base64, if the generator has a histogram.
    pub(crate) responses: Option<String>,
    pub(crate) points: Vec<Point>,
}

impl journal::Finished for Finished {
    fn is_run(&self) -> bool {
        matches!(self, Finished::Run(_))
    }
}

/// The pilot, once it is done.
pub(crate) fn pilot(journal: &Journal<Finished>) -> Option<&Pilot> {
    journal.finished().find_map(|piece| match piece {
        Finished::Pilot(pilot) => Some(pilot),
        _ => None,
    })
}

/// The runs of a journal, in order.
pub(crate) fn runs(journal: &Journal<Finished>) -> impl Iterator<Item = &Entry> {
    journal.finished().filter_map(|piece| match piece {
        Finished::Run(entry) => Some(&**entry),
        _ => None,
    })
}

/// What connections cost by themselves, by key.
pub(crate) fn openings(journal: &Journal<Finished>) -> impl Iterator<Item = (&str, &Opening)> {
    journal.finished().filter_map(|piece| match piece {
        Finished::Opening { key, opening } => Some((key.as_str(), opening)),
        _ => None,
    })
}
