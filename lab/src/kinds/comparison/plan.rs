//! What a comparison is: a question with its explanation, and for each profile the arms, the loads, the number of
//! repeats and their length. Runs nothing.

use std::collections::BTreeSet;

use protocol::Workload;
use results::record::{Decision, Metric};
use server::Variant;

use crate::session::request::Profile;
use crate::subjects::load::{Generator, Load};
use crate::subjects::opening;
use crate::subjects::servers::kind::Kind;

/// What a run takes besides its window: a look at the machine, two processes that start and end, warm-up.
const OVERHEAD_S: f64 = 0.6;
/// What each connection adds: opening, the look at it, closing.
const OVERHEAD_S_PER_CONNECTION: f64 = 0.000_1;
/// Time to measure what connections cost, once for each server and number of connections.
const OPENING_S: f64 = 0.6;
/// Time to measure the idle memory of one variant.
const MEMORY_S: f64 = 1.5;

/// One side of a comparison: a server and the generator that loads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arm {
    pub(crate) server: Kind,
    pub(crate) generator: Generator,
    /// Whether generators are compared on the same server. If so, the arm is named after its generator.
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

/// Names an arm under a load in file names: [`results::record::Cell::key`].
pub(crate) fn key(load: &Load, arm: &Arm) -> String {
    results::run::word(&format!("{}-{}", load.slug(), arm.name()))
}

/// A question and how it is answered.
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    pub(crate) question: &'static str,
    /// A paragraph about what the answer is good for and what it cannot tell.
    pub(crate) explanation: &'static str,
    /// The metric that decides between the arms.
    pub(crate) metric: Metric,
    pub(crate) decision: Decision,
    /// Whether lists leave it out, because it is only for tests of this program.
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
    /// Idle connections for the memory measurement of each variant; 0 skips it.
    pub(crate) idle_connections: u32,
    /// What a reader must know besides the numbers, above all what the profile leaves out.
    pub(crate) notes: Vec<&'static str>,
}

impl Comparison {
    /// The scope of `profile`, or the default one. The error is a sentence that names the profiles.
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
    /// The arms whose server supports a load.
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

    /// Total number of the generator's runs.
    pub(crate) fn run_count(&self) -> u64 {
        let arms: usize = self.loads.iter().map(|load| self.arms_for(load).len()).sum();
        arms as u64 * u64::from(self.repeats)
    }

    /// The variants whose memory is measured with idle connections, in order.
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

    /// How long the experiment takes on a quiet machine.
    pub(crate) fn expected_s(&self) -> f64 {
        let run_s = |load: &Load| self.seconds + OVERHEAD_S + f64::from(load.connections) * OVERHEAD_S_PER_CONNECTION;
        let repeat_s: f64 = self.loads.iter().map(|load| self.arms_for(load).len() as f64 * run_s(load)).sum();
        let openings = self.loads.iter().flat_map(|load| self.arms_for(load).into_iter().map(|arm| (*load, arm)));
        let openings: BTreeSet<String> = openings
            .filter(|(load, arm)| opening::applies(load, arm.server))
            .map(|(load, arm)| opening::key(&load, arm.server))
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

/// The main variants of this project and nginx.
pub(crate) fn all_servers() -> Vec<Arm> {
    main_variants().into_iter().chain([Arm::server(Kind::Nginx)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_named_by_load_and_arm() {
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
