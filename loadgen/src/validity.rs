//! Whether the measurement deserves belief: the generator checks itself, not the server.
//!
//! A slow or failing server makes a bad result; a late generator, lost connections or requests that
//! nobody accounts for make an invalid one. Each check states its thresholds in the record.

use crate::record::{Check, Connections, RequestCounts, State, Summary, Verdict};

/// V1: Caladan warns below 99.9 % and aborts below 95 % of scheduled requests sent.
const SENT_SHARE_WARN: f64 = 0.999;
const SENT_SHARE_INVALID: f64 = 0.95;
/// V2: mutated counts sends over 100 µs late as missed; fortio objects to 5 % of sleeps behind.
const LATE_100US_SHARE_WARN: f64 = 0.001;
const LATE_SHARE_INVALID: f64 = 0.05;
/// V2: of the reported p99.9, the part that may be the generator's own lateness.
const LATE_TAIL_SHARE_WARN: f64 = 0.5;
/// V4: Hyperfoil wants 20 % of each core idle; memtier at 95 % was found to measure itself.
const CPU_SHARE_WARN: f64 = 0.80;
const CPU_SHARE_INVALID: f64 = 0.95;
/// V8: a quantile p is sound while under half of the samples above it are missing; here p = 0.99.
const MISSING_SHARE_WARN: f64 = 0.005;
const MISSING_SHARE_INVALID: f64 = 0.01;
/// V9: share of the connections asked for that were there, and stayed.
const CONNECTION_SHARE_WARN: f64 = 0.9999;
const CONNECTION_SHARE_INVALID: f64 = 0.999;
/// V13: p99 needs 10 samples above it; under 6 above the median there is no upper bound for it either.
const SAMPLES_WARN: u64 = 1000;
const SAMPLES_INVALID: u64 = 12;

/// What the checks look at.
#[derive(Debug, Clone, Default)]
pub struct Evidence<'a> {
    /// `closed`, `open` or `idle`.
    pub mode: &'a str,
    /// Requests of the window.
    pub requests: Option<&'a RequestCounts>,
    /// Connections.
    pub connections: Option<&'a Connections>,
    /// Response times.
    pub response: Option<&'a Summary>,
    /// Lateness of the generator.
    pub lateness: Option<&'a Summary>,
    /// Sends later than 100 µs.
    pub late_100us: u64,
    /// Sends later than 1 ms and than a tenth of the median response.
    pub late_far: u64,
    /// Share of the window for which the busiest worker was on a CPU.
    pub busiest_worker_share: f64,
    /// Connects and requests that failed because the host was short of something.
    pub host_shortages: u64,
    /// Times beyond the range of the histograms.
    pub clamped: u64,
    /// Whether the target is on this host.
    pub is_co_located: bool,
}

/// Runs every check.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let requests = evidence.requests.cloned().unwrap_or_default();
    let connections = evidence.connections.cloned().unwrap_or_default();
    let is_idle = evidence.mode == "idle";
    let checks = vec![
        sent(&requests),
        lateness(evidence),
        generator_cpu(evidence),
        accounting(&requests, &connections, evidence.response, is_idle),
        missing(&requests),
        held(&connections),
        shortages(evidence.host_shortages),
        samples(requests.completed, is_idle),
        clamped(evidence.clamped),
        co_location(evidence.is_co_located),
    ];
    Verdict { state: checks.iter().map(|check| check.state).max().unwrap_or_default(), checks }
}

/// A check from its parts; `why` is kept only when there is something to explain.
fn check(id: &str, title: &str, value: String, warn: String, invalid: String, state: State, why: &str) -> Check {
    let why = if state == State::Valid { String::new() } else { why.to_owned() };
    Check { id: id.into(), title: title.into(), value, warn, invalid, state, why }
}

fn state(is_warn: bool, is_invalid: bool) -> State {
    match (is_warn, is_invalid) {
        (_, true) => State::Invalid,
        (true, false) => State::Warn,
        (false, false) => State::Valid,
    }
}

fn percent(share: f64) -> String {
    format!("{:.3} %", share * 100.0)
}

/// `part / whole`, or `empty` when there is no whole.
fn share(part: u64, whole: u64, empty: f64) -> f64 {
    if whole == 0 { empty } else { part as f64 / whole as f64 }
}

fn sent(requests: &RequestCounts) -> Check {
    let sent = share(requests.sent, requests.scheduled, 1.0);
    check(
        "V1",
        "scheduled requests that were sent",
        percent(sent),
        format!("< {}", percent(SENT_SHARE_WARN)),
        format!("< {}", percent(SENT_SHARE_INVALID)),
        state(sent < SENT_SHARE_WARN, sent < SENT_SHARE_INVALID),
        "no connection was free for the rest: the target or the generator cannot keep up with this rate on this many \
         connections; lower --rate or raise --connections",
    )
}

fn lateness(evidence: &Evidence<'_>) -> Check {
    let count = evidence.lateness.map_or(0, |lateness| lateness.count);
    let (late, far) = (share(evidence.late_100us, count, 0.0), share(evidence.late_far, count, 0.0));
    let tail = |summary: Option<&Summary>| summary.and_then(|summary| summary.p99_9);
    let owns_tail = match (tail(evidence.lateness), tail(evidence.response)) {
        (Some(own), Some(all)) => own >= all * LATE_TAIL_SHARE_WARN,
        _ => false,
    };
    check(
        "V2",
        "sends later than intended",
        format!("{} by > 100 us, {} far", percent(late), percent(far)),
        format!("> {} by > 100 us, or half of the response p99.9", percent(LATE_100US_SHARE_WARN)),
        format!("> {} by > 1 ms and > p50 / 10", percent(LATE_SHARE_INVALID)),
        state(late > LATE_100US_SHARE_WARN || owns_tail, far > LATE_SHARE_INVALID),
        "the generator itself was late, and response times contain that; service_us does not. Give it CPUs of its own \
         (--cpus), more --threads, or a lower --rate",
    )
}

fn generator_cpu(evidence: &Evidence<'_>) -> Check {
    let busy = evidence.busiest_worker_share;
    let is_open = evidence.mode == "open";
    let why = match is_open {
        true => "a worker had hardly a pause: part of the response time is its own; add --threads or lower --rate",
        false => "a closed loop keeps its worker busy: throughput may be the generator's limit, not the target's",
    };
    check(
        "V4",
        "CPU share of the busiest worker",
        percent(busy),
        format!(">= {}", percent(CPU_SHARE_WARN)),
        if is_open { format!(">= {}", percent(CPU_SHARE_INVALID)) } else { "-".into() },
        state(busy >= CPU_SHARE_WARN, is_open && busy >= CPU_SHARE_INVALID),
        why,
    )
}

/// Every identity holds exactly, or the program has a bug and no number of it counts.
fn accounting(requests: &RequestCounts, connections: &Connections, response: Option<&Summary>, is_idle: bool) -> Check {
    let unanswered = requests.timed_out + requests.censored + requests.unsent;
    let identities = [
        ("scheduled = sent + unsent", requests.scheduled, requests.sent + requests.unsent),
        (
            "sent = completed + failed + timed_out + censored",
            requests.sent,
            requests.completed + requests.failed + requests.timed_out + requests.censored,
        ),
        ("errors = failed + timed_out", requests.errors.values().sum(), requests.failed + requests.timed_out),
        (
            "response times = completed + timed_out + censored + unsent",
            response.map_or(0, |response| response.count),
            requests.completed + unanswered,
        ),
        (
            "attempts = opened + failed + pending",
            connections.attempts,
            connections.opened + connections.failed + connections.pending,
        ),
        ("opened = open + lost + closed", connections.opened, connections.open + connections.lost + connections.closed),
        ("no requests while idle", if is_idle { requests.scheduled } else { 0 }, 0),
    ];
    let broken: Vec<String> = identities
        .iter()
        .filter(|(_, left, right)| left != right)
        .map(|(name, left, right)| format!("{name}: {left} and {right}"))
        .collect();
    let value = if broken.is_empty() { format!("{} identities hold", identities.len()) } else { broken.join("; ") };
    let why = "the counters contradict one another: a bug of the generator";
    check("V7", "accounting", value, "-".into(), "any mismatch".into(), state(false, !broken.is_empty()), why)
}

fn missing(requests: &RequestCounts) -> Check {
    let count = requests.failed + requests.timed_out + requests.censored + requests.unsent;
    let missing = share(count, requests.scheduled, 0.0);
    check(
        "V8",
        "requests without a good reply",
        percent(missing),
        format!(">= {}", percent(MISSING_SHARE_WARN)),
        format!(">= {}", percent(MISSING_SHARE_INVALID)),
        state(missing >= MISSING_SHARE_WARN, missing >= MISSING_SHARE_INVALID),
        "so many replies failed or never came that the tail of the response time is unknown; requests.errors says why",
    )
}

fn held(connections: &Connections) -> Check {
    let established = share(connections.established, connections.target, 1.0);
    let held = share(connections.held, connections.target, 1.0);
    let worst = established.min(held);
    check(
        "V9",
        "connections established and held",
        format!("{} and {} of {}", connections.established, connections.held, connections.target),
        format!("< {}", percent(CONNECTION_SHARE_WARN)),
        format!("< {}", percent(CONNECTION_SHARE_INVALID)),
        state(worst < CONNECTION_SHARE_WARN, worst < CONNECTION_SHARE_INVALID),
        "the load was carried by fewer connections than asked for; connections.errors and requests.errors say why",
    )
}

fn shortages(count: u64) -> Check {
    check(
        "V10",
        "shortages of the generator's host",
        count.to_string(),
        "-".into(),
        ">= 1".into(),
        state(false, count > 0),
        "descriptors, ports, buffers or memory ran out on this side (EMFILE, ENFILE, EADDRNOTAVAIL, ENOBUFS, ENOMEM)",
    )
}

fn samples(completed: u64, is_idle: bool) -> Check {
    let why = match completed < SAMPLES_INVALID {
        true => "too few replies for any statement; run longer",
        false => "p99 has fewer than 10 samples above it and is not quoted; run longer",
    };
    check(
        "V13",
        "completed requests",
        completed.to_string(),
        format!("< {SAMPLES_WARN}"),
        format!("< {SAMPLES_INVALID}"),
        state(!is_idle && completed < SAMPLES_WARN, !is_idle && completed < SAMPLES_INVALID),
        why,
    )
}

fn clamped(count: u64) -> Check {
    let why = "times over one hour were entered as one hour";
    check("V19", "clamped times", count.to_string(), "> 0".into(), "-".into(), state(count > 0, false), why)
}

fn co_location(is_co_located: bool) -> Check {
    let value = match is_co_located {
        true => "co-located: absolute throughput is not claimed",
        false => "separate host or namespace",
    };
    check("V20", "disclosure", value.into(), "-".into(), "-".into(), State::Valid, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> (RequestCounts, Connections, Summary) {
        let requests = RequestCounts { scheduled: 10_000, sent: 10_000, completed: 10_000, ..RequestCounts::default() };
        let connections = Connections {
            target: 10,
            established: 10,
            held: 10,
            attempts: 10,
            opened: 10,
            open: 10,
            ..Connections::default()
        };
        (requests, connections, Summary { count: 10_000, ..Summary::default() })
    }

    /// Judges a good run after `change`; expects `id` in `expected` and every other check valid.
    fn expect(
        id: &str,
        expected: State,
        change: impl Fn(&mut RequestCounts, &mut Connections, &mut Summary, &mut Evidence<'_>),
    ) {
        let (mut requests, mut connections, mut response) = good();
        let lateness = Summary { count: 10_000, ..Summary::default() };
        let mut evidence = Evidence { mode: "open", ..Evidence::default() };
        change(&mut requests, &mut connections, &mut response, &mut evidence);
        let evidence = Evidence {
            requests: Some(&requests),
            connections: Some(&connections),
            response: Some(&response),
            lateness: Some(&lateness),
            ..evidence
        };
        let verdict = judge(&evidence);
        assert_eq!(verdict.state, expected, "{id}");
        for check in &verdict.checks {
            let wanted = if check.id == id { expected } else { State::Valid };
            assert_eq!(check.state, wanted, "{} while testing {id}: {}", check.id, check.value);
            assert_eq!(check.why.is_empty(), check.state == State::Valid, "{}", check.id);
        }
    }

    #[test]
    fn a_good_run_is_valid() {
        expect("none", State::Valid, |_, _, _, _| {});
    }

    #[test]
    fn each_check_finds_its_fault() {
        expect("V2", State::Warn, |_, _, _, evidence| evidence.late_100us = 11);
        expect("V2", State::Invalid, |_, _, _, evidence| evidence.late_far = 501);
        expect("V4", State::Warn, |_, _, _, evidence| evidence.busiest_worker_share = 0.8);
        expect("V4", State::Invalid, |_, _, _, evidence| evidence.busiest_worker_share = 0.95);
        expect("V4", State::Warn, |_, _, _, evidence| {
            (evidence.mode, evidence.busiest_worker_share) = ("closed", 1.0);
        });
        expect("V7", State::Invalid, |requests, _, _, _| requests.scheduled += 1);
        expect("V7", State::Invalid, |requests, _, _, _| requests.sent -= 1);
        expect("V7", State::Invalid, |_, connections, _, _| connections.attempts += 1);
        expect("V7", State::Invalid, |_, _, response, _| response.count -= 1);
        expect("V8", State::Warn, |requests, _, response, _| {
            (requests.completed, requests.failed, response.count) = (9940, 60, 9940);
            requests.errors.insert("wrong_body".into(), 60);
        });
        expect("V9", State::Invalid, |_, connections, _, _| connections.held = 9);
        expect("V9", State::Invalid, |_, connections, _, _| connections.established = 9);
        expect("V10", State::Invalid, |_, _, _, evidence| evidence.host_shortages = 1);
        expect("V13", State::Warn, |requests, _, response, _| {
            (requests.scheduled, requests.sent, requests.completed, response.count) = (100, 100, 100, 100);
        });
        expect("V19", State::Warn, |_, _, _, evidence| evidence.clamped = 1);
    }

    #[test]
    fn unsent_requests_are_found_twice() {
        let (mut requests, connections, response) = good();
        (requests.sent, requests.completed, requests.unsent) = (9000, 9000, 1000);
        let evidence = Evidence {
            mode: "open",
            requests: Some(&requests),
            connections: Some(&connections),
            response: Some(&response),
            ..Evidence::default()
        };
        let failed: Vec<String> = judge(&evidence)
            .checks
            .into_iter()
            .filter(|check| check.state == State::Invalid)
            .map(|check| check.id)
            .collect();
        assert_eq!(failed, ["V1", "V8"]);
    }
}
