//! Receives that found no provided buffer (ENOBUFS): in which order, and how many at a time, to try again.

use std::collections::VecDeque;

use crate::uring::BUFFERS;

/// A receive that finds no buffer ends. If all of them were armed again at once, most would fail again: with
/// 10,000 of them and 256 buffers, it would take 40 rounds and 200,000 attempts for what 10,000 attempts can
/// do. So only as many are tried at a time as buffers are free, and the first that failed is tried first, so
/// that none waits for ever.
#[derive(Debug)]
pub struct Starved<T> {
    waiting: VecDeque<T>,
}

impl<T> Default for Starved<T> {
    fn default() -> Self {
        Starved { waiting: VecDeque::new() }
    }
}

impl<T> Starved<T> {
    /// The receive of `owner` found no buffer.
    #[inline]
    pub fn push(&mut self, owner: T) {
        self.waiting.push_back(owner);
    }

    /// How many to take out now with `pop`. `unhandled` is the number of completions taken from the ring but
    /// not handled yet: each may hold a buffer.
    ///
    /// If any are left after that, the next wait must not sleep: those that were armed may never complete, and
    /// then nobody would wake the others.
    #[inline]
    pub fn retries(&self, unhandled: usize) -> usize {
        self.waiting.len().min(usize::from(BUFFERS).saturating_sub(unhandled))
    }

    /// Takes the one that has waited longest.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.waiting.pop_front()
    }

    /// Whether none waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays the kernel: each of `count` receives wants `wanted` of the turn's `BUFFERS`, and the first
    /// armed gets all it wants. Returns how many times a receive was armed, and the turns.
    fn arms(count: usize, wanted: usize, unhandled: usize) -> (usize, usize) {
        let mut starved = Starved::default();
        (0..count).for_each(|_| starved.push(wanted));
        let (mut arms, mut turns) = (0, 0);
        while !starved.is_empty() {
            let mut free = usize::from(BUFFERS) - unhandled;
            turns += 1;
            for _ in 0..starved.retries(unhandled) {
                let wanted = starved.pop().expect("no more than there are");
                arms += 1;
                let taken = wanted.min(free);
                free -= taken;
                if taken < wanted {
                    starved.push(wanted - taken);
                }
            }
        }
        (arms, turns)
    }

    #[test]
    fn ten_thousand_receives_are_armed_about_once_each() {
        assert_eq!(arms(10_000, 1, 0), (10_000, 40));
        // Half of the buffers are still held by completions.
        assert_eq!(arms(10_000, 1, 128), (10_000, 79));
    }

    #[test]
    fn an_attempt_that_fails_is_paid_for_by_a_buffer_that_was_filled() {
        // 32 buffers each, as much as a multishot receive takes at a time.
        let (arms, turns) = arms(10_000, 32, 0);
        assert_eq!(turns, 10_000 * 32 / 256);
        assert!(arms <= 10_000 * 32, "{arms}");
    }

    #[test]
    fn the_first_that_failed_is_the_first_to_be_tried() {
        let mut starved = Starved::default();
        (0..3).for_each(|owner| starved.push(owner));
        assert_eq!(std::iter::from_fn(|| starved.pop()).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn none_is_tried_while_every_buffer_is_held() {
        let mut starved = Starved::default();
        starved.push(());
        assert_eq!(starved.retries(256), 0);
        assert_eq!(starved.retries(1_000), 0);
        assert_eq!(starved.retries(255), 1);
    }
}
