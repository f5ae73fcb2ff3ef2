//! The arguments of `c10m serve`, and the options that they stand for.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use protocol::Workload;
use server::{Balance, Endpoint, Options, Scheduling, SocketOptions, Variant};

use super::admission::{AdmissionArgs, only_readiness};
use super::blocking::BlockingArgs;
use super::cpus::{CpuList, cpu_list};
use super::listen::Listen;
use super::memory;
use super::socket::SocketArgs;
use crate::count;
use crate::given::Given;
use crate::workload;

/// Not a doc comment at the argument, because rustdoc would read the brackets as a link.
const PLACES: &str = "Where to listen: 127.0.0.1:8080, [::1]:8080, localhost:8080 (all its addresses), a port alone \
                      (loopback only), unix:PATH (permissions by the umask; a path has no comma). Several: repeat it, \
                      or separate them by commas. Port 0 takes a free one";

const NOTES: &str = "\
Exit codes: 0 drained, 1 failed, 2 usage, 3 a drain had to close connections
by force.";

/// Arguments of `c10m serve`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    given: Given,
    /// What to serve.
    #[arg(value_parser = workload::parser(|workload| match workload {
        Workload::Echo => "Every byte comes back",
        Workload::Http => "HTTP/1.1: GET /, GET /bytes/N, POST /echo",
    }))]
    workload: Workload,
    #[arg(long, value_name = "PLACE", default_value = "8080", value_delimiter = ',', help = PLACES)]
    pub(super) listen: Vec<Listen>,
    /// Hot restart: take over the listeners of the server that was started with the same path, which then drains; and
    /// give them to the next that comes. Without a predecessor, start as usual. Nothing that is queued is lost. PATH is
    /// a socket that only this user may use.
    #[arg(long, value_name = "PATH", value_parser = handover_path)]
    pub(super) handover: Option<PathBuf>,
    /// Listen although others do at the same address and port, and share the connections with them (SO_REUSEPORT).
    /// Handshakes under way when one of them ends are lost, unless net.ipv4.tcp_migrate_req is 1.
    #[arg(long)]
    share_port: bool,
    #[arg(long, default_value = "epoll", help = backend_help())]
    backend: String,
    #[arg(long, help = variant_help())]
    variant: Option<String>,
    /// Event loops, each a thread with its own listeners; a unix socket is shared [default: one per CPU].
    #[arg(long, value_name = "N", value_parser = count::between(1_u16, server::Options::REACTORS_MAX))]
    reactors: Option<u16>,
    /// CPUs for the reactors, in turn, such as 0,2-3 [default: all].
    #[arg(long, value_name = "LIST", value_parser = cpu_list)]
    cpus: Option<CpuList>,
    /// What chooses the reactor of a new connection.
    #[arg(long, value_enum, default_value_t = BalanceArg::Hash)]
    balance: BalanceArg,
    /// How the scheduler treats the reactors.
    #[arg(long, value_enum, default_value_t = SchedulingArg::Normal)]
    scheduling: SchedulingArg,
    /// Maximum number of connections per reactor [default: what the fd limit allows].
    #[arg(long, value_name = "N", value_parser = count::between(1_u32, server::CONNECTIONS_MAX as u32))]
    max_connections: Option<u32>,
    /// Leave the soft fd limit (ulimit -Sn) as it is, instead of raising it to the hard one: accept then fails where it
    /// ends, as in programs that do not raise it. A ring's table has to fit it.
    #[arg(long)]
    keep_soft_limit: bool,
    /// Close a connection without requests after this time. 0s never does; then TCP keep-alive ends connections whose
    /// peer is gone: it probes after 5 min of silence, then every 30 s, and gives up after 7.5 min.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = timeout)]
    idle_timeout: Duration,
    /// Longest time for a request head to arrive; 0s means no limit.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout)]
    header_timeout: Duration,
    /// Longest time for a whole request body, instead of --stall-timeout; 0s lets it take as long as it makes progress. Of a
    /// body beyond 64 KiB, which is answered while it arrives, each answer starts this time anew.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = timeout)]
    body_timeout: Duration,
    /// Close when a body or a reply makes no progress for this time; 0s never does.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = timeout)]
    stall_timeout: Duration,
    /// Longest time for a drain. After it, connections are cut off and the exit code is 3.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    drain_timeout: Duration,
    /// Longest accept queue of each listener; the kernel limits it to net.core.somaxconn.
    #[arg(long, value_name = "N", default_value_t = SocketOptions::BACKLOG,
          value_parser = count::between(1, i32::MAX.unsigned_abs()))]
    pub(super) backlog: u32,
    /// Receive buffer of each connection, such as 64KiB; the kernel limits it to net.core.rmem_max, and then doubles
    /// it [default: tuned by the kernel].
    #[arg(long, value_name = "BYTES", value_parser = socket_buffer)]
    pub(super) rcvbuf: Option<u32>,
    /// Send buffer of each connection, likewise; the limit is net.core.wmem_max.
    #[arg(long, value_name = "BYTES", value_parser = socket_buffer)]
    pub(super) sndbuf: Option<u32>,
    #[command(flatten)]
    socket: SocketArgs,
    /// Connections that one turn of the loop accepts at most, from each listener [default: 64]. Not with io_uring,
    /// whose accept has no turns, nor with auto, which may choose io_uring.
    #[arg(long, value_name = "N", value_parser = count::between(1_u32, 65_536))]
    accepts_per_turn: Option<u32>,
    #[command(flatten)]
    admission: AdmissionArgs,
    #[command(flatten)]
    blocking: BlockingArgs,
    /// Memory for buffers in each reactor, such as 64MiB; at least 4MiB [default: 256MiB; in a control group at most a
    /// quarter of its memory for all reactors, but at least 4MiB each].
    #[arg(long, value_name = "SIZE", value_parser = memory::parse)]
    buffer_memory: Option<u64>,
    /// Longest HTTP request body in bytes; the answer to a longer one is 413.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    max_body: u32,
    /// CPU time that the first request of each connection costs, such as 1ms: the work that a login takes, for
    /// experiments with many reconnects; at most 1s [default: only the work of any request].
    #[arg(long, value_name = "TIME", value_parser = hello_cost)]
    hello_cost: Option<NonZeroU32>,
    /// CPU time that each request costs beyond its work, in ns: a difference planted for an experiment to find.
    #[arg(long, value_name = "NS", hide = true, value_parser = count::nonzero)]
    handicap: Option<NonZeroU32>,
    /// Report live counters at this interval, at least 100ms: on stderr, or with --json on stdout. Closes and pauses
    /// are those of the interval; the end reports all of them.
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub(super) stats: Option<Duration>,
    /// Print JSON lines on stdout: one when ready, one with all counters at the end, and with --stats one per
    /// interval.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BalanceArg {
    /// The kernel's hash of addresses and ports.
    Hash,
    /// The CPU that handles the SYN; on loopback that is the client's.
    Cpu,
    /// Each reactor in turn; needs CAP_BPF.
    RoundRobin,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchedulingArg {
    /// Like any other thread.
    Normal,
    /// A thread that wakes up interrupts no other: for many reactors on each CPU.
    Batch,
}

fn socket_buffer(text: &str) -> Result<u32, String> {
    // setsockopt(2) takes an int, and the kernel doubles it.
    const MOST: u64 = i32::MAX as u64 / 2;
    match crate::size::size(text)? {
        0 => Err("a buffer of 0 bytes does not exist; leave the option out to let the kernel tune it".into()),
        bytes if bytes > MOST => Err(format!("a buffer has at most {MOST} bytes")),
        bytes => u32::try_from(bytes).map_err(|error| error.to_string()),
    }
}

/// In nanoseconds.
fn hello_cost(text: &str) -> Result<NonZeroU32, String> {
    let cost = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if cost > Options::HELLO_COST_MAX {
        return Err("a login works at most 1s, in which its reactor serves nobody else".into());
    }
    let ns = u32::try_from(cost.as_nanos()).ok().and_then(NonZeroU32::new);
    ns.ok_or_else(|| "0s is the default; leave the option out".into())
}

fn handover_path(text: &str) -> Result<PathBuf, String> {
    match text.len() {
        0 => Err("a path is missing".into()),
        len if len > server::UNIX_PATH_LEN_MAX => Err(format!(
            "the path has {len} bytes, but a unix socket address only has room for {} (unix(7)); choose a shorter one",
            server::UNIX_PATH_LEN_MAX
        )),
        _ => Ok(text.into()),
    }
}

/// A reactor's timers have a resolution of 100 ms. More frequent lines would say less than they cost.
fn interval(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_millis(100);
    match humantime::parse_duration(text) {
        Ok(interval) if interval >= LEAST => Ok(interval),
        Ok(_) => Err("an interval is at least 100ms".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// The reactors check deadlines every 100 ms, the tick of their timers. A shorter timeout would be late.
fn timeout(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_millis(100);
    match humantime::parse_duration(text) {
        Ok(timeout) if timeout.is_zero() || timeout >= LEAST => Ok(timeout),
        Ok(_) => Err("shorter than 100ms, the tick of the clock; 0s means no limit".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn backend_help() -> String {
    format!("{}, or auto, which says what it chose and why", Variant::backends().join(", "))
}

fn variant_help() -> String {
    let backends = Variant::backends().into_iter().map(|backend| {
        let names: Vec<&str> = Variant::variants_of(backend).map(Variant::variant).collect();
        format!("{backend}: {}.", names.join(", "))
    });
    format!("{} The first is the default", backends.collect::<Vec<_>>().join(" "))
}

impl ServeArgs {
    /// The requested variant, or the one that `auto` chooses and the reason.
    ///
    /// # Errors
    /// What is wrong with the arguments.
    pub(super) fn variant(&self) -> Result<(Variant, Option<String>), String> {
        let variant = match (self.backend.as_str(), &self.variant) {
            ("auto", None) => {
                self.check_variant(None)?;
                let choice = server::choose();
                return Ok((choice.variant, Some(choice.reason)));
            }
            ("auto", Some(_)) => return Err("--variant goes with a backend; --backend auto chooses both".into()),
            (backend, variant) => Variant::named(backend, variant.as_deref())?,
        };
        self.check_variant(Some(variant))?;
        Ok((variant, None))
    }

    /// Refuses what the variant cannot do; `None` is the one that `--backend auto` would choose.
    fn check_variant(&self, variant: Option<Variant>) -> Result<(), String> {
        let accepts_per_turn = self.accepts_per_turn.map(|_| "--accepts-per-turn");
        only_readiness(accepts_per_turn, variant, "whose accept has no turns")?;
        self.socket.check(variant)?;
        self.admission.check_variant(variant)
    }

    /// Whether the arguments fit the endpoints.
    ///
    /// # Errors
    /// What does not fit.
    pub(super) fn check(&self, endpoints: &[Endpoint]) -> Result<(), String> {
        let is_balanced = matches!(self.balance, BalanceArg::Cpu | BalanceArg::RoundRobin);
        if is_balanced && endpoints.iter().all(|endpoint| endpoint.tcp().is_none()) {
            return Err("--balance goes with an address of TCP; all reactors share the queue of a unix socket".into());
        }
        self.check_effects(endpoints)
    }

    /// Refuses what does not go with sockets that a service manager passed.
    ///
    /// # Errors
    /// What does not.
    pub(super) fn check_inherited(&self) -> Result<(), String> {
        let other = [("listen", "--listen"), ("handover", "--handover"), ("share_port", "--share-port")];
        match other.iter().find(|(name, _)| self.given.has(name)) {
            Some((_, flag)) => Err(format!(
                "{flag} does not go with LISTEN_FDS, which brings the sockets that listen; leave it out, or unset LISTEN_FDS"
            )),
            None => Ok(()),
        }
    }

    /// Refuses options without effect.
    fn check_effects(&self, endpoints: &[Endpoint]) -> Result<(), String> {
        let is_echo = self.workload == Workload::Echo;
        for (name, flag) in
            [("header_timeout", "--header-timeout"), ("body_timeout", "--body-timeout"), ("max_body", "--max-body")]
        {
            if is_echo && self.given.has(name) {
                return Err(format!("{flag} has no effect on echo, which has neither heads nor bodies: it needs http"));
            }
        }
        if self.share_port && endpoints.iter().all(|endpoint| endpoint.tcp().is_none()) {
            return Err("--share-port has no effect on a unix socket: it needs an address of TCP".into());
        }
        if self.rcvbuf.is_some() && endpoints.iter().all(|endpoint| endpoint.tcp().is_none()) {
            // unix(7): SO_RCVBUF has no effect on these sockets, because what is sent counts against the sender's
            // buffer.
            return Err(
                "--rcvbuf has no effect on a unix socket, where --sndbuf bounds both ways: it needs an address of TCP"
                    .into(),
            );
        }
        self.blocking.check_effects(self.workload)?;
        self.admission.check_effects(self.workload, self.idle_timeout)
    }

    /// The options of a server that listens at `endpoints`. `group` is the memory limit of the control group. A note
    /// says what that limit changed.
    ///
    /// # Errors
    /// When there is not enough memory for buffers.
    pub(super) fn options(
        &self,
        variant: Variant,
        endpoints: Vec<Endpoint>,
        group: Option<host::Bound>,
    ) -> Result<(Options, Option<String>), String> {
        let mut options = Options::new(self.workload);
        options.variant = variant;
        options.listen = endpoints;
        options.share_port = self.share_port;
        options.handover = self.handover.clone();
        options.socket = SocketOptions {
            backlog: self.backlog,
            receive_buffer: self.rcvbuf,
            send_buffer: self.sndbuf,
            ..self.socket.options()
        };
        options.reactors = self.reactors.map_or(options.reactors, usize::from);
        options.cpus = self.cpus.as_ref().map_or(vec![], |list| list.0.clone());
        options.balance = match self.balance {
            BalanceArg::Hash => Balance::Hash,
            BalanceArg::Cpu => Balance::Cpu,
            BalanceArg::RoundRobin => Balance::RoundRobin,
        };
        options.scheduling = match self.scheduling {
            SchedulingArg::Normal => Scheduling::Normal,
            SchedulingArg::Batch => Scheduling::Batch,
        };
        options.connections_max = self.max_connections.unwrap_or(0);
        options.keep_soft_limit = self.keep_soft_limit;
        options.idle_timeout = self.idle_timeout;
        options.header_timeout = self.header_timeout;
        options.body_timeout = self.body_timeout;
        options.stall_timeout = self.stall_timeout;
        options.drain_timeout = self.drain_timeout;
        options.accepts_per_turn_max = self.accepts_per_turn.unwrap_or(Options::ACCEPTS_PER_TURN);
        options.admission = self.admission.settings();
        let memory = memory::choose(self.buffer_memory, group, options.reactors)?;
        options.buffer_memory_max = memory.bytes as usize;
        options.http.body_len_max = self.max_body;
        options.blocking = self.blocking.settings();
        options.handicap_ns = self.handicap;
        options.hello_cost_ns = self.hello_cost;
        Ok((options, memory.note))
    }
}
