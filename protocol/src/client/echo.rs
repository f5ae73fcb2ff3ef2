//! Client side of echo: sends numbered messages of one size and expects each back unchanged.
//!
//! A message is its sequence number (8 bytes, little-endian, if they fit) followed by a pattern that depends
//! only on the seed, so a reply can be verified without keeping the request.

use super::{Client, Fault, Progress, Received};
use random::Random;

/// Bytes of the sequence number at the front of a message.
const NUMBER_LEN: usize = 8;

/// Writes batches of equal messages and verifies that they come back byte for byte.
pub struct EchoClient {
    /// `pipeline` copies of the message; only the numbers in it ever change.
    messages: Vec<u8>,
    message_len: usize,
    pipeline: u32,
    /// The number the next batch starts with.
    next: u64,
    /// The number of the first message in `messages`.
    numbered: u64,
}

/// How far the replies to one connection's batch have been recognised. Their bytes are not kept.
#[derive(Debug, Default)]
pub struct EchoState {
    /// Number of the batch's first message.
    first: u64,
    /// Replies of the batch that have arrived whole.
    answered: u32,
    /// Bytes of the current reply that have been verified.
    verified: u32,
}

const _: () = assert!(size_of::<EchoState>() <= 16, "echo state is part of the bytes of an idle connection");

impl EchoClient {
    /// Messages of `message_len` bytes, `pipeline` of them per batch, with a pattern made from `seed`.
    ///
    /// # Panics
    /// When the length or the pipeline is zero: the caller validates its options.
    pub fn new(message_len: usize, pipeline: u32, seed: u64) -> Self {
        assert!(message_len > 0 && pipeline > 0, "an echo message needs at least one byte");
        let mut random = Random::new(seed);
        // Every seed gives a pattern without repeats that would flatter a cache.
        let pattern_byte = || (random.next_u64() >> 56) as u8;
        let message: Vec<u8> = std::iter::repeat_with(pattern_byte).take(message_len).collect();
        let mut client =
            EchoClient { messages: message.repeat(pipeline as usize), message_len, pipeline, next: 0, numbered: 0 };
        client.number(0);
        client
    }

    /// Makes `messages` the batch that starts with `first`.
    fn number(&mut self, first: u64) {
        self.numbered = first;
        if self.message_len >= NUMBER_LEN {
            for (index, message) in self.messages.chunks_exact_mut(self.message_len).enumerate() {
                let number = first.wrapping_add(index as u64);
                message[..NUMBER_LEN].copy_from_slice(&number.to_le_bytes());
            }
        }
    }

    /// Whether the reply numbered `number` has these `bytes` at `at`.
    fn is_expected(&self, number: u64, at: usize, bytes: &[u8]) -> bool {
        let numbers = if self.message_len >= NUMBER_LEN { NUMBER_LEN.saturating_sub(at).min(bytes.len()) } else { 0 };
        let (head, tail) = bytes.split_at(numbers);
        let tail_at = at + numbers;
        // When `head` is empty, `at` may be past the number, hence `get`.
        number.to_le_bytes().get(at..tail_at).unwrap_or(&[]) == head
            && self.messages[tail_at..tail_at + tail.len()] == *tail
    }
}

impl Client for EchoClient {
    type State = EchoState;
    /// The numbers in the messages change.
    const IS_CONSTANT: bool = false;
    /// Every byte is verified where it arrives; nothing is ever left unconsumed.
    const UNREAD_LEN_MAX: usize = 1;

    fn begin(&mut self, state: &mut EchoState, count: u32) -> &[u8] {
        // A smaller batch is the end of a full one; the messages before it count as answered.
        let skipped = self.pipeline - count;
        let first = self.next.wrapping_sub(u64::from(skipped));
        self.next = self.next.wrapping_add(u64::from(count));
        *state = EchoState { first, answered: skipped, verified: 0 };
        self.number(first);
        &self.messages[skipped as usize * self.message_len..]
    }

    fn batch(&mut self, state: &EchoState) -> &[u8] {
        if self.numbered != state.first {
            self.number(state.first);
        }
        &self.messages
    }

    #[inline]
    fn on_bytes(&mut self, state: &mut EchoState, input: &[u8]) -> Received {
        let at = state.verified as usize;
        let take = input.len().min(self.message_len - at);
        let number = state.first.wrapping_add(u64::from(state.answered));
        if !self.is_expected(number, at, &input[..take]) {
            return Received { consumed: take, progress: Progress::Fault(Fault::WrongBody) };
        }
        let progress = if at + take == self.message_len {
            state.verified = 0;
            state.answered += 1;
            Progress::Complete { keep_open: true }
        } else {
            state.verified = (at + take) as u32;
            Progress::Incomplete
        };
        Received { consumed: take, progress }
    }

    fn on_close(&mut self, state: &mut EchoState) -> Progress {
        if state.verified == 0 { Progress::Incomplete } else { Progress::Fault(Fault::Truncated) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;

    const DONE: Progress = Progress::Complete { keep_open: true };
    const WRONG: Progress = Progress::Fault(Fault::WrongBody);

    fn batch(message_len: usize, pipeline: u32) -> Vec<u8> {
        EchoClient::new(message_len, pipeline, 7).begin(&mut EchoState::default(), pipeline).to_vec()
    }

    #[test]
    fn replies_in_any_chunks() {
        for message_len in [1, 3, 7, 8, 9, 64, 200] {
            let make = || EchoClient::new(message_len, 3, 7);
            let sent = batch(message_len, 3);
            check(make, 3, &sent, true, &[DONE, DONE, DONE]);
            check(make, 3, &sent[..2 * message_len], false, &[DONE, DONE]);
            check(make, 3, &sent[..2 * message_len], true, &[DONE, DONE, Progress::Incomplete]);
            let mut wrong = sent.clone();
            *wrong.last_mut().unwrap() ^= 1;
            check(make, 3, &wrong, true, &[DONE, DONE, WRONG]);
        }
    }

    #[test]
    fn a_reply_out_of_order_is_wrong() {
        let sent = batch(16, 2);
        let swapped = [&sent[16..], &sent[..16]].concat();
        check(|| EchoClient::new(16, 2, 7), 2, &swapped, true, &[WRONG]);
        check(|| EchoClient::new(16, 2, 7), 2, &sent[..20], true, &[DONE, Progress::Fault(Fault::Truncated)]);
    }

    #[test]
    fn a_short_send_goes_on_with_the_same_bytes() {
        let mut client = EchoClient::new(12, 2, 1);
        let (mut one, mut two) = (EchoState::default(), EchoState::default());
        let first = client.begin(&mut one, 2).to_vec();
        let second = client.begin(&mut two, 2).to_vec();
        assert_ne!(first, second);
        assert_eq!(client.batch(&one), first);
        assert_eq!(client.batch(&two), second);
        // Replies to the first connection are verified although the messages are numbered for the second.
        assert_eq!(client.on_bytes(&mut one, &first).progress, DONE);
    }

    #[test]
    fn a_smaller_batch_is_numbered_on_and_verified() {
        for message_len in [3, 12] {
            let mut client = EchoClient::new(message_len, 3, 1);
            let (mut states, mut sent) = (Vec::new(), Vec::new());
            for count in [1, 3, 2] {
                let mut state = EchoState::default();
                sent.push(client.begin(&mut state, count).to_vec());
                assert_eq!(sent[states.len()].len(), message_len * count as usize);
                states.push(state);
            }
            let numbers: Vec<u8> = sent.concat().chunks(message_len).map(|message| message[0]).collect();
            assert!(message_len < NUMBER_LEN || numbers == [0, 1, 2, 3, 4, 5], "{numbers:?}");
            for (state, sent) in states.iter_mut().zip(&sent) {
                assert!(client.batch(state).ends_with(sent), "what a short send left is at the end");
                for message in sent.chunks(message_len) {
                    assert_eq!(client.on_bytes(state, message).progress, DONE, "{message_len}");
                }
            }
        }
    }
}
