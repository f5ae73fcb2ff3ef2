//! Accepting: which kind of accept is armed, and what becomes of what it brings.

use std::io;
use std::os::fd::AsRawFd;

use io_uring::cqueue;
use protocol::server::Protocol;
use uring::Completion;

use super::style::Style;
use super::{ACCEPT, Accept, CLOSE, Direct, IGNORED, MULTISHOT_ACCEPT_MARGIN, NO_CONNECTION, Uring};
use crate::shard::connection::Want;
use crate::shard::slab::Token;
use crate::shard::{Intake, Shard, Trouble};

impl<P: Protocol, S: Style> Uring<P, S> {
    /// Arms the kind of accept that the free descriptors allow, if none is armed.
    pub(super) fn arm_accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        if self.accept != Accept::None {
            return;
        }
        let token = Token::new(NO_CONNECTION, ACCEPT);
        let Shard { shared, intake, .. } = &mut *self.shard;
        match self.connections_max - self.descriptors {
            0 => {
                intake.meet(Trouble::Full, shared.now, &mut shared.counters);
            }
            1..=MULTISHOT_ACCEPT_MARGIN => {
                self.accept = Accept::Oneshot;
                self.ring.accept_oneshot(listener.as_raw_fd(), token, &mut shared.counters);
            }
            _ => {
                self.accept = Accept::Multishot;
                self.ring.accept_multishot(listener.as_raw_fd(), token, &mut shared.counters);
            }
        }
    }

    pub(super) fn end_accept(&mut self) {
        if matches!(self.accept, Accept::Oneshot | Accept::Multishot) {
            self.accept = Accept::Ending;
            let accept = Token::new(NO_CONNECTION, ACCEPT);
            self.ring.cancel(accept, IGNORED, &mut self.shard.shared.counters);
        }
    }

    pub(super) fn on_accept(&mut self, completion: &Completion) {
        if !cqueue::more(completion.flags) {
            self.accept = Accept::None;
        }
        let mut rest = false;
        match Direct::from_result(completion.result) {
            Some(socket) => self.admit(socket),
            None if completion.result == -libc::ECANCELED => {}
            None => {
                let error = io::Error::from_raw_os_error(-completion.result);
                let Shard { shared, intake, .. } = &mut *self.shard;
                rest = intake.meet(Trouble::of(&error), shared.now, &mut shared.counters);
            }
        }
        let near_limit = self.connections_max - self.descriptors <= MULTISHOT_ACCEPT_MARGIN;
        if self.accept == Accept::Multishot && near_limit {
            self.end_accept();
        }
        if !rest && matches!(self.shard.intake, Intake::Open | Intake::Closing { .. }) {
            self.arm_accept();
        }
    }

    fn admit(&mut self, socket: Direct) {
        self.descriptors += 1;
        match self.shard.admit(socket) {
            Some(id) => self.act(id, Want::Read),
            None => {
                // Thousands of connections whose last completions are still to come: very unlikely,
                // and then this one is refused and counted.
                self.shard.shared.counters.accept_errors += 1;
                let token = Token::new(NO_CONNECTION, CLOSE);
                self.ring.close(socket, token, &mut self.shard.shared.counters);
            }
        }
    }
}
