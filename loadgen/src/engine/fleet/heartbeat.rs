//! A fleet's heartbeats: sends those that are due and remembers those that are overdue.

use super::beats::Beats;
use super::state::Fleet;
use crate::engine::connection::Phase;
use crate::engine::sockets::Sockets;
use protocol::client::Client;

impl<C: Client, K, const OPEN: bool> Fleet<'_, C, K, OPEN> {
    /// Restarts the beats for the warm-up or the window. Overdue beats are forgotten, because they belong to
    /// no window.
    pub(in crate::engine) fn begin_beats(&mut self, start_ns: u64, period_ns: u64) {
        let seed = self.job.schedule.seed.wrapping_add(self.index as u64);
        self.connections.iter_mut().for_each(|connection| connection.overdue = 0);
        self.overdue = 0;
        self.beats = Some(Beats::new(start_ns, period_ns, seed, self.connections.len()));
    }

    /// Sends due beats on their connections, at most `beats_max`: a worker that has fallen behind must read
    /// replies in between, or the peer would retransmit them again and again.
    pub(super) fn dispatch_beats<E: Sockets<Socket = K>>(&mut self, engine: &mut E, now: u64, beats_max: usize) {
        for _ in 0..beats_max {
            let Some(beats) = &mut self.beats else { return };
            if beats.next_ns() > now || beats.next_ns() >= self.end_ns {
                return;
            }
            let (index, intended) = beats.take();
            self.count_scheduled(intended, now);
            let connection = &mut self.connections[index];
            match connection.phase {
                Phase::Idle => self.send_batch(engine, index, intended, now),
                _ => match connection.overdue.checked_add(1) {
                    Some(overdue) => {
                        connection.overdue = overdue;
                        self.overdue += 1;
                    }
                    // 65,535 wait already: the oldest gives up.
                    None => {
                        let oldest = self.beats.as_ref().map(|beats| beats.oldest(index, u64::from(u16::MAX) + 1));
                        self.censor_arrival(oldest.unwrap_or(intended), now);
                    }
                },
            }
        }
    }

    /// A connection is free again: sends a beat that came due meanwhile.
    pub(super) fn send_overdue_beat<E: Sockets<Socket = K>>(&mut self, engine: &mut E, index: usize, now: u64) {
        let overdue = self.connections[index].overdue;
        if overdue == 0 || !self.is_loading {
            return;
        }
        if let Some(beats) = &self.beats {
            let intended = beats.oldest(index, u64::from(overdue));
            self.connections[index].overdue -= 1;
            self.overdue -= 1;
            // It was noticed in time; it waited for the connection.
            self.send_batch(engine, index, intended, intended.min(now));
        }
    }

    /// Records beats that were never sent.
    pub(super) fn censor_beats(&mut self, now: u64) {
        let Some(beats) = self.beats.take() else { return };
        for index in 0..self.connections.len() {
            for overdue in 1..=self.connections[index].overdue {
                self.censor_arrival(beats.oldest(index, u64::from(overdue)), now);
            }
        }
    }
}
