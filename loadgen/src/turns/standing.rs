//! One server that stands beside the others, and a turn of it.

use std::collections::VecDeque;

use host::kernel::{CpuTimes, ProcessRunDelay};
use protocol::client::Client;
use random::Random;
use rustix::event::epoll;
use sys::clock;

use super::client::Connections;
use super::error::TurnsError;
use super::options::{Life, Options};
use super::record::{Turn, Whole};
use crate::recording::recorder::{Recorder, encode};

/// How long a server may take to answer what is left after a window.
const SILENCE_NS: u64 = 5_000_000_000;
/// Events taken at once.
const EVENTS_MAX: usize = 256;
/// Sends at once, before what has arrived is read: a burst without a look would let thousands of replies wait, which would
/// count in a window although the server has worked for them before it.
const SENDS_MAX: usize = 64;
/// Replies on each connection before a window. With 1,000 connections the first ones of a turn cost a tenth more.
const WARM_REPLIES: u64 = 2;
/// A server that is slower than this many times the shortest warm-up has its window all the same.
const WARMUPS_MAX: u64 = 20;
const WARMUP_STEP_NS: u64 = 1_000_000;
/// Longest time between two ticks of the kernel, and a little: CONFIG_HZ is at least 100.
const TICK_NS_MAX: u64 = 10_500_000;
/// Load between a look at the whole machine, which takes the client some time, and the window: the server is not to wait.
const SETTLE_NS: u64 = 2_000_000;

/// A server, its connections, and what was seen of it.
pub(super) struct Standing<C: Client> {
    connections: Connections<C>,
    responses: Recorder,
    lateness: Recorder,
    events: Vec<epoll::Event>,
    /// Requests that found no free connection, by the times they were intended for.
    waiting: VecDeque<u64>,
    run_delay: ProcessRunDelay,
}

/// A window under way.
#[derive(Default)]
struct Window {
    begin_ns: u64,
    /// Replies.
    completed: u64,
    /// Requests whose time has come.
    due: u64,
}

impl Window {
    /// Before the window: nothing that is intended then is in the times.
    fn of_nobody() -> Window {
        Window { begin_ns: u64::MAX, ..Window::default() }
    }
}

impl<C: Client> Standing<C> {
    pub(super) fn new(connections: Connections<C>) -> Standing<C> {
        Standing {
            run_delay: ProcessRunDelay::open(connections.target.pid),
            connections,
            responses: Recorder::new(),
            lateness: Recorder::new(),
            events: Vec::with_capacity(EVENTS_MAX),
            waiting: VecDeque::new(),
        }
    }

    /// A request on each connection and its reply, before the first turn.
    pub(super) fn greet(&mut self) -> Result<(), TurnsError> {
        let now_ns = clock::now_ns();
        while self.connections.send(now_ns)? {}
        self.finish(&mut Window::of_nobody())
    }

    /// Loads it for a warm-up and a window. Its place in the record is for the caller to fill in.
    pub(super) fn turn(&mut self, options: &Options, random: &mut Random) -> Result<Turn, TurnsError> {
        let begun_ns = clock::now_ns();
        let mut arrivals = options.rate.map(|rate| Arrivals { next_ns: begun_ns, mean_ns: 1e9 / rate });
        self.warm_up(options, &mut arrivals, random)?;
        let cpus_before = CpuTimes::read().ok();
        let mut nobody = Window::of_nobody();
        self.load(clock::now_ns() + SETTLE_NS, &mut arrivals, &mut nobody, random)?;
        let before = self.edge(&mut arrivals, &mut nobody, random)?;
        let mut window = Window { begin_ns: before.wall_ns, ..Window::default() };
        self.load(before.wall_ns + options.window_ns(), &mut arrivals, &mut window, random)?;
        let after = self.edge(&mut arrivals, &mut window, random)?;
        let turn = Turn {
            wall_ns: after.wall_ns - before.wall_ns,
            run_ns: after.server_ns - before.server_ns,
            client_run_ns: after.client_ns - before.client_ns,
            completed: window.completed,
            due: options.rate.map(|_| window.due),
            start_us: before.wall_ns / 1000,
            run_delay_us: before.run_delay_us.zip(after.run_delay_us).map(|(before, after)| after - before),
            stolen_us: cpus_before.zip(CpuTimes::read().ok()).and_then(|(before, after)| {
                let stolen = |cpu: &u32| Some(after.of(*cpu)?.since(&before.of(*cpu)?).steal_us);
                options.watch_cpus.iter().filter_map(stolen).max()
            }),
            ..Turn::default()
        };
        self.finish(&mut window)?;
        self.connections.acknowledge()?;
        Ok(turn)
    }

    /// Until its time is over and, in a closed loop, each connection that stays has had some replies: the first touch of
    /// a connection after the others' turns costs more, and a slow server must not pay for that longer than a fast one.
    fn warm_up(
        &mut self,
        options: &Options,
        arrivals: &mut Option<Arrivals>,
        random: &mut Random,
    ) -> Result<(), TurnsError> {
        let begun_ns = clock::now_ns();
        let asked = match (&arrivals, options.life) {
            (None, Life::Stays) => WARM_REPLIES * u64::from(options.connections) * u64::from(options.pipeline),
            _ => 0,
        };
        let enough = self.connections.replies + asked;
        let mut end_ns = begun_ns + options.warmup_ns();
        let last_ns = begun_ns + options.warmup_ns() * WARMUPS_MAX;
        loop {
            self.load(end_ns, arrivals, &mut Window::of_nobody(), random)?;
            if self.connections.replies >= enough || end_ns >= last_ns {
                return Ok(());
            }
            end_ns += WARMUP_STEP_NS;
        }
    }

    /// Loads it on to a moment at which the clock of its process is exact. The kernel updates that of a thread that runs
    /// when its tick comes or when it gives up the CPU; between, the clock stands still. So the moment is when the clock moves;
    /// or when it has not for longer than a tick takes, because then no thread runs.
    fn edge(
        &mut self,
        arrivals: &mut Option<Arrivals>,
        window: &mut Window,
        random: &mut Random,
    ) -> Result<Clocks, TurnsError> {
        let (last_ns, stood) = (clock::now_ns() + TICK_NS_MAX, self.server_ns()?);
        while self.server_ns()? == stood && clock::now_ns() < last_ns {
            self.step(arrivals, window, random)?;
        }
        self.clocks()
    }

    /// Loads it until `end_ns`.
    fn load(
        &mut self,
        end_ns: u64,
        arrivals: &mut Option<Arrivals>,
        window: &mut Window,
        random: &mut Random,
    ) -> Result<(), TurnsError> {
        while clock::now_ns() < end_ns {
            self.step(arrivals, window, random)?;
        }
        Ok(())
    }

    /// Keeps the connections busy, or sends what is due, and reads what comes.
    fn step(
        &mut self,
        arrivals: &mut Option<Arrivals>,
        window: &mut Window,
        random: &mut Random,
    ) -> Result<(), TurnsError> {
        match arrivals {
            Some(arrivals) => self.arrive(arrivals, window, random)?,
            None => {
                for _ in 0..SENDS_MAX {
                    if !self.connections.send(clock::now_ns())? {
                        break;
                    }
                }
            }
        }
        self.answer(window)
    }

    /// Sends what is due.
    fn arrive(&mut self, arrivals: &mut Arrivals, window: &mut Window, random: &mut Random) -> Result<(), TurnsError> {
        while let Some(intended_ns) = arrivals.due(clock::now_ns(), random) {
            self.waiting.push_back(intended_ns);
            window.due += u64::from(intended_ns >= window.begin_ns);
        }
        for _ in 0..SENDS_MAX {
            let (Some(intended_ns), now_ns) = (self.waiting.front().copied(), clock::now_ns()) else { break };
            if !self.connections.send(intended_ns)? {
                break;
            }
            self.waiting.pop_front();
            if intended_ns >= window.begin_ns {
                self.lateness.record(now_ns.saturating_sub(intended_ns));
            }
        }
        Ok(())
    }

    /// Reads what is there.
    fn answer(&mut self, window: &mut Window) -> Result<(), TurnsError> {
        self.connections.readable(&mut self.events)?;
        for event in &self.events {
            let answered = self.connections.read(event.data.u64() as usize)?;
            window.completed += answered.count;
            if let Some(intended_ns) = answered.intended_ns.filter(|intended_ns| *intended_ns >= window.begin_ns) {
                self.responses.record_n(clock::now_ns().saturating_sub(intended_ns), answered.count);
            }
        }
        Ok(())
    }

    /// Waits for the replies to everything that was intended.
    fn finish(&mut self, window: &mut Window) -> Result<(), TurnsError> {
        let last_ns = clock::now_ns() + SILENCE_NS;
        loop {
            while let Some(intended_ns) = self.waiting.front().copied() {
                if !self.connections.send(intended_ns)? {
                    break;
                }
                self.waiting.pop_front();
            }
            let count = (self.connections.busy() + self.waiting.len()) as u64;
            if count == 0 {
                return Ok(());
            }
            if clock::now_ns() > last_ns {
                return Err(TurnsError::Silent { address: self.connections.target.address, count });
            }
            self.answer(window)?;
        }
    }

    fn server_ns(&self) -> Result<u64, TurnsError> {
        let target = self.connections.target;
        sys::usage::process_run_ns(target.pid).ok_or(TurnsError::Gone { address: target.address, pid: target.pid })
    }

    fn clocks(&mut self) -> Result<Clocks, TurnsError> {
        Ok(Clocks {
            run_delay_us: self.run_delay.read_us(),
            wall_ns: clock::now_ns(),
            server_ns: self.server_ns()?,
            client_ns: sys::usage::process_run_ns(std::process::id()).unwrap_or(0),
        })
    }

    /// What is left to say of it.
    pub(super) fn whole(&self) -> Whole {
        let at = |recorder: &Recorder, quantile: f64| {
            let histogram = &recorder.histogram;
            (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile) as f64 / 1000.0)
        };
        Whole {
            replies: self.connections.replies,
            responses: encode(&self.responses),
            response_us_p50: at(&self.responses, 0.5),
            response_us_p90: at(&self.responses, 0.9),
            response_us_p99: at(&self.responses, 0.99),
            lateness_us_p99: at(&self.lateness, 0.99),
            ..Whole::default()
        }
    }
}

#[derive(Clone, Copy)]
struct Clocks {
    run_delay_us: Option<u64>,
    wall_ns: u64,
    server_ns: u64,
    client_ns: u64,
}

/// Requests at random times (Poisson).
struct Arrivals {
    next_ns: u64,
    mean_ns: f64,
}

impl Arrivals {
    /// The next one, if its time has come.
    fn due(&mut self, now_ns: u64, random: &mut Random) -> Option<u64> {
        let intended_ns = self.next_ns;
        if intended_ns > now_ns {
            return None;
        }
        self.next_ns += (-(1.0 - random.uniform()).ln() * self.mean_ns) as u64 + 1;
        Some(intended_ns)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};
    use std::thread;
    use std::time::Duration;

    use protocol::Workload;
    use protocol::client::EchoClient;

    use super::*;
    use crate::turns::options::Target;

    const CONNECTIONS: u32 = 5;

    fn options() -> Options {
        Options {
            targets: vec![],
            workload: Workload::Echo,
            connections: CONNECTIONS,
            life: Life::Stays,
            pipeline: 1,
            rate: None,
            rounds: 1,
            window: Duration::from_millis(5),
            seed: 3,
            cpu: None,
            watch_cpus: vec![],
        }
    }

    /// A server that echoes after `rest`, and its ends of the connections.
    fn standing(options: &Options, rest: Duration) -> (Standing<EchoClient>, Arc<Mutex<Vec<TcpStream>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let target = Target { address: listener.local_addr().expect("bound"), pid: std::process::id() };
        let ends: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let accepted = Arc::clone(&ends);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                stream.set_nodelay(true).expect("an option");
                accepted.lock().expect("no panic while it is held").push(stream.try_clone().expect("a descriptor"));
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(len @ 1..) = stream.read(&mut buffer) {
                        thread::sleep(rest);
                        let _ = stream.write_all(&buffer[..len]);
                    }
                });
            }
        });
        let client = EchoClient::new(64, options.pipeline, options.seed);
        let mut standing = Standing::new(Connections::open(target, client, options).expect("it accepts"));
        standing.greet().expect("it answers");
        (standing, ends)
    }

    #[test]
    fn a_closed_loop_begins_when_each_connection_is_warm() {
        let options = options();
        // Longer than the shortest warm-up, and far from the longest.
        let (mut standing, _) = standing(&options, Duration::from_millis(6));
        let (greeted, begun_ns) = (standing.connections.replies, clock::now_ns());
        standing.warm_up(&options, &mut None, &mut Random::new(1)).expect("it answers");
        let is_longest = clock::now_ns() - begun_ns >= options.warmup_ns() * WARMUPS_MAX;
        let warm = WARM_REPLIES * u64::from(CONNECTIONS);
        assert!(standing.connections.replies - greeted >= warm || is_longest, "{}", standing.connections.replies);
    }

    #[test]
    fn a_turn_leaves_nothing_to_acknowledge_for_that_of_another_server() {
        let options = options();
        let (mut standing, ends) = standing(&options, Duration::ZERO);
        standing.turn(&options, &mut Random::new(1)).expect("it answers");
        let ends = ends.lock().expect("no panic while it was held");
        let open: Vec<u32> =
            ends.iter().map(|end| sys::socket::unacknowledged_len(end).expect("a TCP socket")).collect();
        assert_eq!(open, [0; CONNECTIONS as usize], "bytes of replies");
    }

    #[test]
    fn what_has_arrived_is_read_before_all_have_sent() {
        let options = Options { connections: 200, ..options() };
        let (mut standing, _) = standing(&options, Duration::from_millis(1));
        let greeted = standing.connections.replies;
        standing.step(&mut None, &mut Window::of_nobody(), &mut Random::new(1)).expect("it answers");
        // Some may have their replies already.
        let sent = standing.connections.busy() as u64 + standing.connections.replies - greeted;
        assert_eq!(sent, SENDS_MAX as u64);
    }
}
