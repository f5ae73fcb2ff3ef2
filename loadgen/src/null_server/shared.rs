//! What the owner of a null server and its thread share.

use super::late::Late;
use super::speech::Speech;
use super::stall::Stall;
use rustix::fd::OwnedFd;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// What to serve, where and how.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// What is spoken.
    pub speech: Speech,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The CPU of the one thread; `None` leaves it to the scheduler.
    pub cpu: Option<u32>,
    /// When to do nothing.
    pub stall: Option<Stall>,
    /// Which replies come late.
    pub late: Option<Late>,
}

/// State that the thread and its owner share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) requests: AtomicU64,
    pub(super) late_replies: AtomicU64,
    pub(super) stalls: Mutex<Vec<PastStall>>,
    /// Becomes readable when the server is to end.
    pub(super) wake: OwnedFd,
}

/// A stall that is over, in ns of CLOCK_MONOTONIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PastStall {
    pub(super) start: u64,
    pub(super) end: u64,
    /// When no request was left to read for the first time after it.
    pub(super) caught_up: Option<u64>,
}
