//! What a comparison is: a question with its explanation, and for each profile the arms, the loads, how long it may take
//! and how long a window is. Runs nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use results::record::{Decision, Metric, Role};
use server::Variant;

use crate::session::request::Profile;
use crate::subjects::load::{Generator, Load};
use crate::subjects::servers::kind::Kind;

/// One side of a comparison: a server and the generator that loads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arm {
    pub(crate) server: Kind,
    pub(crate) generator: Generator,
    /// Whether generators are compared on the same server. If so, the arm is named after its generator.
    pub(crate) compares_generators: bool,
    /// What the arm is there for.
    pub(crate) role: Role,
}

impl Arm {
    pub(crate) fn server(server: Kind) -> Arm {
        Arm { server, generator: Generator::C10m, compares_generators: false, role: Role::Arm }
    }

    pub(crate) fn generator(server: Kind, generator: Generator) -> Arm {
        Arm { server, generator, compares_generators: true, role: Role::Arm }
    }

    /// What is compared: the server, or the generator where generators are.
    pub(crate) fn contestant(&self) -> String {
        let name = if self.compares_generators { self.generator.name().to_owned() } else { self.server.name() };
        match self.role {
            Role::Arm | Role::Reference => name,
            Role::Twin => format!("{name} (twin)"),
            Role::Handicapped => format!("{name} (handicapped)"),
        }
    }

    pub(crate) fn name(&self) -> String {
        match self.compares_generators {
            false => self.contestant(),
            true => format!("{} on {}", self.contestant(), self.server.name()),
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

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Length {
    /// As many blocks as fit this time, everything included.
    Budget(Duration),
    /// So many blocks.
    Blocks(u32),
}

/// One profile of an experiment.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) profile: Profile,
    pub(crate) arms: Vec<Arm>,
    pub(crate) loads: Vec<Load>,
    pub(crate) length: Length,
    /// Length of a window.
    pub(crate) seconds: f64,
    /// What a reader must know besides the numbers, above all what the profile leaves out.
    pub(crate) notes: Vec<&'static str>,
}

impl Comparison {
    /// Names the reference of a scope and adds the controls.
    pub(crate) fn with_controls(&self, scope: Scope) -> Scope {
        // A server that is dearer does not make the generator dearer.
        scope.with_controls(&self.decision.reference, self.metric == Metric::ServerRun)
    }

    /// Of a scope, the reference and the named arms under the named loads; an empty list is everything. The error is a
    /// sentence that names what there is.
    pub(crate) fn chosen(&self, scope: Scope, arms: &[String], loads: &[String]) -> Result<Scope, String> {
        let known: Vec<String> = scope.arms.iter().map(Arm::contestant).collect();
        unknown(arms, &known)
            .map_or(Ok(()), |name| Err(format!("{} has no arm {name:?}; --arm takes {}", self.name, quoted(&known))))?;
        let known: Vec<String> = scope.loads.iter().map(Load::slug).collect();
        unknown(loads, &known).map_or(Ok(()), |name| {
            Err(format!(
                "{} has no load {name:?} in its profile {}; --load takes {}",
                self.name,
                scope.profile.word(),
                known.join(", ")
            ))
        })?;
        let is_asked = |name: &str, asked: &[String]| asked.is_empty() || asked.iter().any(|one| one == name);
        let (mut scope, reference) = (scope, self.decision.reference.as_str());
        scope.arms.retain(|arm| arm.contestant() == reference || is_asked(&arm.contestant(), arms));
        scope.loads.retain(|load| is_asked(&load.slug(), loads));
        if !arms.is_empty() || !loads.is_empty() {
            scope.notes.push(NOTE_PART);
        }
        Ok(scope)
    }

    /// The scope of `profile`, or the default one. The error is a sentence that names the profiles.
    pub(crate) fn scope(&self, profile: Option<Profile>) -> Result<Scope, String> {
        let found = self.scopes.iter().find(|scope| profile.is_none_or(|wanted| scope.profile == wanted));
        found.cloned().ok_or_else(|| {
            let there: Vec<&str> = self.scopes.iter().map(|scope| scope.profile.word()).collect();
            let wanted = profile.map_or("", Profile::word);
            format!(
                "{} has only the profile {}: leave out --profile {wanted}, or shorten it with --budget",
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

    /// Names the reference and adds the controls: a twin of it, and one with a handicap if the reference can have one.
    /// Without the reference nothing changes.
    pub(crate) fn with_controls(mut self, reference: &str, has_handicap: bool) -> Scope {
        self.arms.iter_mut().filter(|arm| arm.contestant() == reference).for_each(|arm| arm.role = Role::Reference);
        let references: Vec<Arm> = self.arms.iter().filter(|arm| arm.role == Role::Reference).copied().collect();
        for reference in references {
            self.arms.push(Arm { role: Role::Twin, ..reference });
            if has_handicap && matches!(reference.server, Kind::C10m(_)) {
                self.arms.push(Arm { role: Role::Handicapped, ..reference });
            }
        }
        self
    }

    /// Starts of one block.
    pub(crate) fn starts_per_block(&self) -> u64 {
        let references = |arms: &[Arm]| arms.iter().filter(|arm| arm.role == Role::Reference).count();
        let starts = self.loads.iter().map(|load| self.arms_for(load)).map(|arms| arms.len() + references(&arms));
        starts.sum::<usize>() as u64
    }

    /// How many arms are compared with the reference, for each load. Where generators are compared, each server is a
    /// load of its own.
    pub(crate) fn compared_by_load(&self) -> Vec<usize> {
        let of_load = |load: &Load| -> Vec<usize> {
            let arms = self.arms_for(load);
            let meet = |a: &Arm, b: &Arm| !a.compares_generators || a.server == b.server;
            let compared = |of: &Arm| arms.iter().filter(|arm| arm.role != Role::Reference && meet(arm, of)).count();
            arms.iter().filter(|arm| arm.role == Role::Reference).map(compared).collect()
        };
        self.loads.iter().flat_map(of_load).collect()
    }

    /// How many arms are compared with the reference under any load.
    pub(crate) fn contestants(&self) -> usize {
        let names = self.arms.iter().filter(|arm| arm.role != Role::Reference).map(Arm::contestant);
        names.collect::<BTreeSet<String>>().len()
    }

    /// How long all of it takes at most on a quiet machine.
    pub(crate) fn expected_s(&self) -> f64 {
        match self.length {
            Length::Budget(budget) => budget.as_secs_f64(),
            Length::Blocks(blocks) => f64::from(blocks) * self.starts_per_block() as f64 * (self.seconds + OVERHEAD_S),
        }
    }
}

fn unknown<'n>(asked: &'n [String], known: &[String]) -> Option<&'n String> {
    asked.iter().find(|name| !known.contains(name))
}

/// Names with spaces, as a shell takes them; each once.
fn quoted(names: &[String]) -> String {
    let names: BTreeSet<String> = names.iter().map(|name| format!("'{name}'")).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

const NOTE_PART: &str = "A part of the experiment: only the arms and the loads that the command names.";
/// What a start takes besides its window: two processes that start and end, connections, warm-up.
const OVERHEAD_S: f64 = 0.3;

/// The main variants of this project.
pub(crate) fn main_variants() -> Vec<Arm> {
    Variant::MAIN.into_iter().map(|variant| Arm::server(Kind::C10m(variant))).collect()
}

#[cfg(test)]
mod tests {
    use protocol::Workload;

    use super::*;

    fn scope(arms: Vec<Arm>) -> Scope {
        Scope {
            profile: Profile::Full,
            arms,
            loads: vec![Load::closed(Workload::Echo, 1), Load::closed(Workload::Http, 1)],
            length: Length::Blocks(3),
            seconds: 1.0,
            notes: vec![],
        }
    }

    #[test]
    fn cells_are_named_by_load_and_arm() {
        let arm = Arm::server(Kind::C10m(Variant::UringMultishot));
        assert_eq!(key(&Load::closed(Workload::Echo, 64), &arm), "echo-c64-closed-p1-io-uring-multishot");
        let twin = Arm { role: Role::Twin, ..Arm::generator(Kind::Nginx, Generator::Wrk) };
        assert_eq!((twin.name().as_str(), twin.contestant().as_str()), ("wrk (twin) on nginx", "wrk (twin)"));
    }

    #[test]
    fn arms_and_loads_can_be_chosen() {
        let comparison = Comparison {
            name: "trial",
            question: "",
            explanation: "",
            metric: Metric::ServerRun,
            decision: Decision { reference: "epoll level".to_owned(), effect_min: 0.02, is_agreement: false },
            is_hidden: true,
            scopes: vec![scope(main_variants())],
        };
        let chosen = |arms: &[&str], loads: &[&str]| {
            let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
            let scope = comparison.chosen(scope(main_variants()), &names(arms), &names(loads))?;
            let arms = scope.arms.iter().map(Arm::contestant).collect::<Vec<_>>().join(", ");
            assert_eq!(scope.notes.contains(&NOTE_PART), scope.arms.len() < main_variants().len());
            Ok::<_, String>((arms, scope.loads.len()))
        };
        assert_eq!(chosen(&[], &[]).expect("all").1, 2);
        let (arms, loads) = chosen(&["io_uring multishot"], &["http-c1-closed-p1"]).expect("one of each");
        assert_eq!((arms.as_str(), loads), ("epoll level, io_uring multishot", 1));
        assert_eq!(chosen(&["epoll level"], &[]).expect("the reference alone").0, "epoll level");
        let error = chosen(&["kqueue"], &[]).expect_err("no such arm");
        assert!(error.starts_with("trial has no arm \"kqueue\"; --arm takes 'epoll edge', 'epoll level', "), "{error}");
        let error = chosen(&[], &["http"]).expect_err("no such load");
        assert!(error.ends_with("profile full; --load takes echo-c1-closed-p1, http-c1-closed-p1"), "{error}");
    }

    #[test]
    fn nginx_only_serves_http() {
        let nginx = Arm::server(Kind::Nginx);
        let scope = scope(main_variants().into_iter().chain([nginx]).collect());
        let counts: Vec<usize> = scope.loads.iter().map(|load| scope.arms_for(load).len()).collect();
        assert_eq!(counts, [Variant::MAIN.len(), Variant::MAIN.len() + 1]);
    }

    #[test]
    fn the_reference_has_a_twin_and_a_handicapped_one_where_it_can() {
        let roles = |scope: Scope| scope.arms.iter().map(|arm| arm.role).collect::<Vec<_>>();
        let servers = vec![Arm::server(Kind::C10m(Variant::EpollLevel)), Arm::server(Kind::Nginx)];
        let with_all = scope(servers.clone()).with_controls("epoll level", true);
        assert_eq!(with_all.starts_per_block(), 4 + 5);
        assert_eq!((with_all.compared_by_load(), with_all.contestants()), (vec![2, 3], 3));
        assert_eq!(roles(with_all), [Role::Reference, Role::Arm, Role::Twin, Role::Handicapped]);
        assert_eq!(
            roles(scope(servers.clone()).with_controls("nginx", true)),
            [Role::Arm, Role::Reference, Role::Twin]
        );
        assert_eq!(roles(scope(servers).with_controls("none", true)), [Role::Arm; 2]);
        let generators =
            [Kind::Nginx, Kind::C10m(Variant::EpollLevel)].map(|kind| Arm::generator(kind, Generator::Wrk));
        let on_two_servers = scope(generators.to_vec()).with_controls("wrk", false);
        // nginx has no echo.
        assert_eq!((on_two_servers.compared_by_load(), on_two_servers.contestants()), (vec![1, 1, 1], 1));
        assert_eq!(roles(on_two_servers), [Role::Reference, Role::Reference, Role::Twin, Role::Twin]);
    }
}
