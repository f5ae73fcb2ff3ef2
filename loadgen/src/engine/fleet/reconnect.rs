//! Clients that lost their connection, under a reconnect policy: when they try again, and when they are served again.
//! Without a policy nothing here does anything.
//!
//! A client is out from the loss of its connection, or a connect that failed, until its next good reply. What is
//! counted of it goes by its loss: it has to lie in the window.

use super::clients::Clients;
use super::hello::is_hello;
use super::state::Fleet;
use crate::engine::connection::{Flags, Phase};
use crate::engine::sockets::Sockets;
use crate::reconnect::{Answer, Limit};
use crate::recording::counters::Reconnects;
use crate::recording::outages::Outages;
use protocol::client::Client;
use random::Random;
use sys::clock;

/// Clients that are asked in one turn whether they may try, so that a closed breaker holds nothing else up.
const ASKED_PER_TURN: usize = 64;

/// Why a client has no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Without {
    /// It was lost.
    Lost,
    /// A connect failed.
    Failed,
    /// It was closed as planned or announced, without a good reply since the last loss.
    Unserved,
}

impl<C: Client, K, const OPEN: bool> Fleet<'_, C, K, OPEN> {
    /// Makes the clients' side table, if there is a policy.
    pub(super) fn populate_clients(&mut self) {
        let seed = Random::at(self.job.schedule.seed, self.index as u64);
        let count = self.connections.len();
        self.clients =
            self.job.options.reconnect.map(|policy| Box::new(Clients::new(policy, count, seed, clock::now_ns())));
    }

    /// Whether a policy decides when connections are opened again: from the beginning of the load on.
    pub(super) fn follows_policy(&self) -> bool {
        self.is_loading && self.clients.is_some()
    }

    /// The counters of this interval.
    pub(super) fn reconnects(&mut self) -> &mut Reconnects {
        self.slice.reconnects.get_or_insert_default()
    }

    /// The window begins: outages of the warm-up go on, but count nowhere.
    pub(super) fn forget_outages(&mut self) {
        if let Some(clients) = &mut self.clients {
            clients.all.iter_mut().for_each(|client| client.lost_at_ns = 0);
        }
    }

    /// A client is without a connection: its policy says when it tries again.
    #[cold]
    pub(super) fn reopen_by_policy(&mut self, index: usize, now: u64, without: Without) {
        let is_in_window = self.window.contains(now);
        let Some(clients) = self.clients.as_deref_mut() else { return };
        let counts = self.slice.reconnects.get_or_insert_default();
        let (connection, client) = (&mut self.connections[index], &mut clients.all[index]);
        let opened_before = clients.retries.times_opened();
        let hint = clients.hint.take().filter(|(of, _)| *of == index);
        let delay_ns = match (hint, without) {
            (Some((_, seconds)), _) => clients.retries.on_told(&mut client.backoff, now, seconds),
            (None, Without::Lost) if !connection.flags.has(Flags::OUT) => clients.retries.on_loss(&mut client.backoff),
            (None, _) => clients.retries.on_failure(&mut client.backoff, now),
        };
        counts.told += u64::from(hint.is_some()) * client.counted();
        counts.breaker_opened += clients.retries.times_opened() - opened_before;
        match without {
            Without::Lost if is_in_window => {
                counts.lost += 1;
                counts.lost_again += client.counted();
                if client.counted() == 0 {
                    client.lost_at_ns = now;
                    // Those before belong to an outage that does not count.
                    client.backoff.forget_attempts();
                }
            }
            Without::Failed => counts.attempts_failed += client.counted(),
            Without::Lost | Without::Unserved => {}
        }
        connection.flags.set(Flags::OUT);
        // Not for the sweep, which is coarse.
        connection.since = u64::MAX;
        clients.wait(index, now, delay_ns);
    }

    /// A client was refused and asked to come again after some time. What counts is the connection that it opens next.
    #[cold]
    pub(super) fn note_hint(&mut self, index: usize, retry_after_s: u8, keep_open: bool) {
        let honours = self.job.options.reconnect.is_some_and(|policy| policy.honours_hint);
        if let Some(clients) = &mut self.clients
            && honours
            && retry_after_s > 0
            && !keep_open
        {
            clients.hint = Some((index, retry_after_s));
        }
    }

    /// Whether a client was just asked to come again later.
    pub(super) fn has_hint(&self, index: usize) -> bool {
        let hint = self.clients.as_ref().and_then(|clients| clients.hint);
        hint.is_some_and(|(of, _)| of == index)
    }

    /// When the next client's wait is over; `u64::MAX` when nobody waits.
    #[inline]
    pub(in crate::engine) fn next_retry_ns(&self) -> u64 {
        self.clients.as_ref().map_or(u64::MAX, |clients| clients.next_due_ns())
    }

    /// A client whose wait is over and who may try.
    pub(super) fn pop_due<E: Sockets<Socket = K>>(&mut self, engine: &mut E, now: u64) -> Option<usize> {
        for _ in 0..ASKED_PER_TURN {
            let index = self.clients.as_deref_mut()?.pop_due(now)?;
            let may_open = self.may_open(index);
            let connection = &mut self.connections[index];
            if connection.phase != Phase::Closed || !may_open {
                continue;
            }
            if !engine.is_free(connection.under_way) {
                // The kernel still has operations of the last socket: its last completion, or the sweep, queues it.
                connection.since = 0;
            } else if self.may_try(index, now) {
                return Some(index);
            }
        }
        None
    }

    /// Whether a client may open its connection now; if not, it waits once more. Clients that are not out may.
    pub(super) fn may_try(&mut self, index: usize, now: u64) -> bool {
        let Some(clients) = self.clients.as_deref_mut().filter(|_| self.connections[index].flags.has(Flags::OUT))
        else {
            return true;
        };
        let counts = self.slice.reconnects.get_or_insert_default();
        let client = &mut clients.all[index];
        match clients.retries.on_due(&mut client.backoff, now) {
            Answer::Go => {
                counts.attempts += client.counted();
                true
            }
            Answer::PutOff { by, delay_ns } => {
                match by {
                    Limit::Budget => counts.put_off += client.counted(),
                    Limit::Breaker => counts.breaker_put_off += client.counted(),
                }
                self.connections[index].since = u64::MAX;
                clients.wait(index, now, delay_ns);
                false
            }
        }
    }

    /// Whether a client's outage is in the record, as 1 or 0.
    pub(super) fn counted(&self, index: usize) -> u64 {
        self.clients.as_ref().map_or(0, |clients| clients.all[index].counted())
    }

    /// A client that is out has its connection again.
    pub(super) fn on_reconnected(&mut self, index: usize) {
        let counted = self.counted(index);
        self.reconnects().connected += counted;
    }

    /// A client that was out has a good reply.
    #[cold]
    pub(super) fn on_served(&mut self, index: usize, now: u64) {
        self.connections[index].flags.clear(Flags::OUT);
        let Some(clients) = self.clients.as_deref_mut() else { return };
        let counts = self.slice.reconnects.get_or_insert_default();
        let client = &mut clients.all[index];
        let (lost_at_ns, attempts) = (std::mem::take(&mut client.lost_at_ns), client.backoff.attempts());
        clients.retries.on_served(&mut client.backoff);
        if lost_at_ns == 0 {
            return;
        }
        counts.served_again += 1;
        counts.attempts_of_served += u64::from(attempts);
        if self.is_measuring {
            let outages = self.tally.outages.get_or_insert_with(|| Box::new(Outages::new()));
            outages.record(now.saturating_sub(lost_at_ns), attempts);
        }
    }

    /// After the grace: counts the clients that are still out, with the time they have waited so far.
    pub(super) fn censor_outages(&mut self, now: u64) {
        let Some(clients) = self.clients.as_deref() else { return };
        let counts = self.slice.reconnects.get_or_insert_default();
        for (index, client) in clients.all.iter().enumerate().filter(|(_, client)| client.counted() > 0) {
            let connection = &self.connections[index];
            counts.unserved += 1;
            counts.attempts_pending += u64::from(connection.phase == Phase::Opening);
            counts.hellos_unanswered += u64::from(is_hello(connection));
            let outages = self.tally.outages.get_or_insert_with(|| Box::new(Outages::new()));
            outages.record_missing(now.saturating_sub(client.lost_at_ns));
        }
    }
}
