//! One link of a plan's chain: a limit, and its effect on the requested number of connections.

use serde::Serialize;

use crate::checks::check::{Check, Effect, Kind, Mend};
use crate::checks::subject::Subject;

/// The effect of a limit on the requested number of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing: there is room.
    Holds,
    /// They work, but something is slower or fails while they open or close.
    Slows,
    /// They cannot all be open.
    Wall,
    /// The host does not say what the limit is.
    Unknown,
}

impl Verdict {
    /// The word used in tables and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::Slows => "slows",
            Verdict::Wall => "wall",
            Verdict::Unknown => "unknown",
        }
    }
}

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// The name of the sysctl or of the limit.
    pub id: &'static str,
    /// The same in words.
    pub title: &'static str,
    /// The current limit; `None`: there is none, or it cannot be read.
    pub limit: Option<u64>,
    /// What the requested connections need of it; `None` if unknown.
    pub need: Option<u64>,
    /// The unit of both.
    pub unit: &'static str,
    /// The most connections that the current limit allows; `None`: any number.
    pub hit_at: Option<u64>,
    /// What that means for the requested number.
    pub verdict: Verdict,
    /// Why, in a sentence without its full stop.
    pub meaning: String,
    /// The command that moves it, if there is one and it is needed.
    pub command: Option<String>,
    /// Where the limit and its arithmetic come from.
    pub source: &'static str,
}

/// A link, with what other parts of a plan need to know about its check.
pub(super) struct Judged {
    pub(super) link: Link,
    /// Present only if something must be fixed.
    pub(super) mend: Option<Mend>,
    /// Whether no connection opens beyond it.
    pub(super) stops: bool,
}

impl Judged {
    /// `None`: the check is not a limit, or does not apply to the request.
    pub(super) fn new(check: &Check, subject: &Subject<'_>) -> Option<Judged> {
        let Kind::Limit(limit) = &check.kind else { return None };
        let finding = (limit.judge)(subject)?;
        let measure = finding.measure?;
        let verdict = match (measure.is_known, measure.is_hit(subject.connections), limit.effect) {
            (false, ..) => Verdict::Unknown,
            (true, false, _) => Verdict::Holds,
            (true, true, Effect::Stops) => Verdict::Wall,
            (true, true, Effect::Slows) => Verdict::Slows,
        };
        let mend = finding.mend.filter(|_| matches!(verdict, Verdict::Wall | Verdict::Slows));
        let link = Link {
            id: check.id,
            title: check.title,
            limit: measure.limit,
            need: measure.need,
            unit: limit.unit,
            hit_at: measure.hit_at,
            verdict,
            meaning: finding.meaning,
            command: mend.as_ref().map(|mend| mend.command.clone()),
            source: check.source,
        };
        Some(Judged { link, mend, stops: limit.effect == Effect::Stops })
    }
}
