//! The HTTP client against any reply: no panic, a bounded appetite, and the same reports however the
//! bytes are cut.
#![no_main]

use fuzz::{Input, feed};
use libfuzzer_sys::fuzz_target;
use protocol::client::{HttpClient, HttpRequest, Progress};

/// Longer inputs are not fed byte by byte: parsing a head again at each byte is quadratic.
const BY_BYTE_LEN_MAX: usize = 300;

fn reports(settings: u8, pieces: &[&[u8]]) -> Vec<Progress> {
    let request = HttpRequest {
        method: if settings & 1 != 0 { "HEAD" } else { "GET" }.into(),
        path: "/".into(),
        expect_body: (settings & 2 != 0).then(|| b"hello".to_vec()),
        ..HttpRequest::default()
    };
    let client = HttpClient::new(&request, 1).expect("it is valid");
    let body_len_max = if settings & 4 != 0 { 5 } else { u32::MAX };
    feed(&mut client.with_body_len_max(body_len_max), 1, pieces)
}

fuzz_target!(|data: &[u8]| {
    let Some(mut input) = Input::of(data) else { return };
    if input.settings & 8 != 0 {
        input.lengthen(b"HTTP/1.1 200 OK\r\nX: ");
    }
    let Input { settings, cut, bytes } = input;
    let whole = reports(settings, &[&bytes]);
    assert_eq!(reports(settings, &[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
    if bytes.len() <= BY_BYTE_LEN_MAX {
        assert_eq!(reports(settings, &bytes.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
    }
});
