//! Answers Brendan Gregg's six questions to every benchmark from the record, or says what the record lacks.

use super::verdicts::{Contest, account};
use crate::figures::{count, measure, percent, ratio};
use crate::record::{Loop, Record, RunOfCell, VerdictState};
use crate::stats::{Judgement, median};

/// The six questions, each with its answer.
pub(super) fn answers(record: &Record, contests: &[Contest<'_>]) -> Vec<String> {
    vec![
        format!("Why not double? {}", why_not_double(record)),
        format!("Did it break limits? {}", limits(record)),
        format!("Did it fail? {}", errors(record)),
        format!("Does it reproduce? {}", reproduces(record, contests)),
        format!("Does it matter? {}", matters(record, contests)),
        format!("Did it even happen? {}", happened(record)),
    ]
}

fn runs(record: &Record) -> impl Iterator<Item = &RunOfCell> {
    record.cells.iter().flat_map(|cell| &cell.runs)
}

/// The server's busy time, or, where that is not known, its own.
fn of_server(run: &RunOfCell) -> Option<f64> {
    run.server_core_us_per_request.or(run.server_run_us_per_request)
}

/// Processors that a rate keeps busy at a cost.
fn busy(run: &RunOfCell, cost_us: Option<f64>) -> Option<f64> {
    Some(cost_us? * run.requests_per_second / 1e6).filter(|share| share.is_finite())
}

fn why_not_double(record: &Record) -> String {
    let closed: Vec<&RunOfCell> =
        record.cells.iter().filter(|cell| cell.load_loop == Loop::Closed).flat_map(|cell| &cell.runs).collect();
    let middle = |of: fn(&RunOfCell) -> Option<f64>| {
        median(&closed.iter().filter_map(|run| busy(run, of(run))).collect::<Vec<f64>>())
    };
    let server = middle(of_server);
    let client = middle(|run| run.client_cpu_us_per_request);
    match (server, client) {
        _ if closed.is_empty() => {
            "All loads have a fixed rate: it was not sought how much more there could have been.".to_owned()
        }
        (Some(server), Some(client)) => format!(
            "In the median closed loop the server kept {} processors busy and the load generator {}; {}.",
            measure(server),
            measure(client),
            if server >= 0.9 && server >= client {
                "the server's processor was the limit"
            } else if client >= 0.9 {
                "the load generator was at its limit too, so throughput is not the server's alone"
            } else {
                "neither was full: connections in flight, or processors that the hypervisor gave to others, were the limit"
            }
        ),
        _ => "The record has no CPU time of both sides, so it cannot say what the limit was.".to_owned(),
    }
}

fn limits(record: &Record) -> String {
    let most = |of: fn(&RunOfCell) -> Option<f64>| {
        runs(record)
            .filter_map(|run| busy(run, of(run)))
            .fold(None, |most: Option<f64>, busy| Some(most.unwrap_or(busy).max(busy)))
    };
    let words = |busy: Option<f64>| busy.map_or("an unknown number of".to_owned(), measure);
    format!(
        "The busiest run needed {} processors for the server and {} for the load generator. Loopback has no line rate to exceed; \
         nothing else bounds these figures from outside.",
        words(most(of_server)),
        words(most(|run| run.client_cpu_us_per_request))
    )
}

fn errors(record: &Record) -> String {
    let (errors, completed) = runs(record).fold((0, 0), |sum, run| (sum.0 + run.errors, sum.1 + run.completed));
    let state = |state| runs(record).filter(|run| run.verdict.state == state).count();
    format!(
        "{} failed requests, {} answered correctly. Of {} runs, {} are VALID, {} WARN, {} INVALID.",
        count(errors as f64),
        count(completed as f64),
        runs(record).count(),
        state(VerdictState::Valid),
        state(VerdictState::Warn),
        state(VerdictState::Invalid)
    )
}

fn reproduces(record: &Record, contests: &[Contest<'_>]) -> String {
    let spreads = record.cells.iter().filter_map(|cell| {
        let range = record.metric.range(&cell.summary)?;
        (range.count > 1).then(|| range.spread())?
    });
    let spread = median(&spreads.collect::<Vec<f64>>());
    let within = match spread {
        Some(spread) => format!(
            "Within this run: {} repeats, the server restarted for each; the median arm spread over {} of its median.",
            record.repeats,
            percent(spread)
        ),
        None => "Within this run: not known, there is only one repeat.".to_owned(),
    };
    let comparisons = account(contests).comparisons;
    let tail = if comparisons == 0 { "" } else { " The intervals say how much of that may be noise." };
    format!("{within}{tail} Of other runs it says nothing: `c10m compare` does.")
}

fn matters(record: &Record, contests: &[Contest<'_>]) -> String {
    let entries = || contests.iter().flat_map(|contest| contest.entries.iter().map(move |entry| (contest, entry)));
    let decided = entries()
        .filter(|(_, entry)| matches!(entry.judgement(), Judgement::Better | Judgement::Worse))
        .filter_map(|(contest, entry)| Some((contest, entry, entry.comparison?.ratio)))
        .max_by(|a, b| a.2.ln().abs().total_cmp(&b.2.ln().abs()));
    let least = percent(record.decision.effect_min);
    match decided {
        Some((contest, entry, factor)) => format!(
            "Less than {least} is not counted. The largest difference: {}, {} needs {} times the {} of {}.",
            contest.title,
            entry.cell.arm,
            ratio(factor),
            record.metric.words(),
            contest.reference.map_or("the reference", |cell| cell.arm.as_str())
        ),
        None => format!("Less than {least} is not counted, and no difference was found that is known to be larger."),
    }
}

fn happened(record: &Record) -> String {
    let both: Vec<(u64, u64)> =
        runs(record).filter_map(|run| run.replies_whole_run.zip(run.served_whole_run)).collect();
    let equal = both.iter().filter(|(replies, served)| replies == served).count();
    match both.len() {
        0 => "The record does not hold the server's own count of whole runs, so only the load generator says so; it verified every reply.".to_owned(),
        all => format!(
            "The load generator's count of good replies equals the server's count of requests in {equal} of {all} runs that have both."
        ),
    }
}
