//! Echo: every byte comes back in order. No framing, no state, no timeout of its own.

use super::{Protocol, Step, Then, Waiting};
use crate::Output;

/// The echo workload (the TCP service of RFC 862).
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

impl Protocol for Echo {
    type State = ();
    const ANNOUNCES_CLOSE: bool = false;
    const REPLY_LEN_MAX: usize = 1;
    const UNREAD_LEN_MAX: usize = 0;

    #[inline]
    fn on_bytes(&mut self, (): &mut (), input: &[u8], output: &mut Output<'_>) -> Step {
        let consumed = input.len().min(output.room());
        output.push(&input[..consumed]);
        let then = if consumed < input.len() { Then::More } else { Then::KeepOpen };
        Step { consumed, requests: u32::from(consumed > 0), then }
    }

    fn waiting(&self, (): &(), _unread: bool) -> Waiting {
        Waiting::Request
    }

    fn on_timeout(&mut self, (): &mut (), _waiting: Waiting, _output: &mut Output<'_>) {}

    fn set_time(&mut self, _unix_seconds: u64) {}

    fn drain(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_output_takes_a_part_and_asks_for_more() {
        let mut space = [0u8; 4];
        let mut output = Output::new(&mut space);
        let step = Echo.on_bytes(&mut (), b"abcdef", &mut output);
        assert_eq!(step, Step { consumed: 4, requests: 1, then: Then::More });
        assert_eq!(output.written(), b"abcd");
    }
}
