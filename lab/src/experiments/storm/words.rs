//! What a storm showed, in words, and what it should have shown.

use super::arms::{BEST, IMMEDIATE, IMMEDIATE_SLOW};
use super::figures::{BELOW_HALF, MOST, NOBODY, OUTAGES, SERVED, SERVICE, WATCHED};
use super::scenes::Scene;
use crate::kinds::scenario::remedies::record::Record;

/// A storm keeps itself going (it is metastable) if service stays below half of what it was for so long after the server's
/// return. In less time nobody can tell.
const METASTABLE_S: f64 = 10.0;

/// Nearly every client has to lose its connection, or there was no storm.
pub(super) fn all_are_lost(record: &Record) -> Option<String> {
    // What a fault of another group does is what that group is about.
    let judged = record.remedies.iter().filter(|arm| arm.group.is_none());
    // A record that is older than the figure does not tell.
    let least = judged.filter_map(|arm| record.median(arm, OUTAGES)).fold(f64::INFINITY, f64::min);
    (least < 90.0).then(|| format!("there were outages of only {least:.0} % of the clients"))
}

/// Every other fault has to be felt, too: a command that does nothing fails without a word (`ss --kill` where the kernel has no
/// CONFIG_INET_DIAG_DESTROY).
pub(super) fn faults_are_felt(record: &Record) -> Option<String> {
    let other = [Scene::faults().title, Scene::host().title];
    let faults = record.remedies.iter().filter(|arm| other.contains(&arm.group.as_deref()));
    faults
        .filter_map(|arm| Some((arm, record.median(arm, OUTAGES)?)))
        .find(|(_, percent)| *percent < 90.0)
        .map(|(arm, percent)| format!("there were outages of only {percent:.0} % of the clients in \"{}\"", arm.name))
}

/// Some way has to bring the clients back, or the server is simply too slow for them.
pub(super) fn some_come_back(record: &Record) -> Option<String> {
    let served = record.remedies().filter_map(|arm| record.median(arm, SERVED));
    let best = served.fold(0.0, f64::max);
    (best < 90.0).then(|| format!("no way brought more than {best:.0} % of the clients back"))
}

pub(super) fn happened(record: &Record) -> String {
    let of = |arm, figure| record.median_of(arm, figure).unwrap_or(0.0);
    let soon = record.quotable_time(BEST, MOST);
    let soon = soon.map_or(String::new(), |s| format!(", 99 % of them {s:.1} s after the server was back"));
    format!(
        "{}. Of 10,000 clients that try again at once {:.0} % had service when the run ended, and {:.0} % of the logins were for nobody; \
         with a short accept queue and attempts at random times {:.0} % had service{soon}.",
        verdict(record),
        of(IMMEDIATE, SERVED),
        of(IMMEDIATE, NOBODY),
        of(BEST, SERVED),
    )
}

/// Whether the storm outlived its cause, as far as this run can tell.
fn verdict(record: &Record) -> String {
    const BUSY: &str = "the server was back and busy, but with logins of clients that had given up waiting";
    // Where a login takes so long that only the server is held up, if that was measured.
    let slow = record.arm(IMMEDIATE_SLOW).filter(|arm| !arm.runs.is_empty());
    let arm = slow.or_else(|| record.arm(IMMEDIATE));
    let of = |figure| record.median(arm?, figure);
    let (Some(service), Some(below_s), Some(watched_s)) = (of(SERVICE), of(BELOW_HALF), of(WATCHED)) else {
        return "Whether the storm kept itself going is not known".to_owned();
    };
    let among = if slow.is_some() { " among 2,000 clients whose logins cost 1 ms" } else { "" };
    match (service < 50.0, below_s >= METASTABLE_S) {
        (true, true) => format!(
            "The storm{among} kept itself going, which is a metastable failure: for {below_s:.0} of the {watched_s:.0} s that it was watched after \
             its cause was over, service was less than half of before; {BUSY}"
        ),
        (true, false) => format!(
            "The storm{among} was not over in the {watched_s:.1} s that it was watched, too short to say that it keeps itself going: {BUSY}"
        ),
        (false, _) => format!("The server worked the storm{among} off within the {watched_s:.1} s that it was watched"),
    }
}

#[cfg(test)]
mod tests;
