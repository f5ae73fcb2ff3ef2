//! Finds the likely cause of a run that completed nothing: looks at the errors by name and at the beginning of the
//! first bad reply, and marks the checks that add nothing to it.

use crate::engine::job::Job;
use crate::plan::mode::Mode;
use crate::record::{CauseKind, Connections, LikelyCause, RequestCounts, State, Verdict};
use crate::recording::meaning::error_meaning;
use crate::recording::sample::Sample;
use crate::validity::follows_failure;
use protocol::Workload;
use std::collections::BTreeMap;

/// The beginning of a TLS record: alert or handshake, then the major version (RFC 8446 §5.1).
const TLS_RECORDS: [[u8; 2]; 2] = [[0x15, 0x03], [0x16, 0x03]];
/// Names of errors that mean an end of the connection before the reply.
const ENDS: [&str; 4] = ["closed_by_peer", "connection_reset", "broken_pipe", "truncated"];

/// Names of errors whose bytes were not understood as a reply.
const NO_HEADS: [&str; 2] = ["malformed", "unsolicited_bytes"];

/// What is known about a run that completed nothing.
#[derive(Debug, Clone, Copy)]
struct Findings<'a> {
    is_http: bool,
    method: &'a str,
    requests: &'a RequestCounts,
    connections: &'a Connections,
    sample: Option<&'a Sample>,
}

/// The likely cause; `None` when a request was completed, or none failed.
pub(super) fn cause(
    job: &Job<'_>,
    requests: &RequestCounts,
    connections: &Connections,
    sample: Option<&Sample>,
) -> Option<LikelyCause> {
    let has_failed = requests.without_good_reply() > 0 || !connections.errors.is_empty();
    if requests.completed > 0 || job.options.mode() == Mode::Idle || !has_failed {
        return None;
    }
    let is_http = job.plan.target.requests.workload() == Workload::Http;
    let method = if job.options.method.is_empty() { "GET" } else { &job.options.method };
    let findings = Findings { is_http, method, requests, connections, sample };
    let (kind, text) = findings.by_sample().or_else(|| findings.by_errors())?;
    // An echo sends back our own request, whose headers may contain credentials.
    let shown = |sample: &Sample| if kind == CauseKind::Echo { sample.first_line() } else { sample.shown() };
    Some(LikelyCause { kind, text, sample: sample.map(shown) })
}

/// Marks the checks that only repeat the cause.
pub(super) fn mark_what_follows(verdict: &mut Verdict) {
    for check in &mut verdict.checks {
        check.follows = check.state > State::Valid && follows_failure(&check.id);
    }
}

impl Findings<'_> {
    /// The cause that the bytes of the first bad reply suggest.
    fn by_sample(&self) -> Option<(CauseKind, String)> {
        let bytes = self.sample?.bytes();
        let has = |word: &str| bytes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
        let is_tls = TLS_RECORDS.iter().any(|start| bytes.starts_with(start));
        // nginx: "The plain HTTP request was sent to HTTPS port"; Go: "Client sent an HTTP request to an HTTPS server".
        let wants_tls = bytes.starts_with(b"HTTP/1.") && has(" 400 ") && has("https");
        // If the head of a reply was good, the sample may be part of the body, which proves nothing.
        let is_no_reply = self.is_http && self.has_no_head();
        let (kind, text) = match self.is_http {
            _ if is_tls || wants_tls => (CauseKind::Tls, "this looks like TLS, which is not spoken here: wrong port?"),
            false if bytes.starts_with(b"HTTP/1.") => {
                (CauseKind::Http, "this is an HTTP server: write the target as http://HOST:PORT/PATH")
            }
            true if is_no_reply && bytes.starts_with(format!("{} ", self.method).as_bytes()) => {
                (CauseKind::Echo, "the server sends the request back: for an echo write the target as tcp://HOST:PORT")
            }
            true if is_no_reply && !b"HTTP/1.".starts_with(&bytes[..bytes.len().min(7)]) => {
                return Some((CauseKind::NotHttp, format!("the server does not speak HTTP/1.1{}", peculiar(bytes))));
            }
            _ => return None,
        };
        Some((kind, text.to_owned()))
    }

    /// Whether there were bytes that are no reply of HTTP at all.
    fn has_no_head(&self) -> bool {
        let all = self.requests.errors.keys().chain(self.connections.errors.keys());
        all.into_iter().any(|name| NO_HEADS.contains(&name.as_str()))
    }

    /// The cause that the errors by name suggest.
    fn by_errors(&self) -> Option<(CauseKind, String)> {
        let Findings { requests, connections, .. } = self;
        let of_requests: BTreeMap<&str, u64> = named(&requests.errors, "batch_lost");
        let of_connections: BTreeMap<&str, u64> = named(&connections.errors, "");
        let is_refused = connections.errors.contains_key("ECONNREFUSED");
        let Some((main, count)) = most_frequent(&of_requests) else {
            return match most_frequent(&of_connections) {
                Some((main, _)) if requests.censored == 0 => Some(self.of_connects(main)),
                _ => Some((CauseKind::NoReply, NO_REPLY.into())),
            };
        };
        let all = of_requests.values().sum::<u64>() == count;
        let share = if all { "all" } else { "most" };
        Some(match main {
            "timeout" => (CauseKind::NoReply, NO_REPLY.into()),
            "wrong_body" | "wrong_length" if self.is_http => {
                (CauseKind::WrongReply, format!("{share} replies had another body than --expect-body"))
            }
            "wrong_body" => {
                (CauseKind::WrongReply, format!("{share} replies differ from what was sent: this is no echo server"))
            }
            _ if ENDS.contains(&main) && is_refused => self.of_connects("ECONNREFUSED"),
            _ if ENDS.contains(&main) => (
                CauseKind::ClosedEarly,
                "the server ended every connection before a good reply: wrong port, TLS, or a limit on connections?"
                    .into(),
            ),
            _ => match main.strip_prefix("status_") {
                Some(status) => self.of_status(share, status, main),
                None => (CauseKind::Other, format!("{share} requests ended as {main}: {}", meaning(main))),
            },
        })
    }

    fn of_status(&self, share: &str, status: &str, name: &str) -> (CauseKind, String) {
        let location = self.sample.filter(|_| status.starts_with('3')).and_then(|sample| sample.header("location"));
        match location {
            Some(location) => (
                CauseKind::Moved,
                format!(
                    "{share} replies were {status}: the target has moved to {location}; redirects are not followed"
                ),
            ),
            None => (CauseKind::Status, format!("{share} replies were {status}: {}", meaning(name))),
        }
    }

    fn of_connects(&self, main: &str) -> (CauseKind, String) {
        match main {
            "ECONNREFUSED" => {
                (CauseKind::Unreachable, "the server went away: it refuses connections that it took before".into())
            }
            "closed_by_peer" | "connection_reset" => (
                CauseKind::ClosedEarly,
                "the server ended every connection before a request: a limit on connections, or not ready?".into(),
            ),
            other => (CauseKind::Unreachable, format!("connections fail with {other}: {}", meaning(other))),
        }
    }
}

const NO_REPLY: &str = "the server takes requests and did not answer one in time: another protocol, a server that \
                        hangs, or a --timeout or --duration too short for it?";

fn meaning(name: &str) -> String {
    error_meaning(name).unwrap_or_default().into_owned()
}

/// Errors by name, but for one.
fn named<'a>(errors: &'a BTreeMap<String, u64>, without: &str) -> BTreeMap<&'a str, u64> {
    errors.iter().filter(|(name, _)| *name != without).map(|(name, &count)| (name.as_str(), count)).collect()
}

fn most_frequent<'a>(errors: &BTreeMap<&'a str, u64>) -> Option<(&'a str, u64)> {
    errors.iter().max_by_key(|(_, count)| **count).map(|(name, count)| (*name, *count))
}

/// What other protocols begin with.
fn peculiar(bytes: &[u8]) -> &'static str {
    // An HTTP/2 server begins with a SETTINGS frame: length in 3 bytes, then type 4 (RFC 9113 §3.4 and §6.5).
    let is_http_2 = matches!(bytes, [0, _, _, 4, ..]);
    match bytes {
        _ if is_http_2 => ": it looks like HTTP/2, which is not spoken here",
        [b'S', b'S', b'H', b'-', ..] => ": this is an SSH server; wrong port?",
        [b'2', b'2', b'0', b' ' | b'-', ..] => ": this looks like a mail or FTP server; wrong port?",
        [b'-', b'E', b'R', b'R', ..] => ": this looks like Redis; wrong port?",
        _ => "; wrong port?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kind and the text for a target, errors of requests and of connections, and a first bad reply.
    fn found(
        is_http: bool,
        requests: &[(&str, u64)],
        connections: &[(&str, u64)],
        sample: &[u8],
    ) -> (CauseKind, String) {
        let errors = |errors: &[(&str, u64)]| errors.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let requests = RequestCounts { errors: errors(requests), ..RequestCounts::default() };
        let connections = Connections { errors: errors(connections), ..Connections::default() };
        let sample = (!sample.is_empty()).then(|| Sample::of(sample));
        let findings = Findings {
            is_http,
            method: "GET",
            requests: &requests,
            connections: &connections,
            sample: sample.as_ref(),
        };
        findings.by_sample().or_else(|| findings.by_errors()).expect("a cause")
    }

    #[test]
    fn causes_are_told_apart() {
        let malformed: &[(&str, u64)] = &[("malformed", 10)];
        let moved = b"HTTP/1.1 301 Moved\r\nLocation: https://a/\r\n\r\n";
        let plain = b"HTTP/1.1 400 Bad Request\r\n\r\n<center>The plain HTTP request was sent to HTTPS port</center>";
        let refused = &[("ECONNREFUSED", 99)][..];
        for (is_http, requests, connections, sample, kind, part) in [
            (true, malformed, &[][..], &b"\x15\x03\x01\x00\x02\x02F"[..], CauseKind::Tls, "TLS"),
            (false, &[("wrong_body", 4)], &[], b"\x15\x03\x03\x00\x02\x02F", CauseKind::Tls, "wrong port"),
            (true, &[("status_400", 4)], &[], plain, CauseKind::Tls, "TLS"),
            (false, &[("wrong_body", 4)], &[], b"HTTP/1.1 400 Bad\r\n", CauseKind::Http, "http://"),
            (true, malformed, &[], b"GET / HTTP/1.1\r\n", CauseKind::Echo, "tcp://"),
            (true, malformed, &[], b"SSH-2.0-x\r\n", CauseKind::NotHttp, "SSH"),
            (true, &[], &[("unsolicited_bytes", 3)], b"220 mail\r\n", CauseKind::NotHttp, "mail"),
            (true, malformed, &[], b"\x00\x00\x12\x04\x00", CauseKind::NotHttp, "HTTP/2"),
            (true, malformed, &[], b"HTTX", CauseKind::NotHttp, "wrong port"),
            (true, malformed, &[], b"HTTP/1.1 OK\r\n", CauseKind::Other, "all requests ended as malformed"),
            (true, &[("status_301", 9), ("batch_lost", 20)], &[], moved, CauseKind::Moved, "moved to https://a/"),
            (true, &[("status_302", 9)], &[], b"HTTP/1.1 302 Found\r\n\r\n", CauseKind::Status, "all replies were 302"),
            (true, &[("status_405", 9), ("timeout", 1)], &[], b"", CauseKind::Status, "most replies were 405"),
            (true, &[("wrong_length", 9)], &[], b"HTTP/1.1 200 OK\r\n", CauseKind::WrongReply, "--expect-body"),
            // Head and body came in two pieces: the sample is of the second.
            (true, &[("wrong_body", 9)], &[], b"hello", CauseKind::WrongReply, "--expect-body"),
            (true, &[("wrong_body", 9)], &[], b"GET / is what was asked", CauseKind::WrongReply, "--expect-body"),
            (false, &[("wrong_body", 9)], &[], b"hello", CauseKind::WrongReply, "no echo"),
            (true, &[("timeout", 9)], &[], b"", CauseKind::NoReply, "did not answer"),
            (true, &[], &[], b"", CauseKind::NoReply, "did not answer"),
            (true, &[("closed_by_peer", 4)], refused, b"", CauseKind::Unreachable, "went away"),
            (true, &[], refused, b"", CauseKind::Unreachable, "went away"),
            (true, &[], &[("EADDRNOTAVAIL", 4)], b"", CauseKind::Unreachable, "EADDRNOTAVAIL"),
            (true, &[], &[("closed_by_peer", 4)], b"", CauseKind::ClosedEarly, "before a request"),
            (true, &[("connection_reset", 4)], &[], b"", CauseKind::ClosedEarly, "before a good reply"),
        ] {
            let (found_kind, text) = found(is_http, requests, connections, sample);
            let shown = format!("{requests:?} {connections:?} {}: {text}", sample.escape_ascii());
            assert_eq!(found_kind, kind, "{shown}");
            assert!(text.contains(part), "{shown}");
        }
    }

    #[test]
    fn only_what_follows_is_marked() {
        let mut verdict = crate::validity::judge(&crate::validity::Evidence {
            requests: Some(&RequestCounts { scheduled: 9, sent: 9, failed: 9, ..RequestCounts::default() }),
            clamped: 1,
            ..crate::validity::Evidence::default()
        });
        mark_what_follows(&mut verdict);
        let of = |id: &str| verdict.checks.iter().find(|check| check.id == id).expect(id);
        assert!(of("V8").follows && of("V13").follows);
        for id in ["V7", "V19"] {
            assert!(of(id).state > State::Valid && !of(id).follows, "{id} has causes of its own");
        }
        assert!(verdict.checks.iter().all(|check| !check.follows || check.state > State::Valid));
    }
}
