//! The experiments: one file each, and the list of them.

mod agreement;
mod backends;
mod blocking;
mod c10m;
mod churn;
mod database;
mod decision;
mod drain;
mod fd_limit;
mod generator;
mod ladder;
mod omission;
mod peers;
mod ports;
mod prove;
mod quick;
mod slow_clients;
mod smoke;
mod storm;
mod tail;
mod uring;

use crate::kinds::comparison::plan::Comparison;
use crate::kinds::experiment::Experiment;
use crate::kinds::scenario::trials::table::Trials;

/// Every comparison.
fn comparisons() -> Vec<Comparison> {
    vec![
        quick::experiment(),
        generator::experiment(),
        agreement::experiment(),
        backends::experiment(),
        ladder::experiment(),
        peers::experiment(),
        churn::experiment(),
        uring::experiment(),
        smoke::experiment(),
    ]
}

/// Every experiment of either kind.
fn all() -> impl Iterator<Item = Box<dyn Experiment>> {
    let scenarios: [Box<dyn Experiment>; 11] = [
        Box::new(c10m::SCENARIO),
        Box::new(omission::SCENARIO),
        Box::new(storm::SCENARIO),
        Box::new(fd_limit::SCENARIO),
        Box::new(ports::SCENARIO),
        Box::new(drain::SCENARIO),
        Box::new(slow_clients::SCENARIO),
        Box::new(tail::SCENARIO),
        Box::new(blocking::SCENARIO),
        Box::new(database::SCENARIO),
        Box::new(prove::SCENARIO),
    ];
    comparisons().into_iter().map(|comparison| Box::new(comparison) as Box<dyn Experiment>).chain(scenarios)
}

/// The trials of some settings; of all if `asked` is empty.
pub(crate) fn trials(asked: Vec<String>, may_change_host: bool) -> Trials {
    Trials { asked, may_change_host, ..prove::SCENARIO }
}

/// The experiments that `bench list` shows: all but those for tests.
pub(crate) fn shown() -> impl Iterator<Item = Box<dyn Experiment>> {
    all().filter(|experiment| !experiment.is_hidden())
}

/// Whether there is a walk through what the experiment is about.
pub(crate) fn has_walk(name: &str) -> bool {
    name == fd_limit::SCENARIO.about.name
}

/// The experiment with this name.
pub(crate) fn find(name: &str) -> Option<Box<dyn Experiment>> {
    all().find(|experiment| experiment.name() == name)
}

#[cfg(test)]
mod verdicts;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kinds::comparison::plan::{Arm, Scope, key};
    use crate::session::limits::Limits;
    use crate::session::request::Profile;
    use crate::subjects::load::Generator;

    /// The experiments about what goes wrong.
    const FAILURES: [&str; 8] = ["storm", "fd-limit", "ports", "drain", "slow-clients", "tail", "blocking", "database"];
    /// Longest time in seconds for a first answer.
    const QUICK_S_MAX: f64 = 300.0;

    fn scopes() -> impl Iterator<Item = (Comparison, Scope)> {
        let with_scopes = |experiment: Comparison| {
            let scopes = experiment.scopes.clone();
            scopes.into_iter().map(move |scope| {
                let again = comparisons().into_iter().find(|other| other.name == experiment.name);
                (again.expect("itself"), scope)
            })
        };
        comparisons().into_iter().flat_map(with_scopes)
    }

    #[test]
    fn every_experiment_says_what_it_is_and_how_it_decides() {
        let mut names = BTreeSet::new();
        for (experiment, scope) in scopes() {
            names.insert(experiment.name);
            assert!(experiment.question.ends_with('?'), "{}", experiment.name);
            let text = experiment.explanation;
            assert!(text.len() > 50 && text.ends_with('.'), "{}: {text:?}", experiment.name);
            let reference = &experiment.decision.reference;
            for load in &scope.loads {
                let arms: Vec<String> = scope.arms_for(load).iter().map(Arm::contestant).collect();
                assert!(arms.contains(reference), "{}: no {reference} under {}", experiment.name, load.words());
            }
            assert!(scope.seconds >= 0.1 && !scope.loads.is_empty());
            assert!(scope.notes.iter().all(|note| note.ends_with('.')), "{:?}", scope.notes);
        }
        assert_eq!(names.len(), comparisons().len(), "names are unique");
    }

    #[test]
    fn quick_is_quick() {
        for (experiment, scope) in scopes().filter(|(_, scope)| scope.profile == Profile::Quick) {
            let expected_s = scope.expected_s();
            assert!(expected_s < QUICK_S_MAX, "{} takes {expected_s} s", experiment.name);
        }
    }

    /// Each answers within 90 s, on a quiet machine.
    #[test]
    fn failures_are_quick() {
        for experiment in all().filter(|experiment| FAILURES.contains(&experiment.name())) {
            let listed = experiment.listed();
            let quick = listed.profiles.first().expect("a profile");
            assert!(quick.profile == Profile::Quick && quick.expected_minutes <= 1.5, "{}: {quick:?}", listed.name);
            assert!(listed.question.ends_with('?') && listed.decision.ends_with('.'), "{listed:?}");
            let distinct: BTreeSet<&String> = quick.arms.iter().collect();
            assert!(quick.arms.len() > 3 && distinct.len() == quick.arms.len(), "{:?}", quick.arms);
        }
    }

    #[test]
    fn cells_have_keys_of_their_own() {
        for (experiment, scope) in scopes() {
            let keys: Vec<String> = scope
                .loads
                .iter()
                .flat_map(|load| scope.arms_for(load).into_iter().map(|arm| key(load, &arm)))
                .collect();
            let distinct: BTreeSet<&String> = keys.iter().collect();
            assert_eq!(distinct.len(), keys.len(), "{}", experiment.name);
        }
    }

    #[test]
    fn loads_are_such_as_the_load_generator_takes() {
        let limits = Limits::on_descriptors(20_000);
        for (experiment, scope) in scopes() {
            for load in &scope.loads {
                assert!(load.rate.is_none() || load.pipeline == 1, "{}: only closed loops pipeline", experiment.name);
                let shape = limits.shape(load.connections).expect("it fits 20,000 descriptors");
                let is_c10m = |generator| matches!(generator, Generator::C10m | Generator::C10mUring);
                assert!(shape.threads == 1 || scope.arms.iter().all(|arm| is_c10m(arm.generator)));
            }
        }
    }
}
