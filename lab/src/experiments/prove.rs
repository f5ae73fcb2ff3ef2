//! `c10m tune prove`: which settings matter on this host, each under the workload in which it should.

mod accept;
mod chains;
mod churn;
mod far;
mod lines;
mod lossy;
mod requests;

use crate::kinds::scenario::plan::{About, Length};
use crate::kinds::scenario::trials::table::{Trials, Workload};
use crate::session::namespace::Needs;
use crate::session::request::Profile;

const ABOUT: About = About {
    name: "prove",
    question: "Which settings matter on this host, and which do not?",
    explanation: "Each setting is tried under the workload in which it should matter: the same server and the same clients, on \
                  two hosts of the run's own, with the usual value and with another. The usual value is measured twice, and \
                  each workload has a change planted in it that it must see. `c10m tune prove NAME` tries one setting; with \
                  --host also those of the whole host, which are restored.",
    decision: "The workload's first figure, against the usual value, repeat by repeat, with simultaneous intervals of 95 %. \
               Less than 10 % does not count.",
    profiles: &[Profile::Quick, Profile::Full],
    length: Length::Usual { repeats: 24, seconds: 1 },
    wait_max: None,
    attempts_max: 2,
    needs: Needs::Hosts,
    has_control: false,
};

const WORKLOADS: &[Workload] = &[
    accept::LONG_QUEUE,
    accept::SHORT_QUEUE,
    churn::CHURN,
    churn::PROFILE,
    far::BULK,
    far::AFTER_IDLE,
    lossy::LOSSY,
    chains::CHAINS,
    requests::REQUESTS,
];

/// The experiment, with all settings of namespaces.
pub(super) const SCENARIO: Trials = Trials {
    about: ABOUT,
    workloads: WORKLOADS,
    notes: &[
        "The far and the lossy cable are made by this program, between two TUN devices. Real networks have more than delay and \
         loss that is independent from packet to packet.",
        "tcp_max_tw_buckets=100 and a reset at the end give many more connections because they give up what TIME-WAIT protects from: \
         segments of an old connection in a new one. That they help here is no reason to set them.",
        "Nothing here has a network card. Settings of cards, of their interrupts and queues cannot be shown.",
    ],
    asked: Vec::new(),
    may_change_host: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::scenario::plan::Scenario;

    /// Every setting that is tried is one that the rules know, and every workload has controls and cases of its own names.
    #[test]
    fn what_is_tried_is_known() {
        let all = Trials { may_change_host: true, ..SCENARIO };
        let known = all.known();
        let missing: Vec<&&str> =
            known.iter().filter(|name| tuning::knowledge::Knowledge::embedded().rule(name).is_none()).collect();
        assert!(missing.is_empty(), "no rule is about {missing:?}");
        assert!(known.len() >= 20, "only {} settings are tried: {known:?}", known.len());
        for profile in [Profile::Quick, Profile::Full] {
            let mut names: Vec<String> = all.cases(profile).iter().map(|case| all.name(case)).collect();
            let count = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count, "two cases share a name");
        }
        // Of one setting only the workloads that try it, with their controls.
        let one = Trials { asked: vec!["tcp_tw_reuse".to_owned()], ..SCENARIO };
        let names: Vec<String> = one.cases(Profile::Quick).iter().map(|case| one.name(case)).collect();
        assert!(names.iter().any(|name| name.contains("planted")) && names.iter().any(|name| name.ends_with("(twin)")));
        let others = names.iter().filter(|name| name.contains("net.") && !name.contains("tcp_tw_reuse"));
        assert_eq!(others.count(), 0, "{names:?}");
        assert_eq!(Trials { asked: vec!["tcp_tw_recycl".to_owned()], ..SCENARIO }.unknown(), ["tcp_tw_recycl"]);
    }
}
