//! How a server starts: binds or takes over the places, then starts the reactors one after the other.

use std::thread::Builder;

use crossbeam::channel::{Sender, never, unbounded};
use host::OpenFilesLimit;
use protocol::Workload;

use super::Server;
use crate::admission::WhenShort;
use crate::balance::Program;
use crate::blocking::Pool;
use crate::drain::Command;
use crate::handover::{self, Found, Leaving, Predecessor, Threshold};
use crate::inherited::Inherited;
use crate::listener::SocketSizes;
use crate::listening::{self, Places};
use crate::options::Options;
use crate::reactor::{self, Line, News, Setup};
use crate::unavailable::Unavailable;

/// Descriptors a reactor needs besides connections and listeners: epoll or ring, doorbells, standard
/// streams, and some for what the process inherited.
pub const RESERVED_DESCRIPTORS: u64 = 64;
/// Default limit on connections per reactor if the fd limit is practically infinite. It costs only address
/// space.
pub const CONNECTIONS_MAX: u64 = 1 << 22;
/// Largest table of direct descriptors (`IORING_MAX_FIXED_FILES`, Linux `io_uring/rsrc.c`).
pub const DIRECT_DESCRIPTORS_MAX: u64 = 1 << 20;

impl Server {
    /// Starts every reactor and returns once all of them listen. If a predecessor serves at the path of a hand-over, it
    /// takes over its listeners, and returns once they are its own.
    ///
    /// Raises the soft fd limit of the process to the hard one, unless it is to be kept.
    ///
    /// # Errors
    /// The first failure; nothing is left running then, and a predecessor serves on.
    pub fn start(options: Options) -> Result<Server, Unavailable> {
        let Some(path) = &options.handover else { return Server::open(options, None, false) };
        match handover::look(path, &options)? {
            Found::Nobody(threshold) => {
                let mut server = Server::open(options, None, false)?;
                if let Err(unavailable) = server.let_in(threshold, None) {
                    server.order(Command::Stop);
                    server.join();
                    return Err(unavailable);
                }
                Ok(server)
            }
            Found::Predecessor(predecessor, inherited) => Server::succeed(options, predecessor, inherited),
        }
    }

    /// Like `start`, with listeners that a service manager has bound. `options.listen` must be theirs.
    ///
    /// # Errors
    /// As for `start`.
    pub fn start_with(mut options: Options, inherited: Inherited) -> Result<Server, Unavailable> {
        options.listen = inherited.endpoints();
        Server::open(options, Some(inherited), false)
    }

    /// Takes over from a predecessor, once everything that can fail is done.
    fn succeed(options: Options, predecessor: Predecessor, inherited: Inherited) -> Result<Server, Unavailable> {
        let mut server = match Server::open(options, Some(inherited), true) {
            Ok(server) => server,
            Err(unavailable) => {
                predecessor.give_up(unavailable.to_string());
                return Err(unavailable);
            }
        };
        server.predecessor = Some(predecessor.process());
        match predecessor.take_over() {
            Ok((threshold, leaving)) => {
                server.own(threshold, leaving);
                Ok(server)
            }
            Err(unavailable) => {
                server.order(Command::Abandon);
                server.join();
                Err(unavailable)
            }
        }
    }

    /// The sockets are this server's own. The predecessor accepts no more, so what fails from here on ends nothing: with
    /// the sockets as they were found, or without a path for the next successor, it serves, and says so.
    fn own(&mut self, threshold: Threshold, leaving: Leaving) {
        self.places.own_files();
        self.shortcomings.extend(self.places.renew(&self.options).err());
        if let Ok(sizes) = self.places.sizes() {
            self.sizes = sizes;
        }
        for line in &self.lines {
            // A doorbell cannot fail while its reactor lives.
            let _ = line.begin();
        }
        let let_in = self.let_in(threshold, Some(leaving));
        self.shortcomings.extend(let_in.err());
    }

    /// Opens the places and starts the reactors. Those of a server that `waits` accept nothing before they are told.
    fn open(options: Options, inherited: Option<Inherited>, waits: bool) -> Result<Server, Unavailable> {
        assert!(!options.listen.is_empty(), "a server listens somewhere");
        let reactors = options.reactors.max(1);
        let shares = inherited.as_ref().map_or(1, |it| listening::share_max(it.sockets_max(), reactors));
        let connections_max = connections_max(&options, shares * options.listen.len())?;
        let cpus = if options.cpus.is_empty() {
            sys::affinity::allowed_cpus().map_err(Unavailable::kernel("sched_getaffinity(2)"))?
        } else {
            options.cpus.clone()
        };
        let cpus: Vec<usize> = cpus.into_iter().cycle().take(reactors).collect();
        let program = Program::new(options.balance, &cpus)?;
        let is_passed = inherited.as_ref().is_some_and(Inherited::is_passed);
        let places = match inherited {
            Some(inherited) => Places::inherit(inherited, &options, program)?,
            None => Places::bind(&options, program)?,
        };
        if is_passed {
            // No predecessor waits, and nobody else accepts from them.
            places.renew(&options)?;
        }
        // Before the reactors, which copy the table of descriptors: what it opens is not theirs.
        let blocking = options.blocking.as_ref().filter(|_| options.workload == Workload::Http);
        let connections_all = u64::from(connections_max) * cpus.len() as u64;
        let pool = blocking.map(|blocking| Pool::start(blocking, connections_all)).transpose()?;
        let (sender, news) = unbounded();
        let (knock, knocks) = unbounded();
        let mut server = Server {
            endpoints: places.endpoints(),
            places,
            door: None,
            knocks,
            knock,
            predecessor: None,
            shortcomings: vec![],
            leaving: None,
            is_passed,
            is_asked: false,
            is_draining: false,
            deadline: never(),
            sizes: SocketSizes::default(),
            connections_max,
            options,
            lines: vec![],
            threads: vec![],
            news,
            pool,
        };
        for (index, cpu) in cpus.into_iter().enumerate() {
            if let Err(unavailable) = server.start_reactor(index, cpu, waits, &sender) {
                server.order(if waits { Command::Abandon } else { Command::Stop });
                server.join();
                return Err(unavailable);
            }
        }
        server.places.settle();
        server.endpoints = server.places.endpoints();
        Ok(server)
    }

    /// Reactors start one after the other: the first fixes the port, and while a new one copies the process's
    /// fd table, no reactor's descriptors are open in it.
    fn start_reactor(
        &mut self,
        index: usize,
        cpu: usize,
        waits: bool,
        sender: &Sender<News>,
    ) -> Result<(), Unavailable> {
        let line = Line::new().map_err(Unavailable::kernel("eventfd(2)"))?;
        // These stay until the reactor is ready: then it has its own copies.
        let sockets = self.places.share(index, &self.options)?;
        let setup = Setup {
            index,
            cpu,
            sockets: sockets.clone(),
            connections_max: self.connections_max,
            options: self.options.clone(),
            line: line.clone(),
            waits,
            desk: self.pool.as_ref().and_then(|pool| pool.desk(line.doorbell())),
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
        let (listening, sizes) = ready(news)?;
        // The kernel numbers a group's listeners in order of arrival, and the group's program relies on it.
        assert_eq!((listening, self.threads.len()), (index, index + 1), "a reactor listens out of turn");
        self.sizes = sizes;
        Ok(())
    }

    /// Opens the door for successors.
    fn let_in(&mut self, threshold: Threshold, leaving: Option<Leaving>) -> Result<(), Unavailable> {
        let door = threshold.door(self.options.workload, self.places.kept());
        self.door = Some(door.watch(leaving, self.knock.clone()).map_err(Unavailable::kernel("starting a thread"))?);
        Ok(())
    }
}

/// The awaited news of the reactor being started: which one listens.
fn ready(news: News) -> Result<(usize, SocketSizes), Unavailable> {
    match news {
        News::Ready { index, sizes } => Ok((index, sizes)),
        News::Unavailable(unavailable) => Err(unavailable),
        // Not from this reactor, but from one that was started before and was serving.
        News::Ended(report) => Err(Unavailable::reactor(report.index, report.error)),
        News::Snapshot(_) | News::Left { .. } => unreachable!("nobody asks before all reactors serve"),
    }
}

/// The limit on descriptors that connections have to fit.
fn fd_limit(options: &Options) -> Result<u64, Unavailable> {
    if !options.keep_soft_limit {
        return sys::limits::raise_fd_limit().map_err(Unavailable::kernel("setrlimit(RLIMIT_NOFILE)"));
    }
    let found = OpenFilesLimit::of_this_process();
    // The table of a ring is made at the start and has to fit the limit of that moment.
    let limit = if options.variant.is_uring() { found.soft } else { found.hard };
    Ok(limit.unwrap_or(u64::MAX))
}

/// The limit per reactor, each of which has so many `listeners`: the requested one if it fits the fd limit; without a
/// request, what fits.
fn connections_max(options: &Options, listeners: usize) -> Result<u32, Unavailable> {
    let limit = fd_limit(options)?;
    let waiting = options.admission.waiting_room.map_or(0, |room| u64::from(room.places.get()));
    let reserved = match options.admission.when_short {
        WhenShort::Pause => RESERVED_DESCRIPTORS + listeners as u64 + waiting,
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
        let fits = |options: &Options| match connections_max(options, options.listen.len()) {
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

    /// So that a server meets the soft limit, which a limit of its own would hide.
    #[test]
    fn a_soft_limit_that_is_kept_bounds_rings_only() {
        let OpenFilesLimit { soft, hard } = OpenFilesLimit::of_this_process();
        let mut options = Options::new(protocol::Workload::Echo);
        options.keep_soft_limit = true;
        assert_eq!(fd_limit(&options).unwrap(), hard.unwrap_or(u64::MAX));
        options.variant = crate::Variant::UringMultishot;
        assert_eq!(fd_limit(&options).unwrap(), soft.unwrap_or(u64::MAX));
    }

    #[test]
    fn what_helps_when_descriptors_run_out_does_not_keep_them_from_it() {
        let mut options = Options::new(protocol::Workload::Echo);
        let kept = connections_max(&options, 1).unwrap();
        options.admission.when_short = WhenShort::Evict;
        let all = connections_max(&options, 1).unwrap();
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
