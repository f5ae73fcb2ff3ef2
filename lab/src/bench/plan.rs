//! What an experiment is: a question, arms, loads, and how often and how long.

use results::record::Metric;
use server::{Variant, Workload};

use super::servers::{self, Kind};

/// The load generators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generator {
    C10m,
    C10mUring,
    Wrk,
}

impl Generator {
    /// The name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Generator::C10m => "c10m load, epoll",
            Generator::C10mUring => "c10m load, io_uring",
            Generator::Wrk => "wrk",
        }
    }
}

/// One side of a comparison: a server and what loads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arm {
    pub(super) server: Kind,
    pub(super) generator: Generator,
    /// Whether the name is the generator's: then the servers are the same.
    pub(super) compares_generators: bool,
}

impl Arm {
    pub(super) fn server(server: Kind) -> Arm {
        Arm { server, generator: Generator::C10m, compares_generators: false }
    }

    pub(super) fn name(&self) -> String {
        match self.compares_generators {
            false => self.server.name(),
            true => format!("{} on {}", self.generator.name(), self.server.name()),
        }
    }
}

/// What every arm is put through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    pub(super) workload: Workload,
    pub(super) connections: u32,
    /// Requests per second; `None` is a closed loop.
    pub(super) rate: Option<f64>,
    pub(super) pipeline: u32,
}

impl Load {
    pub(super) fn closed(workload: Workload, connections: u32) -> Load {
        Load { workload, connections, rate: None, pipeline: 1 }
    }

    pub(super) fn open(workload: Workload, connections: u32, rate: f64) -> Load {
        Load { workload, connections, rate: Some(rate), pipeline: 1 }
    }

    /// A name for files.
    pub(super) fn slug(&self) -> String {
        let mode = self.rate.map_or("closed".to_owned(), |rate| format!("rate{rate}"));
        format!("{}-c{}-{mode}-p{}", super::word(self.workload), self.connections, self.pipeline)
    }
}

/// Which CPUs do what.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) server: usize,
    pub(super) client: usize,
    pub(super) all: Vec<usize>,
}

/// A question and how it is answered.
pub(super) struct Experiment {
    pub(super) name: &'static str,
    pub(super) question: &'static str,
    /// What decides between the arms.
    pub(super) metric: Metric,
    pub(super) loads: Vec<Load>,
    pub(super) arms: Vec<Arm>,
    pub(super) repeats: u32,
    pub(super) seconds: f64,
    /// Idle connections for the memory of each variant; 0 leaves it out.
    pub(super) idle_connections: u32,
}

impl Experiment {
    /// The arms that a load applies to.
    pub(super) fn arms_for(&self, load: &Load) -> Vec<Arm> {
        let fits = |arm: &&Arm| arm.server.serves(load.workload);
        self.arms.iter().filter(fits).copied().collect()
    }

    /// The servers of all arms, each once.
    pub(super) fn servers(&self) -> Vec<Kind> {
        let mut servers: Vec<Kind> = Vec::new();
        for arm in &self.arms {
            if !servers.contains(&arm.server) {
                servers.push(arm.server);
            }
        }
        servers
    }

    /// Takes out what cannot run here, and says what that was.
    pub(super) fn leave_out_unavailable(&mut self) -> Vec<String> {
        let mut skipped = Vec::new();
        let mut leave_out = |arms: &mut Vec<Arm>, reason: String, gone: &dyn Fn(&Arm) -> bool| {
            let names: Vec<String> = arms.iter().filter(|arm| gone(arm)).map(Arm::name).collect();
            if !names.is_empty() {
                arms.retain(|arm| !gone(arm));
                skipped.push(format!("{}: {reason}", names.join(", ")));
            }
        };
        if let Err(error) = server::probe_io_uring() {
            leave_out(&mut self.arms, error.to_string(), &|arm| {
                let is_uring = matches!(arm.server, Kind::C10m(variant) if variant.backend() == "io_uring");
                is_uring || arm.generator == Generator::C10mUring
            });
        }
        if servers::nginx_version().is_none() {
            let reason = "not installed (Debian: apt-get install nginx-light)".to_owned();
            leave_out(&mut self.arms, reason, &|arm| arm.server.is_nginx());
        }
        for peer in self.servers().into_iter().filter(|server| Kind::peers().any(|peer| peer == *server)) {
            if let Err(reason) = peer.availability() {
                leave_out(&mut self.arms, reason, &|arm| arm.server == peer);
            }
        }
        if !super::generators::has_wrk() {
            let reason = "not installed (Debian: apt-get install wrk)".to_owned();
            leave_out(&mut self.arms, reason, &|arm| arm.generator == Generator::Wrk);
        }
        skipped
    }

    /// Runs of the generator in all.
    pub(super) fn run_count(&self) -> u64 {
        let arms: usize = self.loads.iter().map(|load| self.arms_for(load).len()).sum();
        arms as u64 * u64::from(self.repeats)
    }
}

/// Every variant of this project and nginx.
pub(super) fn all_servers() -> Vec<Arm> {
    let variants = Variant::ALL.into_iter().map(Kind::C10m);
    variants.chain([Kind::Nginx]).map(Arm::server).collect()
}
