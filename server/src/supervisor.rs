//! Starts the reactors one after the other, passes orders on, and gathers their reports.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, after, never, select, tick, unbounded};

use crate::admission::WhenShort;
use crate::balance::Program;
use crate::drain::Command;
use crate::endpoint::Endpoint;
use crate::listener::{self, SocketSizes};
use crate::options::Options;
use crate::reactor::{self, Line, News, Setup};
use crate::report::Report;
use crate::stats::{Stats, Watch};
use crate::unavailable::Unavailable;
use crate::unix_socket::SocketFile;

/// Descriptors a reactor needs besides connections and listeners: epoll or ring, doorbells, standard
/// streams, and some for what the process inherited.
pub const RESERVED_DESCRIPTORS: u64 = 64;
/// Default limit on connections per reactor if the fd limit is practically infinite. It costs only address
/// space.
pub const CONNECTIONS_MAX: u64 = 1 << 22;
/// Largest table of direct descriptors (`IORING_MAX_FIXED_FILES`, Linux `io_uring/rsrc.c`).
pub const DIRECT_DESCRIPTORS_MAX: u64 = 1 << 20;

/// What the owner of a server may order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Stop taking connections, finish what is in flight, end. A second one means [`Order::Stop`].
    Drain,
    /// End now; open connections are cut off.
    Stop,
}

/// A server whose reactors are all serving.
pub struct Server {
    endpoints: Vec<Endpoint>,
    /// Removed when the drain begins.
    socket_files: Vec<SocketFile>,
    sizes: SocketSizes,
    connections_max: u32,
    options: Options,
    lines: Vec<Line>,
    threads: Vec<JoinHandle<()>>,
    news: Receiver<News>,
}

impl Server {
    /// Starts every reactor and returns once all of them listen.
    ///
    /// Raises the soft fd limit of the process to the hard one.
    ///
    /// # Errors
    /// The first failure; nothing is left running then.
    pub fn start(options: Options) -> Result<Server, Unavailable> {
        assert!(!options.listen.is_empty(), "a server listens somewhere");
        let connections_max = connections_max(&options)?;
        let cpus = if options.cpus.is_empty() {
            sys::affinity::allowed_cpus().map_err(Unavailable::kernel("sched_getaffinity(2)"))?
        } else {
            options.cpus.clone()
        };
        let cpus: Vec<usize> = cpus.into_iter().cycle().take(options.reactors.max(1)).collect();
        let mut program = Program::new(options.balance, &cpus)?;
        for address in options.listen.iter().filter_map(Endpoint::tcp) {
            listener::ensure_free(address).map_err(Unavailable::address(address))?;
        }
        let (socket_files, shared) = socket_files(&options)?;
        let (sender, news) = unbounded();
        let mut server = Server {
            endpoints: options.listen.clone(),
            socket_files,
            sizes: SocketSizes::default(),
            connections_max,
            options,
            lines: vec![],
            threads: vec![],
            news,
        };
        for (index, cpu) in cpus.into_iter().enumerate() {
            // The first reactor attaches it before it listens; the others join its group.
            let program = program.take();
            if let Err(unavailable) = server.start_reactor(index, cpu, program, &shared, &sender) {
                server.order(Command::Stop);
                server.join();
                return Err(unavailable);
            }
        }
        Ok(server)
    }

    /// Reactors start one after the other: the first fixes the port, and while a new one copies the process's
    /// fd table, no reactor's descriptors are open in it.
    fn start_reactor(
        &mut self,
        index: usize,
        cpu: usize,
        program: Option<Program>,
        shared: &[Arc<OwnedFd>],
        sender: &Sender<News>,
    ) -> Result<(), Unavailable> {
        let line = Line::new().map_err(Unavailable::kernel("eventfd(2)"))?;
        let setup = Setup {
            index,
            cpu,
            endpoints: self.endpoints.clone(),
            shared: shared.to_vec(),
            connections_max: self.connections_max,
            options: self.options.clone(),
            program,
            line: line.clone(),
        };
        let sender = sender.clone();
        let thread = Builder::new()
            .name(format!("reactor-{index}"))
            .spawn(move || reactor::run(setup, &sender))
            .map_err(Unavailable::kernel("starting a thread"))?;
        self.threads.push(thread);
        self.lines.push(line);
        // `self` holds a sender, so the channel is not closed.
        let news = self.news.recv().map_err(|_| Unavailable::reactor(index, None))?;
        let (listening, endpoints, sizes) = ready(news)?;
        // The kernel numbers a group's listeners in order of arrival, and the group's program relies on it.
        assert_eq!((listening, self.threads.len()), (index, index + 1), "a reactor listens out of turn");
        (self.endpoints, self.sizes) = (endpoints, sizes);
        Ok(())
    }

    /// Where it listens, in the requested order; a port is never 0.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// What the kernel gave the first of its listeners.
    pub fn socket_sizes(&self) -> SocketSizes {
        self.sizes
    }

    /// Most connections per reactor.
    pub fn connections_max(&self) -> u32 {
        self.connections_max
    }

    /// Serves until `orders` end it, then returns the report. A drain that outlasts the drain timeout becomes
    /// a stop. A reactor that fails stops the others.
    pub fn supervise(self, orders: &Receiver<Order>) -> Report {
        self.supervise_with(orders, None, &mut |_| {})
    }

    /// The same, and also reports live counters every `interval`.
    pub fn supervise_with(
        mut self,
        orders: &Receiver<Order>,
        interval: Option<Duration>,
        tell: &mut dyn FnMut(&Stats),
    ) -> Report {
        let mut reports = Vec::new();
        let mut orders = orders.clone();
        let mut draining = false;
        let mut deadline = never::<Instant>();
        let mut watch = Watch::new(self.threads.len());
        let intervals = interval.map_or_else(never, tick);
        while reports.len() < self.threads.len() {
            let stats = select! {
                recv(orders) -> order => {
                    match order {
                        Ok(Order::Drain) if !draining => {
                            draining = true;
                            deadline = after(self.options.drain_timeout);
                            self.order(Command::Drain);
                        }
                        Ok(_) => self.order(Command::Stop),
                        // Nobody is left to give orders: keep serving.
                        Err(_) => orders = never(),
                    }
                    None
                },
                recv(deadline) -> _ => {
                    self.order(Command::Stop);
                    None
                },
                recv(intervals) -> _ => {
                    let stats = watch.next(draining);
                    self.ask_for_snapshots();
                    stats
                },
                recv(self.news) -> news => match news {
                    Ok(News::Ended(report)) => {
                        if report.error.is_some() {
                            self.order(Command::Stop);
                        }
                        let index = report.index;
                        reports.push(*report);
                        watch.ended(index, draining)
                    }
                    Ok(News::Snapshot(snapshot)) => watch.answered(*snapshot, draining),
                    Ok(_) => None,
                    Err(_) => break,
                },
            };
            if let Some(stats) = stats {
                tell(&stats);
            }
        }
        self.join();
        Report::new(self.options.balance, self.options.handicap_ns, reports)
    }

    fn order(&mut self, command: Command) {
        // First, so that nobody connects to a unix socket after its queue was emptied for the last time.
        self.socket_files.clear();
        for line in &self.lines {
            // A doorbell cannot fail while its reactor lives, and a reactor that ended needs no order.
            let _ = line.order(command);
        }
    }

    fn ask_for_snapshots(&self) {
        for line in &self.lines {
            // As above: a reactor that ended has answered with its report.
            let _ = line.ask_for_snapshot();
        }
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // A panic is a bug and was printed; in release builds it ended the process.
            let _ = thread.join();
        }
    }
}

/// The awaited news of the reactor being started: which one listens, and where.
fn ready(news: News) -> Result<(usize, Vec<Endpoint>, SocketSizes), Unavailable> {
    match news {
        News::Ready { index, endpoints, sizes } => Ok((index, endpoints, sizes)),
        News::Unavailable(unavailable) => Err(unavailable),
        // Not from this reactor, but from one that was started before and was serving.
        News::Ended(report) => Err(Unavailable::reactor(report.index, report.error)),
        News::Snapshot(_) => unreachable!("nobody asks before all reactors serve"),
    }
}

/// Creates the unix sockets, which all reactors share.
fn socket_files(options: &Options) -> Result<(Vec<SocketFile>, Vec<Arc<OwnedFd>>), Unavailable> {
    let nonblocking = !options.variant.is_uring();
    let (mut files, mut sockets) = (Vec::new(), Vec::new());
    for endpoint in &options.listen {
        if let Endpoint::Unix(path) = endpoint {
            let (file, socket) = SocketFile::create(path, nonblocking, &options.socket)?;
            files.push(file);
            sockets.push(Arc::new(socket));
        }
    }
    Ok((files, sockets))
}

/// The limit per reactor: the requested one if it fits the fd limit; without a request, what fits.
fn connections_max(options: &Options) -> Result<u32, Unavailable> {
    let limit = sys::limits::raise_fd_limit().map_err(Unavailable::kernel("setrlimit(RLIMIT_NOFILE)"))?;
    let waiting = options.admission.waiting_room.map_or(0, |room| u64::from(room.places.get()));
    let reserved = match options.admission.when_short {
        // For each place, every reactor has its own listener or a copy of one.
        WhenShort::Pause => RESERVED_DESCRIPTORS + options.listen.len() as u64 + waiting,
        // What to do when descriptors run out is a question only for a server that lets them run out.
        WhenShort::Spin | WhenShort::Shed | WhenShort::Evict => 0,
    };
    let fits = limit.saturating_sub(reserved);
    if fits == 0 {
        return Err(Unavailable::NoDescriptors(limit));
    }
    let wanted = u64::from(options.connections_max);
    if wanted > fits {
        return Err(Unavailable::Descriptors { wanted, needed: wanted + reserved, limit, fits });
    }
    let most = if options.variant.is_uring() { DIRECT_DESCRIPTORS_MAX } else { CONNECTIONS_MAX };
    Ok(if wanted > 0 { wanted } else { fits }.min(most) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    use crate::admission::{AcceptOrder, WaitingRoom};
    use crate::report::ReactorReport;
    use crate::shard::counters::Counters;
    use host::CpuTime;

    fn ended(index: usize, error: Option<&str>) -> News {
        News::Ended(Box::new(ReactorReport {
            index,
            cpu: 0,
            counters: Counters::default(),
            connections_left: 0,
            buffers_in_use: 0,
            buffers_peak: 0,
            buffer_memory_bytes: 0,
            buffer_memory_bytes_peak: 0,
            buffer_memory_bytes_max: 0,
            buffer_memory_refusals: 0,
            cpu_time: CpuTime::of_thread(),
            error: error.map(str::to_owned),
        }))
    }

    #[test]
    fn every_place_takes_a_descriptor_from_the_connections() {
        let mut options = Options::new(protocol::Workload::Echo);
        options.connections_max = u32::MAX;
        let fits = |options: &Options| match connections_max(options) {
            Err(Unavailable::Descriptors { wanted, needed, fits, .. }) => (needed - wanted, fits),
            other => panic!("more than any limit allows: {other:?}"),
        };
        let one = fits(&options);
        let mut with_room = options.clone();
        with_room.admission.waiting_room =
            Some(WaitingRoom { order: AcceptOrder::Newest, places: NonZeroU32::new(7).unwrap() });
        assert_eq!(fits(&with_room), (one.0 + 7, one.1 - 7));
        options.listen = vec![options.listen[0].clone(); 11];
        assert_eq!(fits(&options), (one.0 + 10, one.1 - 10));
    }

    #[test]
    fn what_helps_when_descriptors_run_out_does_not_keep_them_from_it() {
        let mut options = Options::new(protocol::Workload::Echo);
        let kept = connections_max(&options).unwrap();
        options.admission.when_short = WhenShort::Evict;
        let all = connections_max(&options).unwrap();
        assert!(all == kept && u64::from(all) == CONNECTIONS_MAX || u64::from(all - kept) == RESERVED_DESCRIPTORS + 1);
    }

    /// Reactors start one after the other and serve at once, so the news that one failed may come while
    /// waiting for the next.
    #[test]
    fn a_reactor_that_fails_while_another_starts_is_reported() {
        let refused = ready(ended(0, Some("Bad file descriptor"))).expect_err("it does not listen").to_string();
        assert!(refused.contains("reactor 0 failed") && refused.contains("Bad file descriptor"), "{refused}");
        let refused = ready(ended(3, None)).expect_err("it does not listen").to_string();
        assert!(refused.contains("reactor 3 failed"), "{refused}");
    }
}
