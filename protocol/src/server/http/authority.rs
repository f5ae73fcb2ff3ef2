//! The host that a request names: `uri-host [ ":" port ]` (RFC 9110 §4.2, RFC 3986 §3.2.2).

use std::net::Ipv6Addr;

use crate::bytes::is_name;

/// Whether `authority` is a non-empty host without user information, with an optional port of digits. `http`
/// and `https` allow no empty host (RFC 9110 §4.2.1).
#[inline]
pub(super) fn is_valid(authority: &[u8]) -> bool {
    let host_len = authority.iter().take_while(|byte| is_name(**byte)).count();
    match authority.split_at(host_len) {
        ([_, ..], []) => true,
        ([_, ..], [b':', port @ ..]) => port.iter().all(u8::is_ascii_digit),
        (_, [b'%', ..]) => is_escaped(authority),
        ([], [b'[', literal @ ..]) => is_literal(literal),
        _ => false,
    }
}

/// A registered name with percent-encoded bytes: rare, so kept off the usual path.
#[cold]
fn is_escaped(authority: &[u8]) -> bool {
    let (host, port) = match authority.iter().position(|byte| *byte == b':') {
        Some(colon) => (&authority[..colon], &authority[colon + 1..]),
        None => (authority, &[][..]),
    };
    let mut parts = host.split(|byte| *byte == b'%');
    parts.next().is_some_and(|part| part.iter().all(|byte| is_name(*byte)))
        && parts.all(|part| match part {
            [high, low, rest @ ..] => {
                high.is_ascii_hexdigit() && low.is_ascii_hexdigit() && rest.iter().all(|byte| is_name(*byte))
            }
            _ => false,
        })
        && port.iter().all(u8::is_ascii_digit)
}

/// What follows the opening bracket: an IPv6 address or a future form (IPvFuture), and perhaps a port.
#[cold]
fn is_literal(literal: &[u8]) -> bool {
    let Some(end) = literal.iter().position(|byte| *byte == b']') else { return false };
    let is_address = match &literal[..end] {
        // "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )
        [b'v' | b'V', rest @ ..] => match rest.iter().position(|byte| *byte == b'.') {
            Some(dot @ 1..) => {
                let (version, address) = (&rest[..dot], &rest[dot + 1..]);
                let is_right = |byte: &u8| is_name(*byte) || *byte == b':';
                version.iter().all(u8::is_ascii_hexdigit) && !address.is_empty() && address.iter().all(is_right)
            }
            _ => false,
        },
        address => std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()),
    };
    is_address
        && match &literal[end + 1..] {
            [] => true,
            [b':', port @ ..] => port.iter().all(u8::is_ascii_digit),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities() {
        for right in [
            "a",
            "a.b-c_d~e",
            "a:",
            "a:80",
            "127.0.0.1:8080",
            "[::1]",
            "[::ffff:1.2.3.4]:1",
            "[v1f.a:b]",
            "a%2fb",
            "%61:1",
            "a,b",
            "(a)",
        ] {
            assert!(is_valid(right.as_bytes()), "{right:?}");
        }
        for wrong in [
            "",
            ":80",
            "a b",
            "a, b",
            "a/b",
            "u@b",
            "u:p@b",
            "a?b",
            "a#b",
            "a\\b",
            "a:b",
            "a:8 0",
            "a:+1",
            "a:1:2",
            "\u{e9}",
            "a\u{7f}",
            "a\"b",
            "<a>",
            "[::1",
            "::1",
            "[]",
            "[::1]a",
            "[::1]:a",
            "[::1%25eth0]",
            "[1.2.3.4]",
            "[v.a]",
            "[v1.]",
            "[v1]",
            "[vg.a]",
            "a[::1]",
            "%",
            "a%2",
            "a%zz",
            "a%2f:x",
            "a%2f@b",
            "%61 ",
            "[\u{e9}]",
        ] {
            assert!(!is_valid(wrong.as_bytes()), "{wrong:?}");
        }
    }
}
