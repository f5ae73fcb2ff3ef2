//! The course of a simulated storm, event by event: a queue of work for the clients' host, and one of logins for the server.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use loadgen::reconnect::{Answer, Backoff, Retries};

use super::course::{Course, SECOND_NS, Storm};

/// Attempts are counted in bins as wide as the experiment's observations.
const BIN_NS: u64 = SECOND_NS / 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The clients' host is done with what it did, and does what waits for it.
    Free,
    /// The client's wait is over.
    Due,
    /// Its SYN arrives, for the so many-th time.
    Syn(u8),
    /// It has waited long enough.
    GiveUp,
    /// The server finishes the login at the head of the queue.
    Served,
}

/// A client by its number, and the attempt that an event is about: by then it may have begun another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at_ns: u64,
    what: What,
    client: u32,
    attempt: u32,
}

struct Client {
    backoff: Backoff,
    attempt: u32,
    is_waiting: bool,
}

/// What a client's host has to do for it.
#[derive(Debug, Clone, Copy)]
enum Task {
    /// It notices that its connection is gone.
    Notice(u32),
    /// It tries, if its policy lets it.
    Attempt(u32),
    /// It has its reply: what a successful attempt takes beyond a refused one.
    Welcome(u32),
}

pub(super) struct World {
    storm: Storm,
    retries: Retries,
    clients: Vec<Client>,
    events: BinaryHeap<Reverse<Event>>,
    /// What the clients' host has to do, in order, and whether it does something now.
    tasks: VecDeque<Task>,
    is_busy: bool,
    /// Who is in the accept queue, by attempt, the one in service first.
    queue: VecDeque<(u32, u32)>,
    served_at_ns: Vec<u64>,
    /// Lost connections that the server's host has in TIME-WAIT, and what is expected of SYNs that met one since the last that did.
    time_wait: u64,
    met: f64,
    bins: Vec<u64>,
    attempts: u64,
    logins: u64,
    logins_for_nobody: u64,
}

impl World {
    pub(super) fn new(storm: Storm) -> World {
        let count = storm.clients as u32;
        let client = || Client { backoff: Backoff::default(), attempt: 0, is_waiting: false };
        let begin = Event { at_ns: 0, what: What::Free, client: 0, attempt: 0 };
        World {
            retries: Retries::new(storm.policy, count, storm.seed, 0),
            clients: (0..count).map(|_| client()).collect(),
            events: BinaryHeap::from([Reverse(begin)]),
            tasks: (0..count).map(Task::Notice).collect(),
            is_busy: true,
            queue: VecDeque::new(),
            served_at_ns: vec![],
            time_wait: 0,
            met: 0.0,
            bins: vec![0; ((storm.away_ns + storm.watched_ns) / BIN_NS) as usize + 1],
            attempts: 0,
            logins: 0,
            logins_for_nobody: 0,
            storm,
        }
    }

    pub(super) fn run(mut self) -> Course {
        let end_ns = self.storm.away_ns + self.storm.watched_ns;
        while let Some(Reverse(event)) = self.events.pop().filter(|event| event.0.at_ns <= end_ns) {
            match event.what {
                What::Free => self.work(event.at_ns),
                What::Due => self.add_task(Task::Attempt(event.client), event.at_ns),
                What::Syn(sent) => self.on_syn(event, sent),
                What::GiveUp => self.on_given_up(event),
                What::Served => self.on_served(event),
            }
        }
        self.course()
    }

    fn push(&mut self, at_ns: u64, what: What, client: u32) {
        let attempt = self.clients[client as usize].attempt;
        self.events.push(Reverse(Event { at_ns, what, client, attempt }));
    }

    fn add_task(&mut self, task: Task, now_ns: u64) {
        self.tasks.push_back(task);
        if !self.is_busy {
            self.work(now_ns);
        }
    }

    /// The clients' host does the next task that takes time.
    fn work(&mut self, now_ns: u64) {
        self.is_busy = false;
        while let Some(task) = self.tasks.pop_front() {
            let (client, cost_ns) = match task {
                Task::Notice(client) => {
                    self.time_wait += 1;
                    let delay_ns = self.retries.on_loss(&mut self.clients[client as usize].backoff);
                    self.push(now_ns + self.storm.notice_ns as u64 + delay_ns, What::Due, client);
                    (client, self.storm.notice_ns)
                }
                Task::Welcome(client) => {
                    self.served_at_ns.push(now_ns + self.storm.welcome_ns as u64);
                    (client, self.storm.welcome_ns)
                }
                Task::Attempt(client) => {
                    match self.retries.on_due(&mut self.clients[client as usize].backoff, now_ns) {
                        Answer::Go => {
                            self.begin(client, now_ns + self.storm.attempt_ns as u64);
                            (client, self.storm.attempt_ns)
                        }
                        Answer::PutOff { delay_ns, .. } => {
                            self.push(now_ns + delay_ns.max(1), What::Due, client);
                            continue;
                        }
                    }
                }
            };
            self.is_busy = true;
            self.push(now_ns + cost_ns as u64, What::Free, client);
            return;
        }
    }

    /// A client's SYN leaves at `sent_ns`.
    fn begin(&mut self, client: u32, sent_ns: u64) {
        self.attempts += 1;
        let own = &mut self.clients[client as usize];
        own.attempt += 1;
        own.is_waiting = true;
        self.push(sent_ns, What::Syn(0), client);
        self.push(sent_ns + self.storm.patience_ns, What::GiveUp, client);
    }

    /// Whether the client still waits in the attempt that an event is about.
    fn is_current(&self, event: &Event) -> bool {
        let client = &self.clients[event.client as usize];
        client.is_waiting && client.attempt == event.attempt
    }

    fn on_syn(&mut self, event: Event, sent: u8) {
        if !self.is_current(&event) {
            return;
        }
        let is_away = event.at_ns < self.storm.away_ns;
        let syns = 1 + u64::from(is_away && self.meets_time_wait());
        if let Some(bin) = self.bins.get_mut((event.at_ns / BIN_NS) as usize) {
            *bin += syns;
        }
        if is_away {
            return self.fail(event.client, event.at_ns);
        }
        // The kernel calls a queue full when it has more than its places (sk_acceptq_is_full).
        if self.queue.len() as u64 > self.storm.places {
            return self.push(event.at_ns + (SECOND_NS << sent), What::Syn(sent + 1), event.client);
        }
        self.queue.push_back((event.client, event.attempt));
        if self.queue.len() == 1 {
            self.serve_next(event.at_ns);
        }
    }

    /// Whether an attempt's source port is that of a lost connection, which is gone then. Every so many-th attempt is, as many as
    /// would be by chance.
    fn meets_time_wait(&mut self) -> bool {
        self.met += (self.time_wait as f64 / self.storm.ports as f64).min(1.0);
        let is_met = self.met >= 1.0;
        if is_met {
            self.met -= 1.0;
            self.time_wait -= 1;
        }
        is_met
    }

    /// The server begins the login at the head of the queue.
    fn serve_next(&mut self, now_ns: u64) {
        let Some((client, _)) = self.queue.front().copied() else { return };
        let others = self.storm.load_before * self.served_at_ns.len() as f64 / self.storm.clients as f64;
        let login_ns = self.storm.login_ns / (1.0 - others).max(0.01);
        self.push(now_ns + login_ns as u64, What::Served, client);
    }

    fn on_served(&mut self, Event { at_ns, .. }: Event) {
        let Some((client, attempt)) = self.queue.pop_front() else { return };
        self.logins += 1;
        let own = &mut self.clients[client as usize];
        if own.is_waiting && own.attempt == attempt {
            own.is_waiting = false;
            self.retries.on_served(&mut own.backoff);
            self.add_task(Task::Welcome(client), at_ns);
        } else {
            self.logins_for_nobody += 1;
        }
        self.serve_next(at_ns);
    }

    fn on_given_up(&mut self, event: Event) {
        if self.is_current(&event) {
            self.fail(event.client, event.at_ns);
        }
    }

    fn fail(&mut self, client: u32, now_ns: u64) {
        let own = &mut self.clients[client as usize];
        own.is_waiting = false;
        let delay_ns = self.retries.on_failure(&mut own.backoff, now_ns);
        self.push(now_ns + delay_ns, What::Due, client);
    }

    fn course(self) -> Course {
        let count = self.clients.len();
        // Served in the order of time.
        let after = |share: f64| {
            let rank = (share * count as f64).ceil() as usize;
            self.served_at_ns.get(rank.max(1) - 1).map(|at_ns| at_ns.saturating_sub(self.storm.away_ns))
        };
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        Course {
            half_served_ns: after(0.5),
            most_served_ns: after(0.99),
            served: share(self.served_at_ns.len() as u64, count as u64),
            attempts_per_client: share(self.attempts, count as u64),
            syns_per_s_max: self.bins.iter().max().copied().unwrap_or(0) as f64 * (SECOND_NS / BIN_NS) as f64,
            logins_for_nobody: share(self.logins_for_nobody, self.logins),
        }
    }
}
