//! `bench storm`: clients lose their server, and all come back to it at once.

mod arms;
mod costs;
mod diagram;
mod faults;
mod figures;
mod model;
mod order;
mod scenes;
mod taken;
mod timeline;
mod times;
mod words;

use crate::kinds::scenario::plan::{About, Length};
use crate::kinds::scenario::remedies::scene::replies_per_s;
use crate::kinds::scenario::remedies::table::{Picture, Remedies};
use crate::session::namespace::Needs;
use crate::session::request::Profile;
use crate::session::side::Side;
use scenes::Scene;

const ABOUT: About = About {
    name: "storm",
    question: "A server dies with all its connections and starts again: how do its clients come back, and what spares it?",
    explanation: "10,000 clients hold a connection each and send once a second. The server is killed and starts \
                  again a moment later; the first request of each connection then costs it CPU time, as a login does. Each \
                  arm is a policy by which every client decides when to try again (`c10m load --reconnect`), or a setting of the \
                  server, or both. The full profile also has 100,000 clients, clients over HTTP that are told when to come again, other \
                  loads before the fault, and other ways to lose a server or its host.",
    decision: "Share of the clients that are connected and served when the run ends, against trying again at once, repeat by \
               repeat, with simultaneous intervals of 95 %. Less than 10 % does not count.",
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
    load: "clients with a connection each; their server is killed, and starts again",
    arms: scenes::arms,
    seconds: |arm, asked| {
        (timeline::window(arm, asked).as_secs_f64(), if Scene::of(arm).tables() > 1 { 14.0 } else { 0.8 })
    },
    timeline: timeline::timeline,
    figures: &figures::FIGURES,
    least: |scene| 100.0 / scene.load.connections.target.max(1) as f64,
    picture: Picture {
        title: "Replies per second while clients come back",
        y_name: "replies/s",
        caption: "Replies per second of all clients. The server is killed after a second or two, and back a moment later; what clients \
                  had to send meanwhile they send when they are served.",
        points: |scene| scene.by_interval(replies_per_s),
    },
    counters: &[
        (Side::Client, "ActiveOpens"),
        (Side::Client, "AttemptFails"),
        (Side::Client, "TCPSynRetrans"),
        (Side::Server, "PassiveOpens"),
        (Side::Server, "ListenOverflows"),
        (Side::Server, "ListenDrops"),
        (Side::Server, "TCPReqQFullDoCookies"),
        (Side::Server, "OutRsts"),
    ],
    fault_shows: words::all_are_lost,
    expectations: &[words::some_come_back, words::faults_are_felt],
    foretell: model::foretell,
    asides: order::asides,
    happened: words::happened,
    advice: |_| {
        "Keep the accept queue shorter than what the server can serve while its clients wait (listen backlog, net.core.somaxconn): a \
         long one is full of clients that have left. Let clients wait at random before their first attempt, too; jitter on \
         retries alone comes too late."
            .to_owned()
    },
    notes: &NOTES,
};

const NOTES: [&str; 6] = [
    "The kernel of a killed server closes its connections, so clients hear of it at once; of a lost host they hear nothing.",
    "SYNs are counted on the wire. While the port is closed, one from a port that the server's host has in TIME-WAIT is answered \
     by an ACK, which costs a reset and a second SYN.",
    "A login costs the server 50 µs of CPU time (serve --hello-cost), and a client waits 100 ms for it: less than an accept queue \
     of 4,096 (net.core.somaxconn) takes. Real logins, and the patience of real clients, are a hundred times as long.",
    "Service is good replies that came while their clients waited, counted from when the requests were due. Shares of clients \
     served go by outages: a client that is served and loses its connection again has two.",
    "Where a share of clients served has no time, fewer were served in one run at least. Times go by intervals of 100 ms.",
    "All clients are one process on one CPU: what immediate retries could do from 10,000 hosts is more than is seen here.",
];

#[cfg(test)]
mod tests;
