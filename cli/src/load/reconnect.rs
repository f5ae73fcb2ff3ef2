//! What became of clients that lost their connection, in a few lines for people.

use loadgen::record::Reconnects;
use tuning::thousands;

use super::headline::seconds;

/// The lines; one if nobody lost a connection.
pub(super) fn lines(found: &Reconnects) -> Vec<String> {
    let policy = &found.policy;
    if found.losses == 0 {
        return vec![format!("reconnect {policy}: no connection was lost")];
    }
    let mut lines = vec![format!(
        "reconnect {policy}: {} connections lost, {} clients served again{}{}",
        thousands(found.losses),
        thousands(found.served_again),
        some(found.unserved, ", {} not served to the end"),
        some(found.lost_again, ", {} lost again before that")
    )];
    let outage = &found.outage_us;
    let times = [("p50", outage.p50), ("p99", outage.p99), ("max", outage.max)];
    let known = times.into_iter().filter_map(|(name, us)| Some(format!("{name} {}", seconds(us?))));
    let at_least = if found.unserved > 0 { " (at least: some had not ended)" } else { "" };
    lines.push(format!("outage {}{at_least}", known.collect::<Vec<_>>().join(", ")));
    lines.push(format!("attempts {}{}", thousands(found.attempts), effort(found)));
    lines
}

/// Attempts of a client, and what held attempts back.
fn effort(found: &Reconnects) -> String {
    let of_client = match (found.attempts_per_served_mean, found.attempts_per_served_max) {
        (Some(mean), Some(max)) => format!("; until served {mean:.1} a client, {} at most", thousands(max)),
        _ => String::new(),
    };
    [
        some(found.attempts_failed, ", {} failed"),
        of_client,
        some(found.put_off, "; the budget put off {}"),
        some(found.breaker_opened, "; the breaker opened {}×"),
        some(found.breaker_put_off, " and put off {}"),
        some(found.told.unwrap_or(0), "; {} waited as long as the server had asked for"),
    ]
    .concat()
}

/// The words with the count in them; nothing if it is zero.
fn some(count: u64, words: &str) -> String {
    if count == 0 { String::new() } else { words.replace("{}", &thousands(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadgen::record::Summary;

    #[test]
    fn a_storm_is_told_in_three_lines() {
        let mut found = Reconnects { policy: "fixed,base=100ms".into(), ..Reconnects::default() };
        assert_eq!(lines(&found), ["reconnect fixed,base=100ms: no connection was lost"]);
        (found.losses, found.served_again, found.attempts) = (1000, 1000, 5000);
        (found.attempts_per_served_mean, found.attempts_per_served_max) = (Some(5.0), Some(12));
        let (p50, p99, max) = (Some(1_234_567.0), Some(5_000_000.0), Some(5_100_000.0));
        found.outage_us = Summary { count: 1000, p50, p99, max, ..Summary::default() };
        assert_eq!(
            lines(&found),
            [
                "reconnect fixed,base=100ms: 1,000 connections lost, 1,000 clients served again",
                "outage p50 1.2 s, p99 5 s, max 5.1 s",
                "attempts 5,000; until served 5.0 a client, 12 at most",
            ]
        );
        (found.served_again, found.unserved, found.lost_again) = (980, 5, 15);
        (found.attempts_failed, found.outage_us.p99) = (4000, None);
        (found.put_off, found.breaker_put_off, found.breaker_opened) = (7, 2000, 3);
        assert_eq!(
            lines(&found),
            [
                "reconnect fixed,base=100ms: 1,000 connections lost, 980 clients served again, 5 not served to the end, \
                 15 lost again before that",
                "outage p50 1.2 s, max 5.1 s (at least: some had not ended)",
                "attempts 5,000, 4,000 failed; until served 5.0 a client, 12 at most; the budget put off 7; the breaker \
                 opened 3× and put off 2,000",
            ]
        );
    }
}
