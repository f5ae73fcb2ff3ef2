//! Keeps the beginning of a worker's first bad reply, to show what the server said instead. Off the hot path: it
//! runs only after an error and copies once.

use super::state::Fleet;
use crate::recording::sample::Sample;
use protocol::client::Client;

impl<C: Client, K, const OPEN: bool> Fleet<'_, C, K, OPEN> {
    /// Keeps the beginning of a reply that is wrong.
    #[cold]
    pub(super) fn keep_sample(&mut self, bytes: &[u8]) {
        if self.tally.sample.is_none() && !bytes.is_empty() {
            self.tally.sample = Some(Sample::of(bytes));
        }
    }

    /// Keeps the beginning of a reply whose head was seen before `bytes` arrived, if they do not begin with it.
    #[cold]
    pub(super) fn keep_refusal(&mut self, bytes: &[u8]) {
        if self.tally.sample.is_some() {
            return;
        }
        let head = self.client.last_head();
        let sample = if head.is_empty() || bytes.starts_with(head) { bytes } else { head };
        self.tally.sample = (!sample.is_empty()).then(|| Sample::of(sample));
    }

    /// Keeps what has arrived of a reply that ends too early.
    #[cold]
    pub(super) fn keep_unread(&mut self, index: usize) {
        let kept = self.shelf.look(self.connections[index].kept);
        if let (None, Some(kept)) = (&self.tally.sample, kept) {
            self.tally.sample = Some(Sample::of(&kept.unread));
        }
    }
}
