//! One reactor: a thread with its own CPU, fd table, listeners, shard and backend.

use std::io;
use std::iter;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use crossbeam::channel::Sender;
use protocol::Workload;
use protocol::server::{Echo, Http, HttpLimits, Protocol};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::admission::WhenShort;
use crate::backend::epoll::Epoll;
use crate::backend::mio::Mio;
use crate::backend::uring::{self, Uring, style};
use crate::backend::{Backend, Parts};
use crate::blocking::Desk;
use crate::drain::{Command, Drain, Progress};
use crate::handicap::Handicap;
use crate::listener::{Listener, SocketSizes};
use crate::options::{Options, Scheduling, Variant};
use crate::report::ReactorReport;
use crate::shard::{Bucket, Intake, Resources, Room, Shard, Timeouts};
use crate::stats::Snapshot;
use crate::unavailable::Unavailable;
use host::CpuTime;

/// Bits of a [`Line`]: drain, stop, a snapshot is wanted, leave the listeners to a successor, begin to serve, and accept anew.
const DRAIN: u8 = 1;
const STOP: u8 = 1 << 1;
const SNAPSHOT: u8 = 1 << 2;
const LEAVE: u8 = 1 << 3;
const BEGIN: u8 = 1 << 4;
const RENEW: u8 = 1 << 5;

/// How the supervisor reaches one reactor: what it wants, and a doorbell to make the reactor look. It costs
/// one load per turn, whatever is asked.
#[derive(Clone)]
pub(crate) struct Line {
    wanted: Arc<AtomicU8>,
    doorbell: Arc<OwnedFd>,
}

impl Line {
    pub(crate) fn new() -> io::Result<Line> {
        Ok(Line { wanted: Arc::new(AtomicU8::new(0)), doorbell: Arc::new(sys::doorbell::open()?) })
    }

    pub(crate) fn doorbell(&self) -> Arc<OwnedFd> {
        self.doorbell.clone()
    }

    pub(crate) fn order(&self, command: Command) -> io::Result<()> {
        let bit = match command {
            Command::Serve => 0,
            Command::Drain => DRAIN,
            Command::Leave => LEAVE,
            Command::Stop => STOP,
            Command::Abandon => LEAVE | STOP,
        };
        self.ask(bit)
    }

    /// Lets a reactor begin that waits for it.
    pub(crate) fn begin(&self) -> io::Result<()> {
        self.ask(BEGIN)
    }

    fn ask(&self, bit: u8) -> io::Result<()> {
        self.wanted.fetch_or(bit, Ordering::Release);
        sys::doorbell::ring(&self.doorbell)
    }

    /// Waits for the word to begin. False if the reactor is to end instead.
    fn wait_for_begin(&self) -> io::Result<bool> {
        loop {
            let wanted = self.wanted.load(Ordering::Acquire);
            if wanted & (BEGIN | STOP | DRAIN | LEAVE) != 0 {
                return Ok(wanted & BEGIN != 0);
            }
            // It is not answered: the first turn does that.
            match poll(&mut [PollFd::new(&self.doorbell, PollFlags::IN)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks for a [`Snapshot`]; if an earlier request is still unanswered, one answer serves both.
    pub(crate) fn ask_for_snapshot(&self) -> io::Result<()> {
        self.ask(SNAPSHOT)
    }

    /// Asks to look at the accept queues once more.
    pub(crate) fn renew_accepts(&self) -> io::Result<()> {
        self.ask(RENEW)
    }

    /// The current order, and what is asked for once: a snapshot, new accepts. Clears what is asked for.
    #[inline]
    fn read(&self) -> (Command, u8) {
        let wanted = self.wanted.load(Ordering::Acquire);
        let asked = wanted & (SNAPSHOT | RENEW);
        if asked != 0 {
            self.wanted.fetch_and(!asked, Ordering::AcqRel);
        }
        let command = match (wanted & STOP != 0, wanted & LEAVE != 0) {
            (true, true) => Command::Abandon,
            (true, false) => Command::Stop,
            (false, true) => Command::Leave,
            (false, false) if wanted & DRAIN != 0 => Command::Drain,
            (false, false) => Command::Serve,
        };
        (command, asked)
    }
}

/// What a reactor tells its supervisor.
pub(crate) enum News {
    /// The reactor of this index serves.
    Ready { index: usize, sizes: SocketSizes },
    /// It cannot start.
    Unavailable(Unavailable),
    /// What it counted so far.
    Snapshot(Box<Snapshot>),
    /// It accepts no more: its successor does.
    Left { index: usize },
    /// It has ended.
    Ended(Box<ReactorReport>),
}

/// What a reactor is started with.
pub(crate) struct Setup {
    pub(crate) index: usize,
    pub(crate) cpu: usize,
    /// The sockets that it listens with. Their owner keeps them until the reactor is ready.
    pub(crate) sockets: Vec<Arc<OwnedFd>>,
    pub(crate) connections_max: u32,
    pub(crate) options: Options,
    pub(crate) line: Line,
    /// Whether it is to wait for a word before it accepts.
    pub(crate) waits: bool,
    /// Where it hands in what would block it, if there is a pool.
    pub(crate) desk: Option<Desk>,
}

/// The thread's body. Matches workload and backend once; the code after it is monomorphic.
pub(crate) fn run(setup: Setup, news: &Sender<News>) {
    let ended = match setup.options.workload {
        Workload::Echo => run_protocol(Echo, setup, news),
        Workload::Http => run_protocol(Http::new(http_limits(&setup.options)), setup, news),
    };
    // The supervisor holds the other end until every reactor has ended.
    let _ = news.send(match ended {
        Ok(report) => News::Ended(Box::new(report)),
        Err(unavailable) => News::Unavailable(unavailable),
    });
}

/// Targets that need the pool are there where the pool is.
fn http_limits(options: &Options) -> HttpLimits {
    let blocking = options.blocking.as_ref();
    HttpLimits {
        lab_routes: blocking.is_some_and(|blocking| blocking.lab_routes),
        database: blocking.is_some_and(|blocking| blocking.database.is_some()),
        ..options.http
    }
}

fn run_protocol<P: Protocol>(protocol: P, setup: Setup, news: &Sender<News>) -> Result<ReactorReport, Unavailable> {
    match setup.options.variant {
        Variant::EpollLevel => run_backend::<P, Epoll<P, false>>(protocol, setup, news),
        Variant::EpollEdge => run_backend::<P, Epoll<P, true>>(protocol, setup, news),
        Variant::MioEdge => run_backend::<P, Mio<P>>(protocol, setup, news),
        Variant::UringMultishot => run_backend::<P, Uring<P, style::Multishot>>(protocol, setup, news),
        Variant::UringPoll => run_backend::<P, Uring<P, style::Poll>>(protocol, setup, news),
        Variant::UringInline => run_backend::<P, Uring<P, style::Inline>>(protocol, setup, news),
        Variant::UringGather => run_backend::<P, Uring<P, style::Gathering>>(protocol, setup, news),
    }
}

fn run_backend<P: Protocol, B: Backend<P>>(
    protocol: P,
    setup: Setup,
    news: &Sender<News>,
) -> Result<ReactorReport, Unavailable> {
    let Setup { index, cpu, sockets, connections_max, options, line, waits, desk } = setup;
    sys::affinity::pin_to_cpu(cpu).map_err(Unavailable::cpu("a reactor", "--cpus", cpu))?;
    if options.scheduling == Scheduling::Batch {
        sys::thread::schedule_as_batch().map_err(Unavailable::kernel("sched_setscheduler(2) with SCHED_BATCH"))?;
    }
    sys::thread::leave_signals_to_others().map_err(Unavailable::kernel("pthread_sigmask(3)"))?;
    let listeners = own_listeners(sockets, line.doorbell.as_fd())?;
    let sizes = listeners[0].sizes().map_err(Unavailable::kernel("getsockopt(2)"))?;
    let mut shard = shard(protocol, index, connections_max, &options)?;
    shard.desk = desk;
    let mut backend = B::open(Parts {
        listeners,
        doorbell: line.doorbell.clone(),
        shard,
        connections_max,
        accepts_per_turn_max: options.accepts_per_turn_max,
        epoll_busy_poll_us: options.socket.epoll_busy_poll_us,
    })?;
    // If the supervisor is gone, nobody needs the news.
    let _ = news.send(News::Ready { index, sizes });
    if waits && !line.wait_for_begin().map_err(Unavailable::kernel("poll(2) of the doorbell"))? {
        // Whoever else accepts from these sockets keeps all that is queued: to end an accept of io_uring, its ring would
        // have to submit it first.
        std::mem::forget(backend);
        return Err(Unavailable::reactor(index, None));
    }
    let result = serve(&mut backend, &line, Drain::new(options.share_port), index, news);
    let left = u64::from(backend.shard().len()) + u64::from(backend.shard().waiting());
    let shared = &backend.shard().shared;
    let buffers = shared.buffer_usage();
    Ok(ReactorReport {
        index,
        cpu,
        counters: shared.counters().clone(),
        connections_left: left,
        buffers_in_use: buffers.used,
        buffers_peak: buffers.used_peak,
        buffer_memory_bytes: buffers.memory_len as u64,
        buffer_memory_bytes_peak: buffers.memory_len_peak as u64,
        buffer_memory_bytes_max: shared.buffer_memory_len_max() as u64,
        buffer_memory_refusals: buffers.refusals,
        cpu_time: CpuTime::of_thread(),
        error: result.err().map(|error| error.to_string()),
    })
}

/// The shard of the reactor of this index, made on its own thread.
fn shard<P: Protocol, K>(
    protocol: P,
    index: usize,
    connections_max: u32,
    options: &Options,
) -> Result<Shard<P, K>, Unavailable> {
    let timeouts = Timeouts::new(options.idle_timeout, options.header_timeout, options.stall_timeout)
        .with_body(options.body_timeout);
    let shared = Resources::new(protocol, timeouts, options.buffer_memory_max);
    let margin = if options.variant.is_uring() { uring::SLAB_MARGIN } else { 0 };
    let mut shard = Shard::new(shared, connections_max + margin)
        .map_err(|error| Unavailable::Memory { connections: connections_max, error })?;
    // On its own CPU: they need not be alike.
    shard.handicap = options.handicap_ns.map(Handicap::calibrate);
    shard.shared.hello_cost = options.hello_cost_ns.map(Handicap::calibrate);
    if let Some(rate) = options.admission.accept_rate {
        let intake = Intake::at_rate(Bucket::new(rate, index, options.reactors.max(1)));
        // An echo has no words for it, so there they wait.
        shard.shared.retry_after_s = options.admission.retry_after_s.filter(|_| P::SAYS_WHEN);
        shard.intake = if shard.shared.retry_after_s.is_some() { intake.that_defers() } else { intake };
    }
    let room = options.admission.waiting_room.map(Room::new).transpose();
    shard.room = room.map_err(|error| Unavailable::Memory { connections: connections_max, error })?;
    shard.when_short = options.admission.when_short;
    if shard.when_short == WhenShort::Shed {
        // If there is none now, the first shortage asks again.
        shard.reserve.hold();
    }
    Ok(shard)
}

/// Gives the thread an fd table of its own, and listeners in it.
fn own_listeners(sockets: Vec<Arc<OwnedFd>>, doorbell: BorrowedFd<'_>) -> Result<Vec<Listener>, Unavailable> {
    let unshared = Unavailable::kernel("close_range(2) with CLOSE_RANGE_UNSHARE");
    let kept: Vec<BorrowedFd<'_>> = iter::once(doorbell).chain(sockets.iter().map(|socket| socket.as_fd())).collect();
    sys::thread::unshare_fd_table(&kept).map_err(unshared)?;
    sys::thread::leave_stdout_to_others().map_err(Unavailable::kernel("dup2(2) of /dev/null"))?;
    let copies: io::Result<Vec<Listener>> = sockets.iter().map(|socket| Listener::copy_of(socket.as_fd())).collect();
    let listeners = copies.map_err(Unavailable::kernel("dup(2) of a listener"))?;
    // A listener is closed only if no copy is left, and these copies are nobody's: their owner is in another table, and
    // is there still.
    drop(sockets);
    let kept: Vec<BorrowedFd<'_>> =
        iter::once(doorbell).chain(listeners.iter().map(|listener| listener.as_fd())).collect();
    sys::thread::close_in_own_fd_table(&kept).map_err(Unavailable::kernel("close_range(2)"))?;
    Ok(listeners)
}

/// Runs turns until the reactor is told to end and has nothing left to do.
fn serve<P: Protocol, B: Backend<P>>(
    backend: &mut B,
    line: &Line,
    mut drain: Drain,
    index: usize,
    news: &Sender<News>,
) -> io::Result<()> {
    loop {
        backend.turn()?;
        let (command, asked) = line.read();
        if asked & SNAPSHOT != 0 {
            // If the supervisor is gone, nobody needs the news.
            let _ = news.send(News::Snapshot(Box::new(snapshot(backend.shard(), index))));
        }
        if asked & RENEW != 0 {
            backend.renew_accepts();
        }
        match drain.follow(backend, command)? {
            Progress::None => {}
            Progress::Left => drop(news.send(News::Left { index })),
            Progress::Done => return Ok(()),
        }
    }
}

#[cold]
fn snapshot<P: Protocol, K>(shard: &Shard<P, K>, index: usize) -> Snapshot {
    let buffers = shard.shared.buffer_usage();
    Snapshot {
        index,
        taken: Instant::now(),
        counters: shard.shared.counters().clone(),
        connections: shard.len(),
        waiting: shard.waiting(),
        buffers_in_use: buffers.used,
        buffer_memory_bytes: buffers.memory_len as u64,
    }
}
