//! The HTTP server against any requests: no panic, progress with every call, and the same replies and
//! end however the bytes are cut and however little room the output has.
#![no_main]

use fuzz::{Input, Outcome, serve};
use libfuzzer_sys::fuzz_target;
use protocol::server::{Http, HttpLimits, Protocol};

fn play(settings: u8, pieces: &[&[u8]], output_len: usize) -> Outcome {
    let mut http = Http::new(HttpLimits { body_len_max: 40, bytes_max: 2000, lab_routes: true, database: true });
    if settings & 1 != 0 {
        http.drain();
    }
    serve(&mut http, pieces, output_len)
}

fuzz_target!(|data: &[u8]| {
    let Some(mut input) = Input::of(data) else { return };
    if input.settings & 2 != 0 {
        input.lengthen(b"GET / HTTP/1.1\r\nHost: a\r\nX: ");
    }
    let Input { settings, cut, bytes } = input;
    let whole = play(settings, &[&bytes], 1 << 16);
    assert_eq!(play(settings, &[&bytes[..cut], &bytes[cut..]], 1 << 16), whole, "cut at {cut}");
    assert_eq!(play(settings, &[&bytes], Http::REPLY_LEN_MAX), whole, "little room");
});
