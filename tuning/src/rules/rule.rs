//! What a rule is, and what its judgement says. Data only: the rules stand in the files beside this one.

use serde::Serialize;

use super::subject::Subject;
use crate::number::thousands;

/// How much attention a row deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Enough for the wanted number of connections.
    Ok,
    /// Worth knowing when reading a measurement, or not readable here.
    Info,
    /// Will hurt at the wanted number of connections, or needs a different set-up.
    Warn,
    /// The wanted number of connections cannot work.
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

/// A rule: what it is about, where that can be looked up, and how to judge it.
pub(crate) struct Rule {
    /// The name of the sysctl or of the limit; what a search engine knows it by.
    pub(crate) id: &'static str,
    /// The same in words.
    pub(crate) title: &'static str,
    /// Where the rule and its constants come from.
    pub(crate) source: &'static str,
    pub(crate) kind: Kind,
}

/// Whether a number of connections can reach it, which decides who reads the rule. A judgement reads the
/// facts and the question, and nothing else.
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

    /// A limit beyond which everything goes on, worse.
    pub(crate) const fn slows(
        unit: &'static str,
        alarm: Option<State>,
        judge: fn(&Subject<'_>) -> Option<Finding>,
    ) -> Kind {
        Kind::Limit(Limit { unit, effect: Effect::Slows, alarm, judge })
    }
}

/// What a limit has beside its name.
pub(crate) struct Limit {
    /// What limit and need are counted in.
    pub(crate) unit: &'static str,
    pub(crate) effect: Effect,
    /// The state of an audit's row when the limit is hit; `None`: the audit does not show it.
    pub(crate) alarm: Option<State>,
    /// `None`: the limit does not exist for what was asked.
    pub(crate) judge: fn(&Subject<'_>) -> Option<Finding>,
}

/// What reaching a limit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// No further connection opens, or open ones are lost.
    Stops,
    /// Everything goes on, worse.
    Slows,
}

/// When a command has its turn. The order is that of the kernel's dependencies: a hard limit cannot
/// exceed fs.nr_open, a namespace takes its table's size at birth and has settings of its own.
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

/// A command that mends what a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mend {
    pub(crate) turn: Turn,
    pub(crate) command: String,
}

/// A limit against what the connections need of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measure {
    /// The limit as it stands; `None`: there is none, or it cannot be read.
    pub(crate) limit: Option<u64>,
    /// What the wanted connections need of it; `None` where nothing can be said.
    pub(crate) need: Option<u64>,
    /// The most connections that get by with the limit as it stands; `None`: any number does.
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
    /// `None`: a setting, or a limit that does not apply to what was asked.
    pub(crate) measure: Option<Measure>,
    /// The state, where the measure and the rule's alarm do not decide it.
    pub(crate) state: Option<State>,
    /// The value on this host, in words.
    pub(crate) found: String,
    /// The value that would be enough, in words.
    pub(crate) wanted: Option<String>,
    /// What the value means, or what happens at the limit: a sentence without its full stop.
    pub(crate) meaning: String,
    /// What an audit says instead while the limit is not hit.
    pub(crate) fine: Option<String>,
    /// Used only where something is to be mended.
    pub(crate) mend: Option<Mend>,
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
        }
    }

    /// The host does not say. That is no fault of the host, so it is no alarm.
    pub(crate) fn not_readable() -> Finding {
        Finding::setting(State::Info, "not readable", "this kernel or container does not show it")
    }

    /// The same of a limit of which the connections need so much.
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
}
