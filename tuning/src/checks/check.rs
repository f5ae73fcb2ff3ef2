//! What a check is, and what its judgement says. Data only: the checks are in the files beside this one.

use serde::Serialize;

use super::subject::Subject;
use crate::number::thousands;

/// How much attention a row deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Enough for the requested number of connections.
    Ok,
    /// Worth knowing when reading a measurement, or not readable here.
    Info,
    /// Will hurt at the requested number of connections, or needs a different set-up.
    Warn,
    /// The requested number of connections cannot work.
    Bad,
}

impl State {
    /// The word used in tables and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Info => "info",
            State::Warn => "warn",
            State::Bad => "bad",
        }
    }
}

/// A check: its subject, its source, and how to judge it.
pub(crate) struct Check {
    /// The name of the sysctl or of the limit, as a web search finds it.
    pub(crate) id: &'static str,
    /// The same in words.
    pub(crate) title: &'static str,
    /// Where the check and its constants come from.
    pub(crate) source: &'static str,
    pub(crate) kind: Kind,
}

/// Whether some number of connections can reach it, which decides who reads the check. A judgement reads only
/// the facts and the question.
pub(crate) enum Kind {
    /// No number of connections reaches it: the audit alone reads it.
    Setting(fn(&Subject<'_>) -> Finding),
    /// Some number of connections reaches it: the plan reads it.
    Limit(Limit),
}

impl Kind {
    /// A limit beyond which no further connection opens, or open ones are lost.
    pub(crate) const fn stops(
        unit: &'static str,
        alarm: Option<State>,
        judge: fn(&Subject<'_>) -> Option<Finding>,
    ) -> Kind {
        Kind::Limit(Limit { unit, effect: Effect::Stops, alarm, judge })
    }

    /// A limit beyond which everything goes on, but worse.
    pub(crate) const fn slows(
        unit: &'static str,
        alarm: Option<State>,
        judge: fn(&Subject<'_>) -> Option<Finding>,
    ) -> Kind {
        Kind::Limit(Limit { unit, effect: Effect::Slows, alarm, judge })
    }
}

/// What a limit has besides its name.
pub(crate) struct Limit {
    /// The unit of limit and need.
    pub(crate) unit: &'static str,
    pub(crate) effect: Effect,
    /// The state of an audit's row if the limit is hit; `None`: the audit does not show it.
    pub(crate) alarm: Option<State>,
    /// `None`: the limit does not apply to the request.
    pub(crate) judge: fn(&Subject<'_>) -> Option<Finding>,
}

/// What reaching a limit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// No further connection opens, or open ones are lost.
    Stops,
    /// Everything goes on, but worse.
    Slows,
}

/// When a command must run. The order follows the kernel's dependencies: a hard limit cannot exceed
/// fs.nr_open, and a namespace takes its table's size at creation and has its own settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Turn {
    /// Settings of the whole host.
    Host,
    /// Limits of the shell that starts the programs.
    Shell,
    /// A new network namespace.
    Namespace,
    /// Settings of the namespace the programs run in.
    Network,
    /// A flag of the programs; the commands that start them carry it.
    Flag,
}

/// A command that fixes what a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mend {
    pub(crate) turn: Turn,
    pub(crate) command: String,
}

/// A limit, compared with what the connections need of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measure {
    /// The current limit; `None`: there is none, or it cannot be read.
    pub(crate) limit: Option<u64>,
    /// What the requested connections need of it; `None` if unknown.
    pub(crate) need: Option<u64>,
    /// The most connections that the current limit allows; `None`: any number.
    pub(crate) hit_at: Option<u64>,
    /// Whether the host shows the limit.
    pub(crate) is_known: bool,
}

impl Measure {
    /// Whether `connections` are more than the limit allows.
    pub(crate) fn is_hit(&self, connections: u64) -> bool {
        self.hit_at.is_some_and(|most| most < connections)
    }
}

/// What a judgement says.
pub(crate) struct Finding {
    /// `None`: a setting, or a limit that does not apply to the request.
    pub(crate) measure: Option<Measure>,
    /// The state, if the measure and the check's alarm do not decide it.
    pub(crate) state: Option<State>,
    /// The value on this host, in words.
    pub(crate) found: String,
    /// The value that would be enough, in words.
    pub(crate) wanted: Option<String>,
    /// What the value means, or what happens at the limit: a sentence without its full stop.
    pub(crate) meaning: String,
    /// What an audit says instead if the limit is not hit.
    pub(crate) fine: Option<String>,
    /// Used only if something must be fixed.
    pub(crate) mend: Option<Mend>,
    /// What people can do where no command helps.
    pub(crate) way_out: Option<&'static str>,
}

impl Finding {
    /// The judgement of a setting.
    pub(crate) fn setting(state: State, found: impl Into<String>, meaning: impl Into<String>) -> Finding {
        Finding {
            measure: None,
            state: Some(state),
            found: found.into(),
            wanted: None,
            meaning: meaning.into(),
            fine: None,
            mend: None,
            way_out: None,
        }
    }

    /// The judgement of a limit.
    pub(crate) fn limit(
        limit: Option<u64>,
        need: impl Into<Option<u64>>,
        hit_at: Option<u64>,
        meaning: impl Into<String>,
    ) -> Finding {
        let need = need.into();
        Finding {
            measure: Some(Measure { limit, need, hit_at, is_known: true }),
            state: None,
            found: limit.map_or("unlimited".to_owned(), thousands),
            wanted: need.map(|need| format!("≥ {}", thousands(need))),
            meaning: meaning.into(),
            fine: None,
            mend: None,
            way_out: None,
        }
    }

    /// The host does not show the value. That is not a fault of the host, so it is not an alarm.
    pub(crate) fn not_readable() -> Finding {
        Finding::setting(State::Info, "not readable", "this kernel or container does not show it")
    }

    /// The same for a limit of which the connections need `need`.
    pub(crate) fn unknown(need: u64) -> Finding {
        let measure = Measure { limit: None, need: Some(need), hit_at: None, is_known: false };
        Finding { measure: Some(measure), ..Finding::not_readable() }
    }

    /// Whether the limit allows fewer than `connections`.
    pub(crate) fn is_hit(&self, connections: u64) -> bool {
        self.measure.is_some_and(|measure| measure.is_hit(connections))
    }

    pub(crate) fn state(mut self, state: State) -> Finding {
        self.state = Some(state);
        self
    }

    pub(crate) fn found(mut self, found: impl Into<String>) -> Finding {
        self.found = found.into();
        self
    }

    pub(crate) fn wanted(mut self, wanted: impl Into<String>) -> Finding {
        self.wanted = Some(wanted.into());
        self
    }

    pub(crate) fn fine(mut self, meaning: impl Into<String>) -> Finding {
        self.fine = Some(meaning.into());
        self
    }

    pub(crate) fn mend(mut self, turn: Turn, command: impl Into<String>) -> Finding {
        self.mend = Some(Mend { turn, command: command.into() });
        self
    }

    pub(crate) fn way_out(mut self, words: &'static str) -> Finding {
        self.way_out = Some(words);
        self
    }
}
