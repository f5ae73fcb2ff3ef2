//! What an experiment is: a question and what it explains, and for each profile the arms, the loads, how
//! often and how long. Runs nothing.

use std::collections::BTreeSet;

use protocol::Workload;
use results::record::{Decision, Metric};
use results::report::count;
use server::Variant;

use crate::kinds::comparison::opening;
use crate::session::limits::Limits;
use crate::session::request::Profile;
use crate::subjects::servers::{self, Kind};

/// What a run takes beside its window: the look at the machine, two processes that start and end, warm-up.
const OVERHEAD_S: f64 = 0.6;
/// What a connection adds: opened, looked at, closed.
const OVERHEAD_S_PER_CONNECTION: f64 = 0.000_1;
/// Time for the price of connections, measured once for each server and number of connections.
const OPENING_S: f64 = 0.6;
/// Time for the idle memory of one variant.
const MEMORY_S: f64 = 1.5;

/// The load generators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generator {
    C10m,
    C10mUring,
    Wrk,
}

impl Generator {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Generator::C10m => "c10m load, epoll",
            Generator::C10mUring => "c10m load, io_uring",
            Generator::Wrk => "wrk",
        }
    }
}

/// One side of a comparison: a server and what loads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arm {
    pub(crate) server: Kind,
    pub(crate) generator: Generator,
    /// Whether the name is the generator's: then the servers are the same.
    pub(crate) compares_generators: bool,
}

impl Arm {
    pub(crate) fn server(server: Kind) -> Arm {
        Arm { server, generator: Generator::C10m, compares_generators: false }
    }

    pub(crate) fn name(&self) -> String {
        match self.compares_generators {
            false => self.server.name(),
            true => format!("{} on {}", self.generator.name(), self.server.name()),
        }
    }
}

/// What every arm is put through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    pub(crate) workload: Workload,
    pub(crate) connections: u32,
    /// Requests per second; `None` is a closed loop.
    pub(crate) rate: Option<f64>,
    pub(crate) pipeline: u32,
    /// Requests after which the client closes a connection and opens another; 0 keeps it.
    pub(crate) requests_per_connection: u32,
}

impl Load {
    pub(crate) fn closed(workload: Workload, connections: u32) -> Load {
        Load { workload, connections, rate: None, pipeline: 1, requests_per_connection: 0 }
    }

    pub(crate) fn open(workload: Workload, connections: u32, rate: f64) -> Load {
        Load { rate: Some(rate), ..Load::closed(workload, connections) }
    }

    pub(crate) fn pipelined(workload: Workload, connections: u32, pipeline: u32) -> Load {
        Load { pipeline, ..Load::closed(workload, connections) }
    }

    /// A closed loop in which each connection ends after one request, in order.
    pub(crate) fn churn(workload: Workload, connections: u32) -> Load {
        Load { requests_per_connection: 1, ..Load::closed(workload, connections) }
    }

    /// Whether connections come and go: such a run leaves thousands in TIME-WAIT, and has a network namespace of
    /// its own, which they go with.
    pub(crate) fn is_churn(&self) -> bool {
        self.requests_per_connection > 0
    }

    /// A name for files.
    pub(crate) fn slug(&self) -> String {
        let mode = self.rate.map_or("closed".to_owned(), |rate| format!("rate{rate}"));
        let churn = if self.is_churn() { format!("-n{}", self.requests_per_connection) } else { String::new() };
        format!("{}-c{}-{mode}-p{}{churn}", self.workload.name(), self.connections, self.pipeline)
    }

    /// A name for people.
    pub(crate) fn words(&self) -> String {
        let mode = self.rate.map_or("closed".to_owned(), |rate| format!("at {}/s", count(rate)));
        let pipeline = if self.pipeline > 1 { format!(" pipelined {}", self.pipeline) } else { String::new() };
        let churn = if self.is_churn() { ", a connection each" } else { "" };
        format!("{} × {} {mode}{pipeline}{churn}", self.workload.name(), count(f64::from(self.connections)))
    }
}

/// Names an arm under a load in files: [`results::record::Cell::key`].
pub(crate) fn key(load: &Load, arm: &Arm) -> String {
    results::run::word(&format!("{}-{}", load.slug(), arm.name()))
}

/// A question and how it is answered.
pub(crate) struct Experiment {
    pub(crate) name: &'static str,
    pub(crate) question: &'static str,
    /// A paragraph: what the answer is good for, and what the experiment cannot tell.
    pub(crate) explanation: &'static str,
    /// What decides between the arms.
    pub(crate) metric: Metric,
    pub(crate) decision: Decision,
    /// Whether it is in no list, because it is only for tests of this program.
    pub(crate) is_hidden: bool,
    /// At least one; the first is the default.
    pub(crate) scopes: Vec<Scope>,
}

/// One profile of an experiment.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) profile: Profile,
    pub(crate) arms: Vec<Arm>,
    pub(crate) loads: Vec<Load>,
    pub(crate) repeats: u32,
    pub(crate) seconds: f64,
    /// Idle connections for the memory of each variant; 0 leaves it out.
    pub(crate) idle_connections: u32,
    /// What a reader has to know beside the numbers, above all what is left out.
    pub(crate) notes: Vec<&'static str>,
}

impl Experiment {
    /// The scope of `profile`, or of the default; otherwise a sentence that names what there is.
    pub(crate) fn scope(&self, profile: Option<Profile>) -> Result<Scope, String> {
        let found = self.scopes.iter().find(|scope| profile.is_none_or(|wanted| scope.profile == wanted));
        found.cloned().ok_or_else(|| {
            let there: Vec<&str> = self.scopes.iter().map(|scope| scope.profile.word()).collect();
            let wanted = profile.map_or("", Profile::word);
            format!(
                "{} has only the profile {}: leave out --profile {wanted}, or shorten it with --repeats and --seconds",
                self.name,
                there.join(", ")
            )
        })
    }
}

impl Scope {
    /// The arms that a load applies to.
    pub(crate) fn arms_for(&self, load: &Load) -> Vec<Arm> {
        let fits = |arm: &&Arm| arm.server.serves(load.workload);
        self.arms.iter().filter(fits).copied().collect()
    }

    /// The servers of all arms, each once.
    pub(crate) fn servers(&self) -> Vec<Kind> {
        let mut servers: Vec<Kind> = Vec::new();
        for arm in &self.arms {
            if !servers.contains(&arm.server) {
                servers.push(arm.server);
            }
        }
        servers
    }

    /// Takes out what cannot run here, and says what that was.
    pub(crate) fn leave_out_unavailable(&mut self, limits: &Limits) -> Vec<String> {
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
                let is_uring = matches!(arm.server, Kind::C10m(variant) if variant.is_uring());
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
        if !crate::subjects::wrk::is_installed() {
            let reason = "not installed (Debian: apt-get install wrk)".to_owned();
            leave_out(&mut self.arms, reason, &|arm| arm.generator == Generator::Wrk);
        }
        self.loads.retain(|load| match limits.shape(load.connections) {
            Ok(_) => true,
            Err(reason) => {
                skipped.push(format!("{}: {reason}", load.words()));
                false
            }
        });
        skipped
    }

    /// Runs of the generator in all.
    pub(crate) fn run_count(&self) -> u64 {
        let arms: usize = self.loads.iter().map(|load| self.arms_for(load).len()).sum();
        arms as u64 * u64::from(self.repeats)
    }

    /// Whose memory of idle connections is measured, in which order.
    pub(crate) fn memory_plan(&self) -> Vec<(Workload, Variant)> {
        if self.idle_connections == 0 {
            return vec![];
        }
        let variants = self.arms.iter().filter_map(|arm| match arm.server {
            Kind::C10m(variant) => Some(variant),
            _ => None,
        });
        let variants: Vec<Variant> = variants.collect();
        Workload::ALL
            .into_iter()
            .flat_map(|workload| variants.iter().map(move |variant| (workload, *variant)))
            .collect()
    }

    /// How long all of it takes on a quiet machine.
    pub(crate) fn expected_s(&self) -> f64 {
        let run_s = |load: &Load| self.seconds + OVERHEAD_S + f64::from(load.connections) * OVERHEAD_S_PER_CONNECTION;
        let repeat_s: f64 = self.loads.iter().map(|load| self.arms_for(load).len() as f64 * run_s(load)).sum();
        let openings = self.loads.iter().flat_map(|load| self.arms_for(load).into_iter().map(|arm| (*load, arm)));
        let openings: BTreeSet<String> = openings
            .filter(|(load, arm)| opening::applies(load, arm))
            .map(|(load, arm)| opening::key(&load, &arm))
            .collect();
        repeat_s * f64::from(self.repeats)
            + openings.len() as f64 * OPENING_S
            + self.memory_plan().len() as f64 * MEMORY_S
    }
}

/// The main variants of this project.
pub(crate) fn main_variants() -> Vec<Arm> {
    Variant::MAIN.into_iter().map(|variant| Arm::server(Kind::C10m(variant))).collect()
}

/// Every variant of this project and nginx.
pub(crate) fn all_servers() -> Vec<Arm> {
    main_variants().into_iter().chain([Arm::server(Kind::Nginx)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_have_names_for_files_and_for_people() {
        for (load, slug, words) in [
            (Load::closed(Workload::Echo, 64), "echo-c64-closed-p1", "echo × 64 closed"),
            (Load::open(Workload::Http, 1000, 20_000.0), "http-c1000-rate20000-p1", "http × 1,000 at 20,000/s"),
            (Load::pipelined(Workload::Http, 64, 16), "http-c64-closed-p16", "http × 64 closed pipelined 16"),
            (Load::churn(Workload::Http, 64), "http-c64-closed-p1-n1", "http × 64 closed, a connection each"),
        ] {
            assert_eq!((load.slug().as_str(), load.words().as_str()), (slug, words));
        }
        let arm = Arm::server(Kind::C10m(Variant::UringMultishot));
        assert_eq!(key(&Load::closed(Workload::Echo, 64), &arm), "echo-c64-closed-p1-io-uring-multishot");
    }

    #[test]
    fn nginx_only_serves_http() {
        let scope = Scope {
            profile: Profile::Full,
            arms: all_servers(),
            loads: vec![Load::closed(Workload::Echo, 1), Load::closed(Workload::Http, 1)],
            repeats: 3,
            seconds: 1.0,
            idle_connections: 0,
            notes: vec![],
        };
        let counts: Vec<usize> = scope.loads.iter().map(|load| scope.arms_for(load).len()).collect();
        assert_eq!(counts, [Variant::MAIN.len(), Variant::MAIN.len() + 1]);
        assert_eq!(scope.run_count(), 3 * (2 * Variant::MAIN.len() as u64 + 1));
        assert!(scope.expected_s() > scope.run_count() as f64 && scope.memory_plan().is_empty());
        let with_memory = Scope { idle_connections: 1, ..scope };
        assert_eq!(with_memory.memory_plan().len(), 2 * Variant::MAIN.len());
    }
}
