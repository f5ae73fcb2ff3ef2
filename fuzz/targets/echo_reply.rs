//! The echo client against replies that are right but for what the input changes, which is what chance
//! would hardly produce: no panic, and the same reports however the bytes are cut.
#![no_main]

use fuzz::{Input, feed};
use libfuzzer_sys::fuzz_target;
use protocol::client::{Client, EchoClient, Fault, Progress};

const PIPELINE: u32 = 2;
const SEED: u64 = 7;

fuzz_target!(|data: &[u8]| {
    let Some(Input { settings, cut, bytes }) = Input::of(data) else { return };
    let message_len = usize::from(settings).max(1);
    let make = || EchoClient::new(message_len, PIPELINE, SEED);
    let mut sender = make();
    let mut sent = Vec::new();
    while sent.len() < bytes.len() {
        sent.extend_from_slice(sender.begin(&mut Default::default(), PIPELINE));
    }
    let replies: Vec<u8> = sent.iter().zip(&bytes).map(|(sent, change)| sent ^ change).collect();
    let whole = feed(&mut make(), PIPELINE, &[&replies]);
    assert_eq!(feed(&mut make(), PIPELINE, &[&replies[..cut], &replies[cut..]]), whole, "cut at {cut}");
    assert_eq!(feed(&mut make(), PIPELINE, &replies.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
    // What must be found follows from what was changed.
    let right = bytes.iter().take_while(|&&change| change == 0).count();
    let mut expected = vec![Progress::Complete { keep_open: true }; right / message_len];
    expected.push(match (right < bytes.len(), right % message_len) {
        (true, _) => Progress::Fault(Fault::WrongBody),
        (false, 0) => Progress::Incomplete,
        (false, _) => Progress::Fault(Fault::Truncated),
    });
    assert_eq!(whole, expected);
});
