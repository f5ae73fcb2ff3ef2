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
    length: Length::Usual { repeats: 5, seconds: 1 },
    wait_max: None,
    attempts_max: 2,
    needs: Needs::Hosts,
    has_control: false,
};

const WORKLOADS: &[Workload] = &[
    accept::LONG_QUEUE,
    accept::SHORT_QUEUE,
    churn::CHURN,
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
        "Nothing here has a network card. Settings of cards, of their interrupts and queues cannot be shown.",
    ],
    asked: Vec::new(),
    may_change_host: false,
};
