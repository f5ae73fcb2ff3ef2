//! What a function found in a line. Data only.

use crate::State;
use crate::lint::line::Line;
use crate::lint::mistake::{Mistake, MistakeKind};

/// A mistake without its kind.
pub(super) struct Found {
    at: Line,
    state: State,
    says: String,
    mend: String,
    source: Option<String>,
}

impl Found {
    /// The system refuses it, or something breaks.
    pub(super) fn bad(at: &Line, says: impl Into<String>) -> Found {
        Found::new(State::Bad, at, says)
    }

    /// It hurts, or has no effect.
    pub(super) fn warn(at: &Line, says: impl Into<String>) -> Found {
        Found::new(State::Warn, at, says)
    }

    /// Advice.
    pub(super) fn info(at: &Line, says: impl Into<String>) -> Found {
        Found::new(State::Info, at, says)
    }

    pub(super) fn new(state: State, at: &Line, says: impl Into<String>) -> Found {
        Found { at: at.clone(), state, says: says.into(), mend: String::new(), source: None }
    }

    /// What to write instead.
    pub(super) fn mend(self, mend: impl Into<String>) -> Found {
        Found { mend: mend.into(), ..self }
    }

    /// Where it is documented, if the kind's own source is not the best one.
    pub(super) fn source(self, source: &[String]) -> Found {
        Found { source: (!source.is_empty()).then(|| source.join("; ")), ..self }
    }

    pub(super) fn mistake(self, id: MistakeKind, source: &'static str) -> Mistake {
        let Found { at, state, says, mend, source: own } = self;
        let source = own.unwrap_or_else(|| source.to_owned());
        Mistake { id, state, file: at.file, line: at.number, text: at.text, says, mend, source }
    }
}
