//! What one worker recorded besides its slices; handed over once, at the end of the run.

use super::arrival_log::ArrivalLog;
use super::causes::Causes;
use super::counters::{Connects, Pace, Traffic};
use super::cpu_shares::CpuShare;
use super::outages::Outages;
use super::recorder::Recorder;
use super::sample::Sample;

/// What one worker recorded besides its slices.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) request_causes: Causes,
    /// How the first bad reply began, whatever was wrong with it.
    pub(crate) sample: Option<Sample>,
    pub(crate) connects: Connects,
    /// Of the connections open when the load began: those of each route of the plan.
    pub(crate) established_by_route: Vec<u64>,
    /// Failed connects, and connections lost while no request was outstanding.
    pub(crate) connect_causes: Causes,
    pub(crate) connect: Recorder,
    /// Connect time plus service time of the first request of each connection.
    pub(crate) first_response: Recorder,
    /// With a reconnect policy, once a client has lost its connection in the window: three quarters of a MiB.
    pub(crate) outages: Option<Box<Outages>>,
    /// Since the start of the run until the window closes, then within the window.
    pub(crate) traffic: Traffic,
    /// Good replies of warm-up, window and grace: what the server should have counted.
    pub(crate) completed_whole_run: u64,
    /// How well the schedule was kept.
    pub(crate) arrivals: ArrivalLog,
    pub(crate) pace: Pace,
    /// How long requests arrived, from the start of the window: all of it, or until the last one if they are
    /// counted (`--requests`). The time after that only works the queue off, as the grace does.
    pub(crate) paced_ns: u64,
    /// What each worker took of its CPU; nothing in a window that is too short.
    pub(crate) cpu_shares: Vec<CpuShare>,
    /// Time of the window spent polling with nothing to do, over all workers.
    pub(crate) spun_ns: u64,
    /// How often a worker lost its CPU to another within the window, over all workers.
    pub(crate) involuntary_switches: u64,
    /// Length of the window, shorter than planned when the run was stopped.
    pub(crate) window_ns: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Tally {
            request_causes: Causes::new(),
            sample: None,
            connects: Connects::default(),
            established_by_route: Vec::new(),
            connect_causes: Causes::new(),
            connect: Recorder::new(),
            first_response: Recorder::new(),
            outages: None,
            traffic: Traffic::default(),
            completed_whole_run: 0,
            arrivals: ArrivalLog::default(),
            pace: Pace::default(),
            paced_ns: 0,
            cpu_shares: Vec::new(),
            spun_ns: 0,
            involuntary_switches: 0,
            window_ns: 0,
        }
    }

    /// Adds another worker's tally; the longest window remains.
    pub(crate) fn add(&mut self, other: &Tally) {
        self.connects.add(&other.connects);
        self.established_by_route.resize(self.established_by_route.len().max(other.established_by_route.len()), 0);
        for (own, others) in self.established_by_route.iter_mut().zip(&other.established_by_route) {
            *own += others;
        }
        self.request_causes.add(&other.request_causes);
        self.sample = self.sample.take().or_else(|| other.sample.clone());
        self.connect_causes.add(&other.connect_causes);
        self.connect.add(&other.connect);
        self.first_response.add(&other.first_response);
        if let Some(others) = &other.outages {
            self.outages.get_or_insert_with(|| Box::new(Outages::new())).add(others);
        }
        self.traffic.add(&other.traffic);
        self.completed_whole_run += other.completed_whole_run;
        self.arrivals.add(&other.arrivals);
        self.pace.add(&other.pace);
        self.paced_ns = self.paced_ns.max(other.paced_ns);
        self.cpu_shares.extend_from_slice(&other.cpu_shares);
        self.spun_ns += other.spun_ns;
        self.involuntary_switches += other.involuntary_switches;
        self.window_ns = self.window_ns.max(other.window_ns);
    }
}
