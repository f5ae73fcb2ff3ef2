//! A storm to simulate, and what became of it. Data only.

use loadgen::reconnect::Policy;

pub(super) const SECOND_NS: u64 = 1_000_000_000;

/// A storm to simulate. Times in ns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storm {
    pub(crate) clients: u64,
    pub(crate) policy: Policy,
    pub(crate) seed: u64,
    /// CPU time of the clients' host for a client that notices its loss.
    pub(crate) notice_ns: f64,
    /// CPU time of the clients' host for an attempt that is refused, and what one takes beyond that which is served: the
    /// handshake, the login, its reply.
    pub(crate) attempt_ns: f64,
    pub(crate) welcome_ns: f64,
    /// CPU time of the server for a login.
    pub(crate) login_ns: f64,
    /// Places in the accept queue.
    pub(crate) places: u64,
    /// Source ports from which an attempt takes one at random.
    pub(crate) ports: u64,
    /// How long a client waits for the reply to a login.
    pub(crate) patience_ns: u64,
    /// From the loss until the server is back.
    pub(crate) away_ns: u64,
    /// How long it is watched after that.
    pub(crate) watched_ns: u64,
    /// Share of the server's time that its clients take when all are served, 0 to 1.
    pub(crate) load_before: f64,
}

/// What became of it. Times are counted from the server's return.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Course {
    /// When half and 99 % of the clients were served; absent if fewer were.
    pub(crate) half_served_ns: Option<u64>,
    pub(crate) most_served_ns: Option<u64>,
    /// Share of the clients that were served in the end.
    pub(crate) served: f64,
    pub(crate) attempts_per_client: f64,
    /// SYNs of the tenth of a second with most of them; one that is sent again counts again.
    pub(crate) syns_per_s_max: f64,
    /// Share of the logins whose clients had given up.
    pub(crate) logins_for_nobody: f64,
}
