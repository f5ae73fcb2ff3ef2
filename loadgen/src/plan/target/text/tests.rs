//! Tables of targets as people write them: what they mean, and what is said of those that mean nothing.

use super::*;
use proptest::prelude::*;

/// Host header, request target and place of an HTTP target.
fn read(text: &str) -> (String, String, String) {
    let written = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let place = match written.place {
        Place::Address(address) => address.to_string(),
        Place::Name { host, port } => format!("{host} port {port}"),
    };
    match written.requests {
        Requests::Http { host, path, .. } => (host, path, place),
        Requests::Echo => (String::new(), String::new(), place),
    }
}

#[test]
fn http_targets() {
    for (text, host, path, place) in [
        ("http://127.0.0.1", "127.0.0.1", "/", "127.0.0.1:80"),
        ("http://127.0.0.1:8080/a/b?c", "127.0.0.1:8080", "/a/b?c", "127.0.0.1:8080"),
        ("http://127.0.0.1:8080?x=1", "127.0.0.1:8080", "/?x=1", "127.0.0.1:8080"),
        ("http://127.0.0.1:80/", "127.0.0.1", "/", "127.0.0.1:80"),
        ("http://127.0.0.1/#fragment", "127.0.0.1", "/", "127.0.0.1:80"),
        ("http://127.0.0.1/?#", "127.0.0.1", "/?", "127.0.0.1:80"),
        ("http://[::1]/x", "[::1]", "/x", "[::1]:80"),
        ("HTTP://LocalHost:81/", "localhost:81", "/", "localhost port 81"),
        // No scheme is http.
        ("127.0.0.1:8080/x", "127.0.0.1:8080", "/x", "127.0.0.1:8080"),
        ("localhost:8080", "localhost:8080", "/", "localhost port 8080"),
        ("localhost/?to=http://x", "localhost", "/?to=http://x", "localhost port 80"),
        ("127.0.0.1:8080/?to=http://x:1", "127.0.0.1:8080", "/?to=http://x:1", "127.0.0.1:8080"),
        ("[::1]:80", "[::1]", "/", "[::1]:80"),
        ("example.org", "example.org", "/", "example.org port 80"),
        // As the crate normalises them.
        ("http://127.0.0.1/a b/%41?c d\"'", "127.0.0.1", "/a%20b/%41?c%20d%22%27", "127.0.0.1:80"),
        ("http://127.0.0.1/a/../b/./c", "127.0.0.1", "/b/c", "127.0.0.1:80"),
        ("http://127.0.0.1/\u{e9}?\u{e9}", "127.0.0.1", "/%C3%A9?%C3%A9", "127.0.0.1:80"),
        ("http://127.0.0.1/%0d%0aX:1", "127.0.0.1", "/%0d%0aX:1", "127.0.0.1:80"),
        ("http://B\u{fc}cher.example/", "xn--bcher-kva.example", "/", "xn--bcher-kva.example port 80"),
        ("http://127.1/", "127.0.0.1", "/", "127.0.0.1:80"),
        // A scope is for this host only (RFC 6874 §1).
        ("http://[fe80::1%2]:8080/", "[fe80::1]:8080", "/", "[fe80::1%2]:8080"),
        ("http://[fe80::1%252]/", "[fe80::1]", "/", "[fe80::1%2]:80"),
        // Unix sockets.
        ("unix:/run/x.sock", "localhost", "/", "unix:/run/x.sock"),
        ("UNIX:x.sock", "localhost", "/", "unix:x.sock"),
        ("unix:/run/a?b#c@d", "localhost", "/", "unix:/run/a?b#c@d"),
        ("unix:///run/x.sock", "localhost", "/", "unix:///run/x.sock"),
        ("http+unix://%2Frun%2Fx.sock", "localhost", "/", "unix:/run/x.sock"),
        ("http+unix://%2Frun%2Fx.sock/a?b#c", "localhost", "/a?b", "unix:/run/x.sock"),
    ] {
        assert_eq!(read(text), (host.into(), path.into(), place.into()), "{text}");
    }
}

#[test]
fn echo_targets() {
    for (text, place) in [
        ("tcp://127.0.0.1:7", "127.0.0.1:7"),
        ("tcp://127.0.0.1:80", "127.0.0.1:80"),
        ("tcp://127.0.0.1:443", "127.0.0.1:443"),
        ("tcp://[::1]:7/", "[::1]:7"),
        ("TCP://localhost:7", "localhost port 7"),
        ("tcp+unix:/run/x.sock", "unix:/run/x.sock"),
    ] {
        let written = parse(text).unwrap();
        assert_eq!((written.requests, read(text).2.as_str()), (Requests::Echo, place), "{text}");
    }
}

#[test]
fn credentials_are_sent_and_never_shown() {
    for (text, shown, expected) in [
        ("http://u:secret@127.0.0.1:81/x", "http://127.0.0.1:81/x", "Basic dTpzZWNyZXQ="),
        ("u:secret@127.0.0.1:81/x", "127.0.0.1:81/x", "Basic dTpzZWNyZXQ="),
        ("http://u%3As@127.0.0.1/", "", ""),
        ("http+unix://u:secret@%2Fx/y", "http+unix://%2Fx/y", "Basic dTpzZWNyZXQ="),
    ] {
        let written = parse(text);
        if expected.is_empty() {
            assert!(written.unwrap_err().to_string().contains("RFC 7617"), "{text}");
            continue;
        }
        let written = written.unwrap();
        let Requests::Http { host, authorization, .. } = &written.requests else { panic!("{text}") };
        assert_eq!((authorization.as_ref().unwrap().reveal(), written.shown.as_str()), (expected, shown));
        assert!(!host.contains('@') && !format!("{written:?}").contains("secret"), "{written:?}");
    }
    assert_eq!(parse("http://127.0.0.1/@me").unwrap().shown, "http://127.0.0.1/@me");
}

#[test]
fn bad_targets_say_what_to_write() {
    for (text, part) in [
        ("", "a target is missing"),
        ("http://::1:8090/", "write http://[::1]:8090/"),
        ("http://::1:8090/x?y", "http://[::1]:8090/x?y"),
        ("::1:8090", "http://[::1]:8090"),
        ("http://2001:db8::1/", "write http://[2001:db8::1]/"),
        ("http://u:secret@::1:8090/", "write http://[::1]:8090/"),
        ("tcp://fe80::2", "tcp://[fe80::2]:PORT"),
        ("tcp://::1:7", "write tcp://[::1]:7"),
        ("http://[fe80::1%eth0]:80/", "like 2 in http://[fe80::1%2]:80/"),
        ("udp://127.0.0.1:7", "\"udp\" is not known"),
        ("gopher://127.0.0.1/", "tcp:// (echo)"),
        ("://127.0.0.1/", "is not known"),
        ("https://127.0.0.1/", "TLS"),
        ("wss://127.0.0.1/", "TLS"),
        ("ws://127.0.0.1/", "ws:// is not spoken"),
        ("http:127.0.0.1:80", "write http://127.0.0.1:80"),
        ("tcp:127.0.0.1:80", "write tcp://127.0.0.1:80"),
        ("tcp://127.0.0.1", "no port; write tcp://127.0.0.1:PORT"),
        ("tcp://127.0.0.1:7/path", "no path"),
        ("tcp://127.0.0.1:7?x", "no path"),
        ("tcp://127.0.0.1:7#x", "no path"),
        ("tcp://u@127.0.0.1:7", "go with http://"),
        ("tcp://127.0.0.1:0", "port 0"),
        ("http://127.0.0.1:0/", "port 0"),
        ("tcp://127.0.0.1:99999", "invalid port"),
        ("tcp://:", "cannot be read"),
        ("http:///x", "no host"),
        ("http://", "no host"),
        ("http://?x", "no host"),
        ("http://u@/", "no host"),
        ("8080", "write 127.0.0.1:8080"),
        (":8080", "write 127.0.0.1:8080"),
        ("/run/x.sock", "unix:/run/x.sock"),
        ("./x.sock", "unix:./x.sock"),
        ("unix:", "a path is missing"),
        ("tcp+unix:", "a path is missing"),
        ("unix:@name", "unix:./@name"),
        ("http+unix:/run/x.sock", "two slashes"),
        ("http+unix://run/x.sock", "%2Frun%2Fserver.sock"),
        ("http+unix://%2Frun%2F%00/x", "zero byte"),
        ("http://127.0.0.1/\r\nX: y", "control characters"),
        ("http://127.0.0.1/\u{1b}[2J", "control characters"),
        ("http://256.1.1.1/", "cannot be read"),
        ("http://a b/", "cannot be read"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.to_string().contains(part), "{text:?}: {error}");
        assert_eq!(error.exit_code(), 2);
        assert!(!error.to_string().contains(char::is_control), "{text:?}: {error}");
        assert!(!error.to_string().contains("secret"), "{text:?}: {error}");
    }
    let long = parse(&format!("unix:/{}", "x".repeat(UNIX_PATH_LEN_MAX))).unwrap_err();
    assert!(long.to_string().contains("107 bytes"), "{long}");
    parse(&format!("unix:/{}", "x".repeat(UNIX_PATH_LEN_MAX - 1))).unwrap();
    let long = parse(&format!("http://127.0.0.1/{}", "x".repeat(LEN_MAX))).unwrap_err();
    assert!(long.to_string().contains("8000 bytes"), "{long}");
}

#[test]
fn no_message_shows_a_password() {
    for text in [
        "http://u:secret@[::1/",
        "http://u:secret/1@host/",
        "u:secret@h:99999",
        "tcp://u:secret@h:1",
        "http:u:secret@h",
        "u:secret@h h://x",
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{text}: {error}");
    }
}

/// Parts of targets, so that many of the random texts are nearly right.
const PARTS: &str = "(http://|tcp://|unix:|tcp\\+unix:|http\\+unix://|https://|//|:|@|\\[|\\]|%|%2F|%25|::1|127\\.0\\.0\\.1|localhost|\
                     /|\\?|#|\\\\|80|99999|\\.\\.|u:p@|\u{fc}|\\PC|\\s|\\x00|\\x0d\\x0a){0,12}";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written: no panic, and nothing that could break a request line reaches one.
    #[test]
    fn any_text_is_a_target_or_a_message(text in prop_oneof![PARTS, any::<String>()]) {
        match parse(&text) {
            Ok(written) => {
                prop_assert!(!written.shown.contains(char::is_control));
                if let Requests::Http { host, path, .. } = written.requests {
                    prop_assert!(path.starts_with('/') && path.bytes().all(|byte| (b'!'..=b'~').contains(&byte)), "{path:?}");
                    prop_assert!(!host.is_empty() && host.bytes().all(|byte| (b'!'..=b'~').contains(&byte)), "{host:?}");
                    prop_assert!(!host.contains('@') && !path.contains('#'));
                }
            }
            Err(error) => {
                prop_assert_eq!(error.exit_code(), 2);
                prop_assert!(!error.to_string().contains(char::is_control), "{:?}", error.to_string());
            }
        }
    }
}
