//! What a fleet asks of an engine.

use super::token::Token;
use crate::recording::counters::Traffic;
use rustix::io::Errno;
use std::net::SocketAddr;

/// What a fleet asks of an engine: connections by their tokens. The engine's turn reports the outcome of
/// operations that take time.
pub(super) trait Sockets {
    /// What a connection holds of its socket.
    type Socket;

    /// Starts a connect to the address of route number `route` of the plan. The outcome is reported by
    /// `on_connected` or `fail_to_open`.
    fn connect(
        &mut self,
        token: Token,
        route: usize,
        source: Option<SocketAddr>,
        under_way: &mut u8,
        traffic: &mut Traffic,
    ) -> Result<Self::Socket, Errno>;

    /// Hands bytes to the kernel and returns how many it took. For the rest the engine calls `send_rest` when
    /// there is room. `is_constant` says that the bytes will neither change nor move.
    fn send(
        &mut self,
        socket: &Self::Socket,
        token: Token,
        bytes: &[u8],
        is_constant: bool,
        under_way: &mut u8,
        traffic: &mut Traffic,
    ) -> Result<usize, Errno>;

    /// Closes a socket.
    fn close(&mut self, socket: Self::Socket, token: Token, under_way: &mut u8, traffic: &mut Traffic);

    /// Whether the kernel has forgotten the last socket of a connection that is closed.
    fn is_free(&self, under_way: u8) -> bool;
}
