//! What the names of errors in a record mean, in a line each.

use crate::recording::causes::ERRORS;
use protocol::client::Fault;
use std::borrow::Cow;
use std::io;

/// The meaning of a key of `requests.errors` or `connections.errors`; `None` when a record cannot have it.
pub fn error_meaning(key: &str) -> Option<Cow<'static, str>> {
    if let Some(&fault) = Fault::ALL.iter().find(|fault| fault.name() == key) {
        return Some(of_fault(fault).into());
    }
    if let Some((_, _, meaning)) = ERRORS.iter().find(|(_, name, _)| *name == key) {
        return Some((*meaning).into());
    }
    if let Some(status) = key.strip_prefix("status_") {
        return status.parse().ok().map(|status| of_status(status).into());
    }
    if let Some(number) = key.strip_prefix("errno_") {
        return number
            .parse()
            .ok()
            .map(|number| format!("the kernel said: {}", io::Error::from_raw_os_error(number)).into());
    }
    let meaning = match key {
        "closed_by_peer" => "the server closed the connection, unannounced, before the reply",
        "unsolicited_bytes" => "the server sent bytes that nobody had asked for",
        "timeout" => "no reply within --timeout",
        "batch_lost" => {
            "the reply to an earlier request of the same batch (--pipeline) was lost, and with it the connection"
        }
        _ => return None,
    };
    Some(meaning.into())
}

const fn of_fault(fault: Fault) -> &'static str {
    match fault {
        Fault::Malformed => "the bytes are no reply of this protocol",
        Fault::BadFraming => "where the reply ends is ambiguous, or its chunks are broken",
        Fault::HeadTooLong => "the head of the reply is over 16 KiB or has over 96 fields",
        Fault::BodyTooLong => "the body of the reply is longer than --body-len-max",
        Fault::TooManyInterim => "over 16 interim replies (1xx) came before the final one",
        Fault::WrongBody => "the reply has another content than was expected",
        Fault::WrongLength => "the reply has another length than --expect-body",
        Fault::Truncated => "the connection ended in the middle of the reply",
    }
}

const fn of_status(status: u16) -> &'static str {
    match status {
        301 | 302 | 303 | 307 | 308 => "a redirect; its Location says where to, and it is not followed",
        304 => "not modified; if that is right, say so with --expect-status 2xx,304",
        400 => "the server takes the request for malformed",
        401 => "it wants credentials (--header 'Authorization: …')",
        403 => "the server forbids this path to this client",
        404 => "nothing is there; is the path right?",
        405 => "the path does not permit this --method",
        408 => "the server waited too long for the request",
        411 => "the server wants a body with a length (--body)",
        413 => "the --body is too long for the server",
        415 => "the server wants another Content-Type (--header)",
        421 => "the server does not serve this Host (--header 'Host: …')",
        429 => "the server limits the rate of requests",
        431 => "the headers are too long for the server",
        500 => "the server failed inside",
        501 => "the server does not implement this --method",
        502 => "a gateway got no good reply from the server behind it",
        503 => "the server is overloaded or not ready",
        504 => "a gateway waited too long for the server behind it",
        _ => of_class(status / 100),
    }
}

/// RFC 9110 §15: an unknown status has the meaning of its class.
const fn of_class(class: u16) -> &'static str {
    match class {
        2 => "a success, but not one of --expect-status",
        3 => "a redirection, which is not followed",
        4 => "the server finds fault with the request",
        5 => "the server finds fault with itself",
        _ => "no final status of HTTP",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::causes::Causes;

    #[test]
    fn every_error_of_a_record_has_a_meaning() {
        let names = Causes::with_all().named();
        // All faults, statuses up to 999 and error numbers up to 140, and four more.
        assert_eq!(names.len(), Fault::ALL.len() + 1000 + 141 + 4);
        for name in names.keys() {
            let meaning = error_meaning(name).unwrap_or_else(|| panic!("{name} has no meaning"));
            assert!(!meaning.is_empty() && !meaning.contains('\n') && meaning.len() < 110, "{name}: {meaning}");
        }
        for name in ["", "status_", "status_x", "errno_", "ENONSENSE"] {
            assert_eq!(error_meaning(name), None, "{name:?}");
        }
    }
}
