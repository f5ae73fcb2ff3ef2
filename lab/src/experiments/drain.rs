//! `bench drain`: a server is replaced under load, again and again, in each of the usual ways.

mod figures;
mod keeper;
mod rounds;
mod ways;

use crate::kinds::scenario::plan::{About, Length};
use crate::kinds::scenario::remedies::scene::replies_per_s;
use crate::kinds::scenario::remedies::table::{Picture, Remedies};
use crate::session::namespace::Needs;
use crate::session::request::Profile;
use crate::session::side::Side;

const ABOUT: About = About {
    name: "drain",
    question: "A server is replaced under load, for a new version or a new configuration: what does that cost its clients?",
    explanation: "Clients open a connection for each request, and others keep theirs. At random moments the server is \
                  replaced: each arm is a way to do that. A request is lost if its connect is refused or takes 0.9 s, \
                  its connection is reset or ends without a reply, no reply comes within 2 s, or it is never sent, since all \
                  connections wait. One that is sent again because the server announced the end of the connection \
                  (Connection: close) is not.",
    decision: "Lost requests for each replacement, against stopping and starting, repeat by repeat, with simultaneous \
               intervals of 95 %. Less than 10 % does not count.",
    profiles: &[Profile::Quick, Profile::Full],
    length: Length::Usual { repeats: 4, seconds: 2 },
    wait_max: None,
    attempts_max: 2,
    needs: Needs::Hosts,
    has_control: true,
};

/// The experiment.
pub(super) const SCENARIO: Remedies = Remedies {
    about: ABOUT,
    load: "clients with a connection for each request, and clients that keep theirs; the server is replaced under them",
    arms: ways::arms,
    seconds: |arm, asked| (f64::from(rounds::window_s(arm, asked)), 1.2),
    timeline: rounds::timeline,
    figures: &figures::FIGURES,
    // One request.
    least: |scene| figures::rounds(scene).map_or(0.0, |rounds| 1000.0 / rounds),
    picture: Picture {
        title: "Replies per second while the server is replaced",
        y_name: "replies/s",
        caption: "Replies per second to the clients that open a connection for each request.",
        points: |scene| scene.by_interval(replies_per_s),
    },
    counters: &[
        (Side::Client, "ActiveOpens"),
        (Side::Client, "AttemptFails"),
        (Side::Client, "EstabResets"),
        (Side::Client, "TCPSynRetrans"),
        (Side::Server, "ListenDrops"),
        (Side::Server, "ListenOverflows"),
        (Side::Server, "OutRsts"),
        (Side::Server, "TCPMigrateReqSuccess"),
        (Side::Server, "TCPMigrateReqFailure"),
    ],
    foretell: |_| None,
    asides: |_| vec![],
    fault_shows: figures::stopping_loses,
    expectations: &[figures::handing_over_loses_nothing],
    happened: figures::happened,
    advice: |_| {
        "Hand the listening sockets over to the new process (serve --handover, LISTEN_FDS of systemd, haproxy's expose-fd listeners), so \
         that no queue is ever closed, and let the old one drain."
            .to_owned()
    },
    notes: &figures::NOTES,
};
