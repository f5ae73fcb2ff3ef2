//! Whether a run met its service level, clause by clause.

use serde::{Deserialize, Serialize};

/// Whether a run met its service level.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SloOutcome {
    /// Whether every clause held.
    pub held: bool,
    /// Every clause.
    pub clauses: Vec<SloClause>,
}

/// One clause and what was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SloClause {
    /// As written, without blanks.
    pub clause: String,
    /// What was measured; absent when it could not be.
    pub measured: Option<f64>,
    /// Unit of `measured`: `us`, `%` or `requests/s`.
    pub unit: String,
    /// Whether it held. What could not be measured does not hold.
    pub held: bool,
    /// Why it could not be judged, or what to bear in mind; empty otherwise.
    pub why: String,
}
