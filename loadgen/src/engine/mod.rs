//! The engines that move the bytes, and the fleet of connections they move them for.
//!
//! Workload and engine are chosen here, once per worker; below this point everything is monomorphised.

mod connection;
mod epoll;
mod fleet;
mod shelf;
mod stages;
mod tun;
#[allow(unsafe_code)]
mod uring;

use crate::clock::duration_ns;
use crate::clock_check::ClockCheck;
use crate::control::Control;
use crate::host::HostFacts;
use crate::plan::Plan;
use crate::record::IntervalPhase;
use crate::schedule::{Arrivals, Part, Schedule};
use crate::tally::{Slice, Tally, Traffic};
use crate::target::{Secret, Workload};
use crate::validity::Calibration;
use crate::{Engine as EngineName, LoadError, Options, sys};
use crossbeam::channel::{Receiver, Sender};
use fleet::{Fleet, Token};
use protocol::client::{Client, EchoClient, HttpClient, HttpRequest};
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::time::Duration;

pub use connection::CONNECTION_LEN_MAX;
pub(crate) use tun::{SERVER as TUN_SERVER, check as check_tun};
pub use tun::{enter_new_namespace, probe as probe_tun};

/// How often a worker looks at deadlines and at the stop flag.
const CHECK_NS: u64 = 10_000_000;
/// Length of the intervals of the warm-up.
const WARM_UP_SLICE_NS: u64 = 100_000_000;

/// How an engine is to wait for something to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Not at all.
    Poll,
    /// Until something happens or this moment has come, to the µs.
    Until(u64),
    /// Until something happens, or for [`CHECK_NS`] or so: nothing is to be on time.
    Loosely,
}

/// Moves bytes for a fleet. Each is a straight loop over what the kernel offers; what the bytes mean
/// is the fleet's affair. The fleet hands itself in, the engine calls back.
trait Engine: Sized {
    /// What a connection holds of its socket.
    type Socket;

    /// Makes the engine of a worker.
    fn new(job: &Job<'_>, worker: usize) -> Result<Self, LoadError>;

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

    /// Hands bytes to the kernel and returns how many it took. For the rest the engine calls
    /// `send_rest` when there is room. `is_constant` tells that the bytes stay as and where they are.
    fn send(
        &mut self,
        socket: &Self::Socket,
        token: Token,
        bytes: &[u8],
        is_constant: bool,
        under_way: &mut u8,
        traffic: &mut Traffic,
    ) -> Result<usize, Errno>;

    /// From now on closing a socket of the kernel resets its connection ([`crate::Options::reset`]).
    fn close_by_reset(&mut self) {}

    /// Closes a socket.
    fn close(&mut self, socket: Self::Socket, token: Token, under_way: &mut u8, traffic: &mut Traffic);

    /// Whether the kernel has forgotten the last socket of a connection that is closed.
    fn is_free(&self, under_way: u8) -> bool;

    /// One pass: waits, and reports to the fleet what has happened. Returns how many things did.
    fn turn<C: Client, const OPEN: bool>(&mut self, fleet: &mut Fleet<'_, C, Self::Socket, OPEN>, wait: Wait) -> usize;
}

/// Where full slices go and empty ones come from.
#[derive(Debug)]
pub(crate) struct Slices {
    pub(crate) full: Sender<(usize, Box<Slice>)>,
    pub(crate) empty: Receiver<Box<Slice>>,
    /// So many full ones may wait; see [`Slices::are_piling_up`].
    pub(crate) waiting_max: usize,
}

impl Slices {
    /// Whether the collector is behind. Then a worker's interval goes on instead of ending: a slice takes a
    /// MiB and more, and where a hundred workers leave the collector no CPU they would fill the host.
    pub(crate) fn are_piling_up(&self) -> bool {
        self.full.len() >= self.waiting_max
    }
}

/// What every worker of a run is given.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) options: &'a Options,
    pub(crate) plan: &'a Plan,
    pub(crate) control: &'a Control,
    pub(crate) schedule: Schedule,
    pub(crate) slices: Slices,
    pub(crate) clock: ClockCheck,
    pub(crate) host: HostFacts,
    pub(crate) calibration: Option<Calibration>,
}

impl Job<'_> {
    /// The HTTP request of this run.
    fn request(&self, host: &str, path: &str, authorization: Option<&Secret>) -> HttpRequest {
        let authorization = authorization.map(|secret| ("Authorization".to_owned(), secret.reveal().to_owned()));
        HttpRequest {
            method: self.options.method.clone(),
            path: path.to_owned(),
            host: host.to_owned(),
            headers: authorization.into_iter().chain(self.options.headers.clone()).collect(),
            body: self.options.body.clone(),
            expect_status: self.options.expect_status.unwrap_or_default(),
            expect_body: self.options.expect_body.clone(),
        }
    }

    /// Refuses a request that no worker could write.
    pub(crate) fn check_request(&self) -> Result<(), LoadError> {
        if let Workload::Http { host, path, authorization } = &self.plan.target.workload {
            let is_given = |name: &str| self.options.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
            if authorization.is_some() && is_given("authorization") {
                return Err(LoadError::Usage(
                    "the target has credentials, and --header gives Authorization: leave one of them out".into(),
                ));
            }
            HttpClient::new(&self.request(host, path, authorization.as_ref()), 1)
                .map_err(|bad| LoadError::Usage(bad.to_string()))?;
        }
        Ok(())
    }

    /// Arrivals of one worker; none unless `from` says of which part and from when on.
    fn arrivals(&self, index: usize, from: Option<(Part, u64)>) -> Arrivals {
        let (part, start_ns) = from.unwrap_or((Part::Window, u64::MAX));
        self.schedule.arrivals(index as u32, part, start_ns)
    }

    /// Arrivals that one worker expects in the window.
    pub(crate) fn expected_arrivals(&self, index: usize) -> f64 {
        let window = self.options.window();
        let all = match self.options.heartbeat {
            Some(period) => f64::from(self.plan.connections[index]) * window.as_secs_f64() / period.as_secs_f64(),
            None => self.schedule.expected_until(duration_ns(window)) / f64::from(self.schedule.workers),
        };
        self.share(index).map_or(all, |share| all.min(share as f64))
    }

    /// How long the window is expected to be, which may end before its time.
    fn expected_window_ns(&self) -> u64 {
        let window_ns = duration_ns(self.options.window());
        match (self.options.requests, self.options.rate) {
            (Some(requests), Some(rate)) => window_ns.min((requests as f64 / rate * 1e9) as u64),
            _ => window_ns,
        }
    }

    /// How long an open loop sleeps at a time, whatever happens; 0: no longer than until something does.
    fn coalesce_ns(&self) -> u64 {
        duration_ns(self.options.coalesce)
    }

    /// How long before an arrival a worker stops sleeping.
    fn spin_ns(&self) -> u64 {
        duration_ns(self.options.spin)
    }

    fn slice_len_ns(&self, phase: IntervalPhase) -> u64 {
        match phase {
            IntervalPhase::WarmUp => WARM_UP_SLICE_NS,
            IntervalPhase::Measured => duration_ns(self.options.interval_or_default()),
            IntervalPhase::Grace => u64::MAX,
        }
    }

    /// Runs worker `index` on the calling thread until the load has ended.
    pub(crate) fn work(&self, index: usize) -> Result<Tally, LoadError> {
        sys::unshare_descriptors().map_err(|errno| {
            setup("give a worker its own descriptor table (close_range with CLOSE_RANGE_UNSHARE, Linux 5.9)", errno)
        })?;
        self.pin(index)?;
        // The default slack of 50 µs would be added to every sleep before an arrival (prctl(2)).
        // Without it the run is only less punctual, and its lateness says so.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        if self.options.realtime {
            // Tried here, where it can be refused; it is meant for the load only.
            sys::set_realtime(true).and_then(|()| sys::set_realtime(false)).map_err(|errno| {
                setup("run before everything else (--realtime needs CAP_SYS_NICE, or `ulimit -r 1`)", errno)
            })?;
        }
        match &self.plan.target.workload {
            Workload::Echo => {
                let seed = self.schedule.seed.wrapping_add(index as u64);
                let client = EchoClient::new(self.options.payload_len as usize, self.options.pipeline, seed);
                self.choose_engine(index, client)
            }
            Workload::Http { host, path, authorization } => {
                let request = self.request(host, path, authorization.as_ref());
                let client = HttpClient::new(&request, self.options.pipeline);
                let client = client.map_err(|bad| LoadError::Usage(bad.to_string()))?;
                self.choose_engine(index, client.with_body_len_max(self.options.body_len_max))
            }
        }
    }

    fn choose_engine<C: Client>(&self, index: usize, client: C) -> Result<Tally, LoadError> {
        match self.options.engine {
            EngineName::Epoll => self.choose_loop::<C, epoll::Epoll>(index, client),
            EngineName::IoUring => self.choose_loop::<C, uring::Uring>(index, client),
            EngineName::Tun => self.choose_loop::<C, tun::Tun>(index, client),
        }
    }

    fn choose_loop<C: Client, E: Engine>(&self, index: usize, client: C) -> Result<Tally, LoadError> {
        let mut engine = E::new(self, index)?;
        if self.options.reset {
            engine.close_by_reset();
        }
        Ok(match self.options.mode() {
            "closed" => stages::Worker { fleet: Fleet::<C, E::Socket, false>::new(self, index, client), engine }.run(),
            _ => stages::Worker { fleet: Fleet::<C, E::Socket, true>::new(self, index, client), engine }.run(),
        })
    }

    fn pin(&self, index: usize) -> Result<(), LoadError> {
        let cpus = &self.options.cpus;
        if cpus.is_empty() {
            return Ok(());
        }
        let cpu = cpus[index % cpus.len()];
        let mut set = CpuSet::new();
        set.set(cpu as usize);
        sched_setaffinity(None, &set).map_err(|errno| {
            LoadError::Refused(format!(
                "a worker cannot run on CPU {cpu} of --cpus ({errno}); `taskset -cp $$` shows the CPUs there are"
            ))
        })
    }
}

/// How late a deadline of so many connections may be met: they are looked at in rounds of this length.
pub(crate) fn deadline_grain(connections: u32) -> Duration {
    Duration::from_nanos(fleet::sweep_round_ns(u64::from(connections)))
}

fn setup(what: &'static str, errno: rustix::io::Errno) -> LoadError {
    LoadError::Setup { what, source: errno.into() }
}
