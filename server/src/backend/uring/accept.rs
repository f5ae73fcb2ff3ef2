//! Accepting: which kind of accept is armed, and how its completions are handled.

use std::os::fd::AsRawFd;

use io_uring::cqueue;
use protocol::server::Protocol;
use rustix::io::Errno;
use sys::uring::Completion;

use super::direct::Direct;
use super::state::{IGNORED, tag};
use super::style::Style;
use super::{Accept, MULTISHOT_ACCEPT_MARGIN, Source, Uring};
use crate::backend::Backend;
use crate::shard::Trouble;
use crate::shard::connection::Want;
use crate::shard::counters::CloseReason;
use crate::shard::slab::{ConnectionId, Token};

impl<P: Protocol, S: Style> Uring<P, S> {
    /// Arms each listener that is not armed.
    pub(super) fn arm_accepts(&mut self) {
        (0..self.sources.len()).for_each(|index| self.arm_accept(index));
    }

    /// Arms an accept if none is armed and accept neither pauses nor ended; how many more it may bring decides which
    /// kind.
    fn arm_accept(&mut self, index: usize) {
        if !self.shard.intake.is_taking() {
            return;
        }
        let (obstacle, near_limit) = (self.obstacle(), self.is_near_limit());
        let Some(Source { listener: Some(listener), accept: accept @ Accept::None }) = self.sources.get_mut(index)
        else {
            return;
        };
        let (listener, token) = (listener.as_raw_fd(), accept_token(index));
        let counters = &mut self.shard.shared.counters;
        if let Some(trouble) = obstacle {
            self.shard.meet(trouble);
            if trouble == Trouble::Rate {
                // What the accepts of other listeners bring would be beyond the rate.
                (0..self.sources.len()).for_each(|index| self.end_accept(index));
            }
        } else if near_limit {
            *accept = Accept::Oneshot;
            self.ring.accept_oneshot(listener, token, counters);
        } else {
            *accept = Accept::Multishot;
            self.ring.accept_multishot(listener, token, counters);
        }
    }

    pub(super) fn end_accept(&mut self, index: usize) {
        let accept = &mut self.sources[index].accept;
        if matches!(accept, Accept::Oneshot | Accept::Multishot) {
            *accept = Accept::Ending;
            self.ring.cancel(accept_token(index), IGNORED, &mut self.shard.shared.counters);
        }
    }

    /// The accept's last completion, or the word of a connection, may be lost: cancels the accept, or learns that there is
    /// none, and arms it again.
    pub(super) fn renew_accept(&mut self, index: usize) {
        if self.sources[index].accept != Accept::None {
            self.sources[index].accept = Accept::Ending;
            let token = Token::new(accept_token(index).id(), tag::NO_ACCEPT);
            self.ring.cancel(accept_token(index), token, &mut self.shard.shared.counters);
        }
    }

    /// The cancellation of an accept failed: ENOENT means that none was armed.
    #[cold]
    pub(super) fn on_no_accept(&mut self, index: usize, result: i32) {
        if result == -libc::ENOENT && self.sources[index].accept == Accept::Ending {
            self.sources[index].accept = Accept::None;
            self.arm_accept(index);
        }
    }

    /// What keeps the ring from accepting one more connection.
    fn obstacle(&self) -> Option<Trouble> {
        if self.descriptors >= self.connections_max {
            return Some(Trouble::Full);
        }
        if self.shard.is_low() {
            return Some(Trouble::Buffers);
        }
        (!self.shard.intake.is_within_rate()).then_some(Trouble::Rate)
    }

    /// Whether a multishot accept of each listener could find more connections than there are descriptors, or than the
    /// rate allows.
    fn is_near_limit(&self) -> bool {
        let free = self.connections_max.saturating_sub(self.descriptors).min(self.shard.intake.allowed());
        u64::from(free) <= u64::from(MULTISHOT_ACCEPT_MARGIN) * self.sources.len() as u64
    }

    pub(super) fn on_accept(&mut self, index: usize, completion: &Completion) {
        if !cqueue::more(completion.flags) {
            self.sources[index].accept = Accept::None;
        }
        match Direct::from_result(completion.result) {
            Some(socket) => self.admit(socket),
            // After its listener was taken, an accept only reports that it ends.
            None if completion.result == -libc::ECANCELED || self.sources[index].listener.is_none() => {}
            None => {
                let trouble = Trouble::of(Errno::from_raw_os_error(-completion.result));
                self.shard.shared.counters.emfile_failures += u64::from(trouble == Trouble::Descriptors);
                self.shard.meet(trouble);
            }
        }
        if self.is_near_limit() {
            for index in 0..self.sources.len() {
                if self.sources[index].accept == Accept::Multishot {
                    self.end_accept(index);
                }
            }
        }
        self.arm_accept(index);
    }

    fn admit(&mut self, socket: Direct) {
        self.descriptors += 1;
        self.shard.intake.succeed();
        match self.shard.admit(socket) {
            // The accept was in flight when the reactor was told to stop.
            Some(id) if self.shard.intake.is_cut() => self.close(id, CloseReason::DrainForced),
            Some(id) => self.act(id, Want::Read),
            None => {
                // No slot is free: thousands of closed connections still wait for their last completions.
                // Very unlikely; refuse and count this one.
                self.shard.shared.counters.accept_errors += 1;
                let token = Token::new(ConnectionId::NONE, tag::CLOSE);
                self.ring.close(socket, token, &mut self.shard.shared.counters);
            }
        }
    }
}

/// A listener's index identifies its accept.
fn accept_token(index: usize) -> Token {
    Token::new(ConnectionId { index: index as u32, generation: 0 }, tag::ACCEPT)
}
