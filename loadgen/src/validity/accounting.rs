//! V7, V8, V9, V19: whether everything that happened was counted and nothing promised is missing: requests,
//! replies, connections, and times beyond the histograms.

use super::evidence::Evidence;
use super::rule::{percent, rule, share, state};
use crate::plan::mode::Mode;
use crate::record::{Check, Connections, Reconnects};

/// V8: a quantile p is sound while under half of the samples above it are missing. The tail that every
/// run is judged by is p99.
const TAIL: f64 = 0.99;
/// V9: share of the connections asked for that were there, and stayed; ours.
const CONNECTION_SHARE_WARN: f64 = 0.9999;
const CONNECTION_SHARE_INVALID: f64 = 0.999;

/// V7: every identity holds exactly, or the program has a bug and no number of it counts.
pub(super) fn identities(evidence: &Evidence<'_>) -> Check {
    let requests = evidence.requests.cloned().unwrap_or_default();
    let connections = evidence.connections.cloned().unwrap_or_default();
    let mut identities = vec![
        ("scheduled = sent + unsent", requests.scheduled, requests.sent + requests.unsent),
        (
            "sent = completed + failed + timed_out + censored",
            requests.sent,
            requests.completed + requests.failed + requests.timed_out + requests.censored,
        ),
        ("errors = failed + timed_out", requests.errors.values().sum(), requests.failed + requests.timed_out),
        (
            "response times = completed + failed + timed_out + censored + unsent",
            evidence.response.map_or(0, |response| response.count),
            requests.completed + requests.without_good_reply(),
        ),
        (
            "attempts = opened + failed + pending",
            connections.attempts,
            connections.opened + connections.failed + connections.pending,
        ),
        ("opened = open + lost + closed", connections.opened, connections.open + connections.lost + connections.closed),
        ("no requests while idle", if evidence.mode == Mode::Idle { requests.scheduled } else { 0 }, 0),
    ];
    identities.extend(evidence.reconnect.into_iter().flat_map(of_reconnects));
    let broken: Vec<String> = identities
        .iter()
        .filter(|(_, left, right)| left != right)
        .map(|(name, left, right)| format!("{name}: {left} and {right}"))
        .collect();
    let value = if broken.is_empty() { format!("{} identities hold", identities.len()) } else { broken.join("; ") };
    let why = "the counters contradict one another: a bug of the generator";
    rule("accounting", "-", "any mismatch").judged(value, state(false, !broken.is_empty()), why)
}

/// The identities of clients that lost their connection.
fn of_reconnects(reconnect: &Reconnects) -> [(&'static str, u64, u64); 4] {
    let Reconnects { losses, served_again, unserved, lost_again, hellos, .. } = reconnect;
    [
        ("losses = served_again + unserved + lost_again", *losses, served_again + unserved + lost_again),
        (
            "attempts = connected + attempts_failed + attempts_pending",
            reconnect.attempts,
            reconnect.connected + reconnect.attempts_failed + reconnect.attempts_pending,
        ),
        ("outages = served_again + unserved", reconnect.outage_us.count, served_again + unserved),
        ("hellos = answered + failed + unanswered", hellos.sent, hellos.answered + hellos.failed + hellos.unanswered),
    ]
}

/// V8: replies that failed or never came, against what lies above each quantile.
///
/// Only a lower bound of these response times is known. A quantile that falls among them is never printed, so it
/// cannot be quoted. If they only affect quantiles beyond p99, that is a warning, because the printed quantiles say
/// little about such a server. If they reach p99, the tail is unknown and the run is invalid.
pub(super) fn missing(evidence: &Evidence<'_>) -> Check {
    let rule = rule(
        "requests without a good reply",
        format!(">= (1 - p) / 2 for a printed quantile, or {}", percent((1.0 - TAIL) / 2.0)),
        format!(">= {}", percent(1.0 - TAIL)),
    );
    if let Some(why) = evidence.why_untimed() {
        return rule.skipped("no requests", why);
    }
    let requests = evidence.requests.cloned().unwrap_or_default();
    if requests.scheduled == 0 {
        return rule.skipped("nothing was scheduled", "needs a request in the window: a longer one, or a higher rate");
    }
    let count = requests.without_good_reply();
    let missing = share(count, requests.scheduled, 0.0);
    let printed = evidence.response.into_iter().flat_map(|response| response.printed());
    // 1 − 0.99 is a little more than 0.01 in binary, so a share of exactly 1 % would pass.
    let reaches = |limit: f64| missing >= limit * (1.0 - 1e-9);
    let in_doubt = |p: f64| reaches((1.0 - p) / 2.0);
    let doubtful: Vec<String> =
        printed.filter(|(_, p, _)| in_doubt(*p)).map(|(name, _, _)| name.replace('_', ".")).collect();
    let is_gone = reaches(1.0 - TAIL);
    // Clients that were out have no reply to show. How long they had none is another figure, with a tail of its own.
    let is_outage = evidence.reconnect.is_some_and(|reconnect| reconnect.losses > 0);
    let state = state(in_doubt(TAIL) || !doubtful.is_empty(), is_gone && !is_outage);
    let why = match is_gone {
        true if is_outage => {
            "clients were without service: the tail of the response time is unknown, and outage_us has how long it was"
                .to_owned()
        }
        true => {
            "so many replies failed or never came that the tail of the response time is unknown; requests.errors says \
             why"
            .to_owned()
        }
        false => format!(
            "as many replies failed or never came as make up half of what lies above {}: what a good reply would have \
             taken is unknown there; requests.errors says why",
            if doubtful.is_empty() { "p99".into() } else { doubtful.join(" and ") }
        ),
    };
    rule.judged(format!("{} ({count} of {})", percent(missing), requests.scheduled), state, why)
}

/// V9: the load was carried by the connections that the record names, and the kernel agrees.
pub(super) fn connections(evidence: &Evidence<'_>) -> Check {
    let connections = evidence.connections.cloned().unwrap_or_default();
    let established = share(connections.established, connections.target, 1.0);
    // Under a reconnect policy losses are what the run is about: what counts is that clients come back.
    let (kept, is_kept) = match evidence.reconnect {
        Some(reconnect) => (connections.target.saturating_sub(reconnect.unserved), " served at the end"),
        None => (connections.held, ""),
    };
    let worst = established.min(share(kept, connections.target, 1.0));
    let (kernel, agrees) = match evidence.is_unix {
        true => ("; the kernel has no count of the connections of a unix socket".to_owned(), true),
        false => kernel(&connections, evidence.kernel_established),
    };
    let why = match worst < CONNECTION_SHARE_WARN {
        true if evidence.reconnect.is_some() => {
            "not all clients had a connection when the load began, or were served at its end; reconnect says more"
        }
        true => {
            "the load was carried by fewer connections than asked for; connections.errors and requests.errors say why"
        }
        false => {
            "the kernel counts fewer established connections than the generator: some were gone when the load began"
        }
    };
    rule(
        "connections established and held",
        format!("< {}", percent(CONNECTION_SHARE_WARN)),
        format!(
            "< {}, or in a namespace of its own the kernel counts fewer by > {}",
            percent(CONNECTION_SHARE_INVALID),
            percent(1.0 - CONNECTION_SHARE_INVALID)
        ),
    )
    .judged(
        format!("{} and {kept} of {}{is_kept}{kernel}", connections.established, connections.target),
        state(worst < CONNECTION_SHARE_WARN, worst < CONNECTION_SHARE_INVALID || (evidence.is_alone && !agrees)),
        why,
    )
}

/// The kernel's own count, and whether it is high enough. A higher count comes from others in the same
/// network namespace, so it is reported but not judged.
fn kernel(connections: &Connections, found: Option<(u64, u64)>) -> (String, bool) {
    let Some((rise, ends)) = found else { return (String::new(), true) };
    let expected = connections.established * ends;
    let agrees = share(rise, expected, 1.0) >= CONNECTION_SHARE_INVALID;
    let others = match rise.saturating_sub(expected) {
        0 => String::new(),
        more => format!(", {more} of others"),
    };
    (format!("; the kernel counts {rise} ends, {ends} each{others}"), agrees)
}

/// V19. The program guarantees that times have three digits and are merged by counts, never by averaging
/// quantiles. What can go wrong in a run is a time that no histogram holds.
pub(super) fn clamped(evidence: &Evidence<'_>) -> Check {
    let count = evidence.clamped;
    let why = "times over one hour were entered as one hour";
    rule("clamped times", "> 0", "-").judged(count.to_string(), state(count > 0, false), why)
}

#[cfg(test)]
mod tests {
    use super::super::sound::{expect, expect_all};
    use super::super::{Evidence, judge};
    use crate::plan::mode::Mode;
    use crate::record::{Hellos, Reconnects, RequestCounts, State};

    #[test]
    fn v7_finds_counters_that_do_not_add_up() {
        expect("V7", State::Invalid, |run| run.requests.scheduled += 1);
        expect("V7", State::Invalid, |run| run.requests.sent -= 1);
        expect("V7", State::Invalid, |run| run.requests.completed -= 1);
        expect("V7", State::Invalid, |run| {
            run.requests.errors.insert("timeout".into(), 1);
        });
        expect("V7", State::Invalid, |run| run.response.count -= 1);
        expect("V7", State::Invalid, |run| run.connections.attempts += 1);
        let requests = RequestCounts { scheduled: 1, sent: 1, censored: 1, ..RequestCounts::default() };
        let verdict = judge(&Evidence { mode: Mode::Idle, requests: Some(&requests), ..Evidence::default() });
        assert!(verdict.checks[6].value.contains("no requests while idle"), "{:?}", verdict.checks[6]);
    }

    #[test]
    fn v7_finds_clients_that_got_lost_on_the_way() {
        let mut sound = Reconnects { losses: 6, served_again: 3, unserved: 2, lost_again: 1, ..Reconnects::default() };
        (sound.attempts, sound.connected, sound.attempts_failed, sound.attempts_pending) = (10, 5, 4, 1);
        sound.hellos = Hellos { sent: 5, answered: 3, failed: 1, unanswered: 1 };
        sound.outage_us.count = 5;
        let check = |expected: State, change: fn(&mut Reconnects)| {
            let mut found = sound.clone();
            change(&mut found);
            let verdict = judge(&Evidence { reconnect: Some(&found), ..Evidence::default() });
            assert_eq!(verdict.checks[6].state, expected, "{:?}", verdict.checks[6]);
        };
        check(State::Valid, |_| {});
        check(State::Invalid, |found| found.lost_again += 1);
        check(State::Invalid, |found| found.attempts += 1);
        check(State::Invalid, |found| found.hellos.failed += 1);
        check(State::Invalid, |found| found.outage_us.count += 1);
    }

    #[test]
    fn v8_finds_missing_replies() {
        // A p99.9 of 10,000 requests has ten above it, five of which may be missing.
        for (failed, quotes_p99_9, expected) in [
            (4, true, State::Valid),
            (5, true, State::Warn),
            (5, false, State::Valid),
            (49, false, State::Valid),
            (50, false, State::Warn),
            (99, true, State::Warn),
            (100, false, State::Invalid),
        ] {
            expect("V8", expected, |run| {
                (run.requests.failed, run.requests.completed) = (failed, 10_000 - failed);
                run.requests.errors.insert("wrong_body".into(), failed);
                if !quotes_p99_9 {
                    run.response.p99_9 = None;
                }
            });
        }
    }

    #[test]
    fn v8_counts_every_kind_of_missing_reply() {
        expect("V8", State::Invalid, |run| {
            (run.requests.timed_out, run.requests.censored, run.requests.completed) = (60, 60, 9880);
            run.requests.errors.insert("timeout".into(), 60);
        });
    }

    #[test]
    fn v9_finds_connections_that_are_not_there() {
        for (established, held, expected) in [
            (9999, 10_000, State::Valid),
            (9998, 10_000, State::Warn),
            (10_000, 9998, State::Warn),
            (9989, 10_000, State::Invalid),
            (10_000, 9989, State::Invalid),
        ] {
            expect("V9", expected, |run| {
                let connections = &mut run.connections;
                (connections.target, connections.established, connections.held) = (10_000, established, held);
                run.evidence.kernel_established = None;
            });
        }
    }

    #[test]
    fn v9_asks_under_a_reconnect_policy_whether_clients_came_back() {
        for (unserved, expected) in [(0, State::Valid), (2, State::Warn), (11, State::Invalid)] {
            let connections = crate::record::Connections {
                target: 10_000,
                established: 10_000,
                ..crate::record::Connections::default()
            };
            let reconnect =
                Reconnects { losses: 10_000, served_again: 10_000 - unserved, unserved, ..Reconnects::default() };
            let evidence = Evidence {
                connections: Some(&connections),
                reconnect: Some(&reconnect),
                kernel_established: None,
                ..Evidence::default()
            };
            let check = super::connections(&evidence);
            assert_eq!(check.state, expected, "{check:?}");
            assert!(check.value.ends_with("served at the end"), "{check:?}");
        }
    }

    #[test]
    fn v9_asks_the_kernel() {
        for (found, expected) in [
            (None, State::Valid),
            (Some((10_000, 1)), State::Valid),
            (Some((20_000, 2)), State::Valid),
            (Some((9990, 1)), State::Valid),
            (Some((9989, 1)), State::Invalid),
            (Some((10_000, 2)), State::Invalid),
            (Some((30_000, 2)), State::Valid),
        ] {
            expect("V9", expected, |run| {
                let connections = &mut run.connections;
                (connections.target, connections.established, connections.held) = (10_000, 10_000, 10_000);
                run.evidence.kernel_established = found;
            });
        }
        expect("V9", State::Valid, |run| {
            // In a shared namespace others also close connections.
            (run.evidence.kernel_established, run.evidence.is_alone) = (Some((3, 2)), false);
        });
        let mut run = super::super::sound::Run::sound();
        // A run over a unix socket is not to blame for a count of zero TCP connections.
        (run.evidence.is_unix, run.evidence.kernel_established) = (true, Some((0, 2)));
        let check = &run.verdict().checks[8];
        assert!(check.state == State::Valid && check.value.ends_with("of a unix socket"), "{check:?}");
        let mut run = super::super::sound::Run::sound();
        run.evidence.kernel_established = Some((27, 2));
        let value = &run.verdict().checks[8].value;
        assert!(value.ends_with("the kernel counts 27 ends, 2 each, 7 of others"), "{value}");
    }

    #[test]
    fn v19_finds_clamped_times() {
        expect("V19", State::Warn, |run| run.evidence.clamped = 1);
    }

    #[test]
    fn idle_runs_are_judged_by_their_connections() {
        let untimed = ["V1", "V2", "V3", "V5", "V6", "V8", "V11", "V12", "V13", "V15", "V18"];
        let skipped: Vec<_> = untimed.iter().map(|id| (*id, State::Skipped)).collect();
        let idle = |run: &mut super::super::sound::Run| {
            (run.evidence.mode, run.requests) = (Mode::Idle, RequestCounts::default());
            run.response = crate::record::Summary::default();
        };
        expect_all(&skipped, idle);
        let lost: Vec<_> = skipped.iter().copied().chain([("V9", State::Invalid)]).collect();
        expect_all(&lost, |run| {
            idle(run);
            run.connections.held = 9;
        });
    }
}
