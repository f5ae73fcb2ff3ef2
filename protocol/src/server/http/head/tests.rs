//! Complete and partial heads, both ways of reading them, and how much work they take.

use super::super::line::Allow;
use super::*;
use crate::work;

/// Read by a shard that has seen nothing. One that has seen the same, or another host, must find the same.
fn whole(input: &[u8]) -> Result<Parsed, Violation> {
    let parse = |known: &mut HostLine| parse(input, &mut Progress::default(), known);
    let mut known = HostLine::new();
    let found = parse(&mut known);
    assert_eq!(parse(&mut known), found, "again: {input:?}");
    for line in [&b"Host: a\r\n"[..], b"Host: b\r\n", b"host:a\r\n"] {
        known.keep(line);
        assert_eq!(parse(&mut known), found, "after {line:?}: {input:?}");
    }
    found
}

/// Byte by byte, until there is an answer; and how many bytes it took.
fn bytewise(input: &[u8]) -> (Result<Parsed, Violation>, usize) {
    let (mut progress, mut known) = (Progress::default(), HostLine::new());
    for len in 1..=input.len() {
        match parse(&input[..len], &mut progress, &mut known) {
            Ok(Parsed::Incomplete) => {}
            answer => return (answer, len),
        }
    }
    (Ok(Parsed::Incomplete), input.len())
}

fn head(input: &str) -> Head {
    match whole(input.as_bytes()) {
        Ok(Parsed::Head(head)) => head,
        other => panic!("{input:?}: {other:?}"),
    }
}

/// With the usual fields after the request line.
fn check_fields(fields: &str, expected: Result<Framing, Violation>) {
    let input = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let found = whole(input.as_bytes()).map(|parsed| match parsed {
        Parsed::Head(head) => head.framing,
        other => panic!("{fields:?}: {other:?}"),
    });
    assert_eq!(found, expected, "{fields:?}");
    assert_eq!(bytewise(input.as_bytes()).0, whole(input.as_bytes()), "{fields:?}");
}

#[test]
fn framings() {
    check_fields("", Ok(Framing::Length(0)));
    check_fields("Content-Length: 7\r\n", Ok(Framing::Length(7)));
    check_fields("content-length:\t 7 \t\r\n", Ok(Framing::Length(7)));
    check_fields("Content-Length: 7\r\nContent-Length: 7\r\n", Ok(Framing::Length(7)));
    check_fields("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked));
    check_fields("TRANSFER-encoding:CHUNKED\r\n", Ok(Framing::Chunked));
    for fields in [
        "Content-Length: +1\r\n",
        "Content-Length: 1 1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\nContent-Length: 1\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: chunked;a=b\r\n",
    ] {
        check_fields(fields, Err(Violation::BadFraming));
    }
    check_fields("Transfer-Encoding: gzip\r\n", Err(Violation::UnknownCoding));
    check_fields("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Err(Violation::UnknownCoding));
    let old = |fields: &str| whole(format!("POST /echo HTTP/1.0\r\n{fields}\r\n").as_bytes());
    assert_eq!(old("Transfer-Encoding: chunked\r\n"), Err(Violation::BadFraming));
    assert_eq!(old("Transfer-Encoding: gzip\r\n"), Err(Violation::BadFraming));
}

#[test]
fn field_lines() {
    check_fields("a:\r\nb: \r\nc:\t\r\nd: x\ty \u{e9}\r\n!#$%&'*+-.^_`|~:1\r\n", Ok(Framing::Length(0)));
    for fields in [
        "a\r\n",
        ":\r\n",
        ": b\r\n",
        "a : b\r\n",
        "a\t: b\r\n",
        " a: b\r\n",
        "a b: c\r\n",
        "a: b\r\n c\r\n",
        "a: b\r\n\tc\r\n",
        "a\u{e9}: b\r\n",
        "a: \u{0}\r\n",
        "a: \u{1b}\r\n",
        "a: \u{7f}\r\n",
        "a: b\n",
        "a: b\nc: d\r\n",
        "a: b\rc: d\r\n",
        "a: b\r\r\n",
        "a\u{0}: b\r\n",
        "\n",
        "\r",
    ] {
        check_fields(fields, Err(Violation::BadRequest));
    }
    // Exactly one Host that is a host, in HTTP/1.0 at most one.
    for fields in ["Host: a\r\n", "Host:\r\n"] {
        check_fields(fields, Err(Violation::BadRequest));
    }
    let get = |version: &str, fields: &str| whole(format!("GET / HTTP/{version}\r\n{fields}\r\n").as_bytes());
    assert_eq!(get("1.1", ""), Err(Violation::BadRequest));
    assert!(get("1.0", "").is_ok() && get("1.0", "Host: a:80\r\n").is_ok() && get("1.1", "hOsT:[::1]:80\r\n").is_ok());
    for host in ["a b", "a, b", "a/b", "u@b", "\u{e9}", "", "a#", "http://a", "\u{7f}"] {
        for version in ["1.0", "1.1"] {
            assert_eq!(get(version, &format!("Host: {host}\r\n")), Err(Violation::BadRequest), "{host:?} {version}");
        }
    }
    assert_eq!(get("1.0", "Host: a\r\nHost: a\r\n"), Err(Violation::BadRequest));
}

#[test]
fn persistence_and_expectations() {
    for (fields, minor, keep_alive, expect_continue) in [
        ("", 1, true, false),
        ("", 7, true, false),
        ("Connection: close\r\n", 1, false, false),
        ("connection: foo, CLOSE\r\n", 1, false, false),
        ("", 0, false, false),
        ("Connection: Keep-Alive\r\n", 0, true, false),
        ("Connection: keep-alive, close\r\n", 0, false, false),
        ("Expect: 100-continue\r\n", 1, true, true),
        ("Expect: , 100-Continue ,\r\n", 1, true, true),
        ("Expect:\r\n", 1, true, false),
        ("Expect: 100-continue\r\nConnection: keep-alive\r\n", 0, true, false),
    ] {
        let head = head(&format!("GET / HTTP/1.{minor}\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!((head.keep_alive, head.expect_continue), (keep_alive, expect_continue), "{fields:?} {minor}");
    }
    for value in ["200-ok", "100-continue, x", "100-continue;q=1", "x=\"100-continue\""] {
        check_fields(&format!("Expect: {value}\r\n"), Err(Violation::UnknownExpectation));
    }
    assert_eq!(head("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").line.action, Action::Options(Allow::Any));
    assert_eq!(whole(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), Err(Violation::Tunnel));
}

#[test]
fn one_empty_line_may_come_first() {
    assert_eq!(whole(b"\r\nGET / HTTP/1.1\r\n"), Ok(Parsed::EmptyLine));
    assert_eq!(whole(b"\r"), Ok(Parsed::Incomplete));
    for wrong in [&b"\n"[..], b"\rG", b"\r\r", b" \r\n", b"\t"] {
        assert_eq!(whole(wrong), Err(Violation::BadRequest), "{wrong:?}");
    }
    let mut progress = Progress::default();
    let mut parse = |input: &[u8]| parse(input, &mut progress, &mut HostLine::new());
    assert_eq!(parse(b"\r\n"), Ok(Parsed::EmptyLine));
    assert_eq!(parse(b"\r"), Ok(Parsed::Incomplete));
    assert_eq!(parse(b"\r\n"), Err(Violation::BadRequest));
}

/// Input that is not HTTP is refused at once, without waiting for the end of a head that never comes.
#[test]
fn faults_are_found_where_they_are() {
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for (input, at) in [
        (&tls[..], 1),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 21),
        (b"GET / HTTP/1.1\nHost: a\n\n", 15),
        (b"GET / HTTP/1.1\rHost: a", 16),
        (b"GET /\xc3\xa9 HTTP/1.1\r\n", 6),
        (b"GET /\t HTTP/1.1\r\n", 6),
        (b"GET / HTTP/1.1\r\nHost: a\n\n", 24),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", 26),
        (b"GET / HTTP/1.1\r\nHost: \0", 23),
        (b"GET /x#y HTTP/1.1\r\n", 19),
        (b"* LIST\r\n", 8),
    ] {
        assert_eq!(bytewise(input), (Err(Violation::BadRequest), at), "{:?}", String::from_utf8_lossy(input));
        assert_eq!(whole(input), Err(Violation::BadRequest));
    }
    assert_eq!(bytewise(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), (Err(Violation::UnknownVersion), 16));
}

#[test]
fn lengths_and_numbers_have_limits() {
    let pad = |text: &str, len: usize, end: &str| {
        let fill = len - text.len() - end.len();
        [text.as_bytes(), &vec![b'x'; fill], end.as_bytes()].concat()
    };
    let line = "GET /";
    let end = " HTTP/1.1\r\nHost: a\r\n\r\n";
    let fields = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    for (input, expected) in [
        (pad(line, HEAD_LEN_MAX, end), None),
        (pad(line, HEAD_LEN_MAX + 1, end), Some(Violation::HeadTooLong)),
        (pad(fields, HEAD_LEN_MAX, "\r\n\r\n"), None),
        (pad(fields, HEAD_LEN_MAX + 1, "\r\n\r\n"), Some(Violation::HeadTooLong)),
        (pad(fields, HEAD_LEN_MAX + 3, "\r\n\r\n"), Some(Violation::HeadTooLong)),
        (pad(line, HEAD_LEN_MAX, " HTTP/1.1\r\n"), Some(Violation::HeadTooLong)),
        (pad(line, HEAD_LEN_MAX + 1, " HTTP/1.1\r\n"), Some(Violation::TargetTooLong)),
        (pad(line, HEAD_LEN_MAX, ""), Some(Violation::TargetTooLong)),
        (pad(line, HEAD_LEN_MAX - 1, ""), None),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(FIELDS_MAX - 1)).into_bytes(), None),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(FIELDS_MAX)).into_bytes(),
            Some(Violation::HeadTooLong),
        ),
    ] {
        assert_eq!(whole(&input).err(), expected, "{} bytes", input.len());
        assert_eq!(bytewise(&input).0, whole(&input), "{} bytes", input.len());
    }
}

/// The single pass over a complete, valid head finds the same as the careful path.
#[test]
fn both_ways_agree() {
    let fields = ["Host: a\r\n", "X: \ty\tz \r\n", "Content-Length: 5\r\n", "Connection: close\r\n", "A:\r\n"];
    for line in ["GET / HTTP/1.1\r\n", "HEAD /bytes/7 HTTP/1.0\r\n", "POST http://a/echo HTTP/1.3\r\n"] {
        for count in 0..=fields.len() {
            let input = format!("{line}{}\r\nGET / HT", fields[..count].concat());
            for place in 0..input.len() {
                for byte in [b' ', b'\t', b'\r', b'\n', b':', b'x', 0, 0x7f, 0x80] {
                    let mut bytes = input.clone().into_bytes();
                    bytes[place] = byte;
                    let careful = parse_part(&bytes, &mut Progress::default(), &mut HostLine::new());
                    let quick = parse_whole(&bytes, &mut HostLine::new()).map(Parsed::Head);
                    let shown = String::from_utf8_lossy(&bytes).into_owned();
                    assert_eq!(quick, quick_part(careful), "{shown:?}");
                    assert_eq!(bytewise(&bytes).0, whole(&bytes), "{shown:?}");
                }
            }
        }
    }
}

/// What the quick path must find, given what the careful one found.
fn quick_part(careful: Result<Parsed, Violation>) -> Option<Parsed> {
    careful.ok().filter(|parsed| matches!(parsed, Parsed::Head(_)))
}

/// However a head is cut, each of its bytes is scanned a few times, not once per packet.
#[test]
fn the_work_is_linear() {
    let long = |part: &str, count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", part.repeat(count));
    for input in [
        long("a: b\r\n", 99),
        long(&format!("a: {}\r\n", "\t".repeat(16_000)), 1),
        long(&format!("{}: a\r\n", "x".repeat(16_000)), 1),
        long(&format!("a: {}\r\n", "x".repeat(16_000)), 1),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(16_000)),
        "x".repeat(HEAD_LEN_MAX),
        format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(HEAD_LEN_MAX)),
    ] {
        for step in [1, 2, 7, 1000] {
            work::take();
            let (mut progress, mut known) = (Progress::default(), HostLine::new());
            let mut len = 0;
            while len < input.len() {
                len = (len + step).min(input.len());
                if parse(&input.as_bytes()[..len], &mut progress, &mut known) != Ok(Parsed::Incomplete) {
                    break;
                }
            }
            let (work, bound) = (work::take(), 5 * input.len() as u64 + 100);
            assert!(work >= input.len() as u64 / 2, "the counter counts nothing");
            assert!(
                work <= bound,
                "{work} bytes looked at, for {} in steps of {step}: {:?}",
                input.len(),
                &input[..40]
            );
        }
    }
}
