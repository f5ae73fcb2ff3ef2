//! The settings of a server at start-up. Every limit is here; nothing is chosen later.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use protocol::Workload;
use protocol::server::HttpLimits;
use serde::{Deserialize, Serialize};

use crate::admission::Admission;
use crate::blocking::Blocking;
use crate::endpoint::Endpoint;

/// A way of using a kernel interface. Each has one native loop, which imitates no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Words", into = "Words")]
pub enum Variant {
    /// epoll, level-triggered: interest changes only when a send was short.
    EpollLevel,
    /// epoll, edge-triggered: registered once; reading stops at a short read.
    EpollEdge,
    /// mio, which is edge-triggered epoll behind a portable interface.
    MioEdge,
    /// io_uring with multishot receives into provided buffers.
    UringMultishot,
    /// io_uring with a poll that stays armed and a receive when it reports.
    UringPoll,
    /// io_uring multishot with sends that finish during submission.
    UringInline,
    /// io_uring `inline` that waits a little for more to do.
    UringGather,
}

/// A variant in records.
#[derive(Serialize, Deserialize)]
struct Words {
    backend: String,
    variant: String,
}

impl From<Variant> for Words {
    fn from(variant: Variant) -> Words {
        Words { backend: variant.backend().to_owned(), variant: variant.variant().to_owned() }
    }
}

impl TryFrom<Words> for Variant {
    type Error = String;

    fn try_from(words: Words) -> Result<Variant, String> {
        Variant::named(&words.backend, Some(&words.variant))
    }
}

impl Variant {
    /// Every variant, default of its backend first.
    pub const ALL: [Variant; 7] = [
        Variant::EpollLevel,
        Variant::EpollEdge,
        Variant::MioEdge,
        Variant::UringMultishot,
        Variant::UringPoll,
        Variant::UringInline,
        Variant::UringGather,
    ];

    /// The variants that are compared everywhere; the others are tricks with an experiment of their own.
    pub const MAIN: [Variant; 6] = [
        Variant::EpollLevel,
        Variant::EpollEdge,
        Variant::MioEdge,
        Variant::UringMultishot,
        Variant::UringInline,
        Variant::UringGather,
    ];

    /// The value of `--backend`.
    pub const fn backend(self) -> &'static str {
        match self {
            Variant::EpollLevel | Variant::EpollEdge => "epoll",
            Variant::MioEdge => "mio",
            Variant::UringMultishot | Variant::UringPoll | Variant::UringInline | Variant::UringGather => "io_uring",
        }
    }

    /// Whether it is a way of using a ring: completions instead of readiness, direct descriptors.
    pub const fn is_uring(self) -> bool {
        !matches!(self, Variant::EpollLevel | Variant::EpollEdge | Variant::MioEdge)
    }

    /// Whether its reactor waits in epoll_wait(2) itself.
    pub const fn is_epoll(self) -> bool {
        matches!(self, Variant::EpollLevel | Variant::EpollEdge)
    }

    /// The value of `--variant`.
    pub const fn variant(self) -> &'static str {
        match self {
            Variant::EpollLevel => "level",
            Variant::EpollEdge | Variant::MioEdge => "edge",
            Variant::UringMultishot => "multishot",
            Variant::UringPoll => "poll",
            Variant::UringInline => "inline",
            Variant::UringGather => "gather",
        }
    }

    /// Every backend, in the order of the list.
    pub fn backends() -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Variant::ALL.iter().map(|variant| variant.backend()).collect();
        names.dedup();
        names
    }

    /// The variants of a backend, its default first.
    pub fn variants_of(backend: &str) -> impl Iterator<Item = Variant> {
        Variant::ALL.into_iter().filter(move |variant| variant.backend() == backend)
    }

    /// The variant named by these two words; without the second, the backend's default.
    ///
    /// # Errors
    /// A sentence that lists the choices.
    pub fn named(backend: &str, variant: Option<&str>) -> Result<Variant, String> {
        let Some(default) = Variant::variants_of(backend).next() else {
            return Err(format!(
                "there is no backend {backend:?}; there are {} and auto",
                Variant::backends().join(", ")
            ));
        };
        let Some(variant) = variant else { return Ok(default) };
        Variant::variants_of(backend).find(|v| v.variant() == variant).ok_or_else(|| {
            let names: Vec<&str> = Variant::variants_of(backend).map(Variant::variant).collect();
            format!("backend {backend} has no variant {variant:?}; it has {}", names.join(", "))
        })
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.backend(), self.variant())
    }
}

/// Who chooses the reactor of a new connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// The kernel's hash of addresses and ports: even only on average.
    #[default]
    Hash,
    /// The reactor on the CPU that handles the SYN, at random if it has several. If it has none: the CPU's
    /// number modulo the number of reactors.
    Cpu,
    /// Each reactor in turn. Needs CAP_BPF and Linux 5.12.
    RoundRobin,
}

impl fmt::Display for Balance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Balance::Hash => "hash",
            Balance::Cpu => "cpu",
            Balance::RoundRobin => "round-robin",
        })
    }
}

/// How the kernel's scheduler treats the reactors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheduling {
    /// As any thread (SCHED_OTHER): a reactor that wakes up may preempt the running one.
    #[default]
    Normal,
    /// As batch work (SCHED_BATCH, sched(7)): a reactor that wakes up waits for its turn and then finds more to
    /// do. With many reactors per CPU that saves a switch per event, at the price of a few ms of delay.
    Batch,
}

impl fmt::Display for Scheduling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Scheduling::Normal => "normal",
            Scheduling::Batch => "batch",
        })
    }
}

/// Options of listening sockets; accepted ones inherit them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketOptions {
    /// Longest accept queue requested. The kernel caps it at net.core.somaxconn (listen(2)).
    pub backlog: u32,
    /// SO_RCVBUF in bytes, which the kernel doubles (socket(7)); `None` lets the kernel tune it.
    pub receive_buffer: Option<u32>,
    /// SO_SNDBUF, likewise.
    pub send_buffer: Option<u32>,
    /// Whether small pieces wait for an acknowledgement of those before (Nagle's algorithm, RFC 896): TCP_NODELAY is left off.
    pub delays_small: bool,
    /// Seconds for which connections wait for their first bytes in the kernel (TCP_DEFER_ACCEPT).
    pub defer_accept_s: Option<NonZeroU32>,
    /// Microseconds for which a card is polled before a receive waits (SO_BUSY_POLL).
    pub busy_poll_us: Option<NonZeroU32>,
    /// The same before the wait for events of a reactor with epoll (EPIOCSPARAMS).
    pub epoll_busy_poll_us: Option<NonZeroU32>,
}

impl SocketOptions {
    /// The default backlog: asking for more than the kernel's default of 4,096 lets net.core.somaxconn
    /// be the only setting to change.
    pub const BACKLOG: u32 = 65_535;

    pub(crate) fn backlog_for_listen(&self) -> i32 {
        i32::try_from(self.backlog).unwrap_or(i32::MAX)
    }
}

impl Default for SocketOptions {
    fn default() -> Self {
        SocketOptions {
            backlog: SocketOptions::BACKLOG,
            receive_buffer: None,
            send_buffer: None,
            delays_small: false,
            defer_accept_s: None,
            busy_poll_us: None,
            epoll_busy_poll_us: None,
        }
    }
}

/// How the kernel finds dead peers if no idle timeout does (tcp(7)). Without it, a peer that lost power would
/// hold its slot for ever.
#[derive(Debug)]
pub struct KeepAlive;

impl KeepAlive {
    /// Silence before the first probe (TCP_KEEPIDLE). Shorter than the 350 s after which common load balancers
    /// forget a connection; longer than a heartbeat interval, so that peers with heartbeats are not probed.
    pub const IDLE: Duration = Duration::from_secs(300);
    /// Time between probes (TCP_KEEPINTVL).
    pub const INTERVAL: Duration = Duration::from_secs(30);
    /// Unanswered probes before the end (TCP_KEEPCNT).
    pub const PROBES: u32 = 5;
    /// TCP_USER_TIMEOUT: if bytes stay unacknowledged for this long, the connection ends. It also overrides
    /// the number of probes (`tcp_keepalive_timer`), so it must be the time that they take.
    pub const DEAD_AFTER: Duration = Duration::from_secs(300 + 5 * 30);
}

/// How one server runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it does with the bytes.
    pub workload: Workload,
    /// Which loop.
    pub variant: Variant,
    /// Where to listen, at least one place.
    pub listen: Vec<Endpoint>,
    /// Take an address although others listen there, and share its connections with them.
    pub share_port: bool,
    /// Where a successor takes over the listeners, and where this server takes those of a predecessor.
    pub handover: Option<PathBuf>,
    /// What is set on listening sockets.
    pub socket: SocketOptions,
    /// Number of reactors. Each is one thread with its own listeners, fd table and shard; only the listener of a
    /// unix socket is shared.
    pub reactors: usize,
    /// CPUs that the reactors take in turn; empty: every CPU this process may use.
    pub cpus: Vec<usize>,
    /// Who chooses the reactor of a new connection.
    pub balance: Balance,
    /// How the scheduler treats the reactors.
    pub scheduling: Scheduling,
    /// Most connections per reactor; 0: what the fd limit allows.
    pub connections_max: u32,
    /// Whether the soft fd limit stays as it is found, instead of being raised to the hard one. Connections may then be as
    /// many as the hard one allows, so it is the soft limit that accept meets.
    pub keep_soft_limit: bool,
    /// Close connections without a request for this long; zero: never, and then [`KeepAlive`] finds dead peers.
    pub idle_timeout: Duration,
    /// Longest time for a request head; zero: no limit.
    pub header_timeout: Duration,
    /// Longest time for a whole request body; zero: as long as it makes progress.
    pub body_timeout: Duration,
    /// Close when a body or a reply makes no progress for this long; zero: never.
    pub stall_timeout: Duration,
    /// How long a drain may take before connections are closed by force.
    pub drain_timeout: Duration,
    /// Accepts per turn: a flood of connections must not starve the ones that are open.
    pub accepts_per_turn_max: u32,
    /// What to do about more connections than can be served.
    pub admission: Admission,
    /// Memory for buffers per reactor in bytes, at least [`crate::BUFFER_MEMORY_LEN_MIN`].
    pub buffer_memory_max: usize,
    /// Limits of the HTTP workload.
    pub http: HttpLimits,
    /// How requests whose work blocks are served (HTTP only); `None`: there are none.
    pub blocking: Option<Blocking>,
    /// CPU time that each request costs beyond its work, in nanoseconds: for experiments that must find it.
    pub handicap_ns: Option<NonZeroU32>,
    /// CPU time that the first request of each connection costs beyond its work, in nanoseconds: what a login takes, for
    /// experiments with many reconnects.
    pub hello_cost_ns: Option<NonZeroU32>,
}

impl Options {
    /// Most reactors. Each is a thread with listeners of its own; no machine today has more CPUs than this.
    pub const REACTORS_MAX: u16 = 1024;
    /// Memory for buffers per reactor, unless a control group allows less.
    pub const BUFFER_MEMORY: usize = 256 << 20;
    /// Silence of a connection before it is closed.
    pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
    /// Longest work of a login: a second at which nothing else is served.
    pub const HELLO_COST_MAX: Duration = Duration::from_secs(1);
    /// Accepts per turn. HAProxy takes 4, h2o 20; more fit here, because a turn is shorter: nothing blocks
    /// it.
    pub const ACCEPTS_PER_TURN: u32 = 64;

    /// Defaults for a workload: loopback, a free port, epoll, one reactor per CPU.
    pub fn new(workload: Workload) -> Self {
        Options {
            workload,
            variant: Variant::EpollLevel,
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
            share_port: false,
            handover: None,
            socket: SocketOptions::default(),
            reactors: sys::affinity::allowed_cpus().map_or(1, |cpus| cpus.len()),
            cpus: Vec::new(),
            balance: Balance::Hash,
            scheduling: Scheduling::Normal,
            connections_max: 0,
            keep_soft_limit: false,
            idle_timeout: Options::IDLE_TIMEOUT,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::ZERO,
            stall_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            accepts_per_turn_max: Options::ACCEPTS_PER_TURN,
            admission: Admission::default(),
            buffer_memory_max: Options::BUFFER_MEMORY,
            http: HttpLimits::default(),
            blocking: None,
            handicap_ns: None,
            hello_cost_ns: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_variant() {
        for variant in Variant::ALL {
            assert_eq!(Variant::named(variant.backend(), Some(variant.variant())), Ok(variant));
            assert_eq!(variant.is_uring(), variant.backend() == "io_uring");
        }
        assert_eq!(Variant::backends(), ["epoll", "mio", "io_uring"]);
        assert_eq!(Variant::named("io_uring", None), Ok(Variant::UringMultishot));
        assert!(Variant::named("kqueue", None).unwrap_err().contains("epoll, mio, io_uring"));
        assert!(Variant::named("epoll", Some("multishot")).unwrap_err().contains("level, edge"));
    }
}
