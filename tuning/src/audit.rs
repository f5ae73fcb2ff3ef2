//! The judgement of a host for a number of connections: one row for each rule. Reads nothing itself;
//! everything it says comes from the facts it is given.

use serde::Serialize;

use crate::number::counted;
use crate::rules::{self, Subject};
use host::Facts;

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

/// One judged setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The name of the sysctl or of the limit; what a search engine knows it by.
    pub id: String,
    /// The same in words.
    pub title: &'static str,
    /// The value on this host.
    pub found: String,
    /// The judgement.
    pub state: State,
    /// What the value means for the wanted number of connections.
    pub meaning: String,
    /// The value that would be enough, where there is one.
    pub wanted: Option<String>,
    /// A command that mends it. The audit itself never runs one.
    pub command: Option<String>,
    /// Where the rule and its constants come from.
    pub source: &'static str,
}

/// Whether a ring can be set up. Trying it needs the server's code, so the caller says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IoUring {
    /// A ring was set up.
    Available,
    /// It was not, with the reason.
    Unavailable(String),
}

/// How many rows there are of each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Rows that are fine.
    pub ok: usize,
    /// Rows worth knowing.
    pub info: usize,
    /// Rows that will hurt.
    pub warn: usize,
    /// Rows that stand in the way.
    pub bad: usize,
}

/// A whole audit: what was asked, what was found and what was known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// The wanted number of connections.
    pub connections: u64,
    /// Rows of each state.
    pub tally: Tally,
    /// One row for each rule, then one for each file that could not be understood.
    pub rows: Vec<Row>,
    /// What the rows were judged by.
    pub facts: Facts,
}

impl Audit {
    /// Judges `facts` for a server of `connections`, one reactor on each processor as `c10m serve`
    /// does by default, with the load generator possibly on the same host.
    pub fn new(facts: Facts, connections: u64, io_uring: &IoUring) -> Audit {
        let subject = Subject::new(&facts, connections, io_uring);
        let mut rows: Vec<Row> = rules::all().map(|rule| rule.row(&subject)).collect();
        rows.extend(facts.errors.iter().map(|error| Row {
            id: error.path.clone(),
            title: "contents not understood",
            found: error.found.clone(),
            state: State::Warn,
            meaning: format!("expected {}; the rules that need it were not judged", error.expected),
            wanted: Some(error.expected.to_owned()),
            command: None,
            source: "proc(5)",
        }));
        Audit { connections, tally: Tally::of(&rows), rows, facts }
    }
}

impl Tally {
    fn of(rows: &[Row]) -> Tally {
        let mut tally = Tally::default();
        for row in rows {
            *match row.state {
                State::Ok => &mut tally.ok,
                State::Info => &mut tally.info,
                State::Warn => &mut tally.warn,
                State::Bad => &mut tally.bad,
            } += 1;
        }
        tally
    }

    /// One line for the end of a table.
    pub fn sentence(&self, connections: u64) -> String {
        format!(
            "For {}: {} ok, {} info, {} warn, {} bad.",
            counted(connections, "connection", "connections"),
            self.ok,
            self.info,
            self.warn,
            self.bad
        )
    }
}
