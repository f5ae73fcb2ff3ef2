//! A server whose reactors serve: passes orders on to them, lets a successor take over, and gathers their reports.

pub(crate) mod start;

use std::collections::BTreeSet;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, after, never, select, tick};

use crate::blocking::Pool;
use crate::drain::Command;
use crate::endpoint::Endpoint;
use crate::handover::{DoorNews, HandoverNews, Knocker, Watched};
use crate::listener::SocketSizes;
use crate::listening::Places;
use crate::options::Options;
use crate::reactor::{Line, News};
use crate::report::Report;
use crate::stats::{Stats, Watch};
use crate::unavailable::Unavailable;

/// What the owner of a server may order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Stop taking connections, finish what is in flight, end. A second one means [`Order::Stop`].
    Drain,
    /// End now; open connections are cut off.
    Stop,
}

/// What a server tells while it serves.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Live counters of an interval.
    Stats(Box<Stats>),
    /// A successor took over, or did not.
    Handover(HandoverNews),
}

/// A server whose reactors are all serving.
pub struct Server {
    endpoints: Vec<Endpoint>,
    /// Its files are removed when the drain begins.
    places: Places,
    /// Where a successor knocks, and what it says.
    door: Option<Watched>,
    knocks: Receiver<DoorNews>,
    knock: Sender<DoorNews>,
    predecessor: Option<u32>,
    /// A successor that is told when no reactor accepts any more, and the reactors that still may.
    leaving: Option<(Knocker, BTreeSet<usize>)>,
    /// What failed when the sockets were its own already.
    shortcomings: Vec<Unavailable>,
    /// Whether a service manager keeps the sockets: the next server that it starts gets them, with all that is queued.
    is_passed: bool,
    /// Whether a drain was asked for, and whether there is one: a successor brings one about, too.
    is_asked: bool,
    is_draining: bool,
    /// When the drain has lasted too long.
    deadline: Receiver<Instant>,
    sizes: SocketSizes,
    connections_max: u32,
    options: Options,
    lines: Vec<Line>,
    threads: Vec<JoinHandle<()>>,
    news: Receiver<News>,
    /// Threads for what would block a reactor; it outlives the reactors.
    pool: Option<Pool>,
}

impl Server {
    /// The process whose listeners it took over.
    pub fn predecessor(&self) -> Option<u32> {
        self.predecessor
    }

    /// What of a hand-over failed after the predecessor had let go: it serves all the same.
    pub fn shortcomings(&self) -> &[Unavailable] {
        &self.shortcomings
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

    /// The same, and also tells of hand-overs, and every `interval` live counters.
    pub fn supervise_with(
        mut self,
        orders: &Receiver<Order>,
        interval: Option<Duration>,
        tell: &mut dyn FnMut(&Told),
    ) -> Report {
        let mut reports = Vec::new();
        let mut orders = orders.clone();
        let mut watch = Watch::new(self.threads.len());
        let intervals = interval.map_or_else(never, tick);
        while reports.len() < self.threads.len() {
            let stats = select! {
                recv(orders) -> order => {
                    match order {
                        Ok(order) => self.obey(order),
                        // Nobody is left to give orders: keep serving.
                        Err(_) => orders = never(),
                    }
                    None
                },
                recv(self.deadline) -> _ => {
                    self.order(Command::Stop);
                    None
                },
                recv(intervals) -> _ => {
                    let stats = watch.next(self.is_draining);
                    self.ask_for_snapshots();
                    stats
                },
                recv(self.knocks) -> news => {
                    // `self` holds a sender, so there is news.
                    if let Some(told) = news.ok().and_then(|news| self.answer(news)) {
                        tell(&Told::Handover(told));
                    }
                    None
                },
                recv(self.news) -> news => match news {
                    Ok(News::Ended(report)) => {
                        if report.error.is_some() {
                            self.order(Command::Stop);
                        }
                        let index = report.index;
                        self.left(index);
                        reports.push(*report);
                        watch.ended(index, self.is_draining)
                    }
                    Ok(News::Left { index }) => {
                        self.left(index);
                        None
                    }
                    Ok(News::Snapshot(snapshot)) => watch.answered(*snapshot, self.is_draining),
                    Ok(_) => None,
                    Err(_) => break,
                },
            };
            if let Some(stats) = stats {
                tell(&Told::Stats(Box::new(stats)));
            }
        }
        self.join();
        Report::new(self.options.balance, self.options.handicap_ns, reports)
    }

    fn obey(&mut self, order: Order) {
        if order == Order::Stop || self.is_asked {
            return self.order(Command::Stop);
        }
        self.is_asked = true;
        // Otherwise a successor took over, and it drains already.
        if !self.is_draining {
            self.order(Command::Drain);
            self.begin_drain();
        }
    }

    fn begin_drain(&mut self) {
        self.is_draining = true;
        self.deadline = after(self.options.drain_timeout);
    }

    /// Answers a successor that is ready, and says what to tell of it.
    fn answer(&mut self, news: DoorNews) -> Option<HandoverNews> {
        let knocker = match news {
            DoorNews::Failed(failed) => return Some(failed),
            DoorNews::PredecessorLeft => {
                for line in &self.lines {
                    // A doorbell cannot fail while its reactor lives.
                    let _ = line.renew_accepts();
                }
                return None;
            }
            // The door is closed; it sees the end of its connection, and starts anew.
            DoorNews::Ready(_) if self.is_draining => return None,
            DoorNews::Ready(knocker) => knocker,
        };
        Some(HandoverNews { successor: knocker.process, failure: self.hand_over(knocker).err() })
    }

    fn hand_over(&mut self, knocker: Knocker) -> Result<(), String> {
        // The thread of the door has ended.
        let door = self.door.take().and_then(Watched::end);
        if let Err(cause) = knocker.say_yours() {
            // It is gone, so this server serves on, and waits for another.
            self.door = door.and_then(|door| door.watch(None, self.knock.clone()).ok());
            return Err(cause);
        }
        if let Some(door) = door {
            door.leave();
        }
        self.places.leave();
        self.leaving = Some((knocker, (0..self.lines.len()).collect()));
        self.tell_reactors(Command::Leave);
        self.begin_drain();
        Ok(())
    }

    /// The reactor of this index accepts no more. After the last one the successor is told.
    fn left(&mut self, index: usize) {
        if let Some((_, reactors)) = &mut self.leaving {
            reactors.remove(&index);
        }
        self.leaving.take_if(|(_, reactors)| reactors.is_empty());
    }

    fn order(&mut self, command: Command) {
        // First, so that nobody connects to a unix socket after its queue was emptied for the last time; and what is
        // kept for a successor would keep listeners from closing.
        drop(self.door.take().and_then(Watched::end));
        self.places.close();
        self.tell_reactors(match command {
            Command::Drain if self.is_passed => Command::Leave,
            Command::Stop if self.is_passed => Command::Abandon,
            command => command,
        });
    }

    fn tell_reactors(&self, command: Command) {
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
