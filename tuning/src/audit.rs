//! Judges a host for a number of connections: one row for each check. Reads nothing itself; it judges only the
//! facts it is given.

use serde::Serialize;

use crate::checks;
use crate::checks::check::{Check, Finding, Kind, Limit, State};
use crate::checks::subject::{IoUring, Subject};
use crate::host::Host;
use crate::number::counted;
use crate::request::Side;
use ::host::Facts;

/// One judged setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The name of the sysctl or of the limit, as a web search finds it.
    pub id: String,
    /// The same in words.
    pub title: &'static str,
    /// The value on this host.
    pub found: String,
    /// The judgement.
    pub state: State,
    /// What the value means for the requested number of connections.
    pub meaning: String,
    /// The value that would be enough, if there is one.
    pub wanted: Option<String>,
    /// A command that mends it. The audit itself never runs one.
    pub command: Option<String>,
    /// Where the check and its constants come from.
    pub source: &'static str,
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
    /// Rows that make the number impossible.
    pub bad: usize,
}

/// A whole audit: the question, the findings and the facts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// The wanted number of connections.
    pub connections: u64,
    /// Rows of each state.
    pub tally: Tally,
    /// One row for each check, then one for each file that could not be understood.
    pub rows: Vec<Row>,
    /// The facts behind the rows.
    pub facts: Facts,
}

impl Audit {
    /// Judges `facts` for a server of `connections`, one reactor on each processor as `c10m serve`
    /// does by default, with the load generator possibly on the same host.
    pub fn new(facts: Facts, connections: u64, io_uring: &IoUring) -> Audit {
        let host = Host::unseen();
        let [both, one] =
            [Side::Both, Side::Server].map(|side| Subject::audit(&facts, &host, connections, side, io_uring));
        let mut rows: Vec<Row> = checks::for_audit().filter_map(|check| row(check, &both, &one)).collect();
        rows.extend(facts.errors.iter().map(|error| Row {
            id: error.path.clone(),
            title: "contents not understood",
            found: error.found.clone(),
            state: State::Warn,
            meaning: format!("expected {}; the checks that need it were not judged", error.expected),
            wanted: Some(error.expected.to_owned()),
            command: None,
            source: "proc(5)",
        }));
        Audit { connections, tally: Tally::of(&rows), rows, facts }
    }
}

/// The row of a check for hosts that carry `both` ends of every connection, or only `one`.
fn row(check: &Check, both: &Subject<'_>, one: &Subject<'_>) -> Option<Row> {
    let (mut finding, alarm) = match &check.kind {
        Kind::Setting(judge) => (judge(both), State::Info),
        Kind::Limit(limit) => {
            let alarm = limit.alarm?;
            ((limit.judge)(both)?, alarm)
        }
    };
    let is_hit = finding.is_hit(both.connections);
    let state = match (finding.state, &check.kind) {
        (Some(state), _) => state,
        _ if !is_hit => State::Ok,
        (None, Kind::Limit(limit)) if alarm == State::Bad && fits(limit, one) => {
            finding.meaning.push_str("; the server's end alone fits");
            State::Warn
        }
        _ => alarm,
    };
    let Finding { found, wanted, meaning, fine, mend, .. } = finding;
    Some(Row {
        id: check.id.to_owned(),
        title: check.title,
        found,
        state,
        meaning: fine.filter(|_| !is_hit).unwrap_or(meaning),
        wanted,
        command: mend.filter(|_| state != State::Ok).map(|mend| mend.command),
        source: check.source,
    })
}

fn fits(limit: &Limit, subject: &Subject<'_>) -> bool {
    (limit.judge)(subject).is_some_and(|finding| !finding.is_hit(subject.connections))
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
