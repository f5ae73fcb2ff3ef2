//! What a reconnect policy needs beside the connections: who is out since when, and who tries again at what time. Made
//! only when there is a policy; a connection has no room for it.

use crate::reconnect::{Backoff, Policy, Retries};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One client, by the index of its connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Client {
    /// When it lost its connection, if that counts: 0 for an outage that began before the window, after it, or without
    /// a loss.
    pub(super) lost_at_ns: u64,
    pub(super) backoff: Backoff,
}

const _: () = assert!(size_of::<Client>() <= 16, "a client outgrew its budget");

impl Client {
    /// Whether its outage is in the record, as 1 or 0.
    pub(super) fn counted(&self) -> u64 {
        u64::from(self.lost_at_ns != 0)
    }
}

/// The clients of one worker.
#[derive(Debug)]
pub(in crate::engine) struct Clients {
    pub(super) retries: Retries,
    pub(super) all: Vec<Client>,
    /// Who waits until when. A closed connection is here once at most, so the room reserved at the start suffices.
    waiting: BinaryHeap<Reverse<(u64, u32)>>,
    /// Hellos without an answer.
    pub(super) hellos: u32,
    /// The client that was refused last, and after how many seconds it was asked to come again: its connection ends next.
    pub(super) hint: Option<(usize, u8)>,
}

impl Clients {
    /// So many clients that follow `policy`.
    pub(super) fn new(policy: Policy, count: usize, seed: u64, now: u64) -> Clients {
        let number = u32::try_from(count).unwrap_or(u32::MAX);
        Clients {
            retries: Retries::new(policy, number, seed, now),
            all: vec![Client::default(); count],
            waiting: BinaryHeap::with_capacity(count),
            hellos: 0,
            hint: None,
        }
    }

    /// The client at `index` waits for `delay_ns`.
    pub(super) fn wait(&mut self, index: usize, now: u64, delay_ns: u64) {
        self.waiting.push(Reverse((now.saturating_add(delay_ns), index as u32)));
    }

    /// When the next client's wait is over; `u64::MAX` when nobody waits.
    pub(super) fn next_due_ns(&self) -> u64 {
        self.waiting.peek().map_or(u64::MAX, |Reverse((due_ns, _))| *due_ns)
    }

    /// The client whose wait is over the longest.
    pub(super) fn pop_due(&mut self, now: u64) -> Option<usize> {
        if self.next_due_ns() > now {
            return None;
        }
        self.waiting.pop().map(|Reverse((_, index))| index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconnect::Delay;

    #[test]
    fn clients_come_in_the_order_of_their_time() {
        let mut clients = Clients::new(Policy::new(Delay::Immediate), 4, 1, 0);
        assert_eq!((clients.next_due_ns(), clients.pop_due(u64::MAX - 1)), (u64::MAX, None));
        for (index, delay_ns) in [(0, 30), (1, 10), (2, 20), (3, 10)] {
            clients.wait(index, 100, delay_ns);
        }
        assert_eq!((clients.pop_due(109), clients.next_due_ns()), (None, 110));
        let due: Vec<usize> = std::iter::from_fn(|| clients.pop_due(125)).collect();
        assert_eq!(due, [1, 3, 2]);
        assert_eq!(clients.next_due_ns(), 130);
    }
}
