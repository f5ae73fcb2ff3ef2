//! A reconnect storm without sockets: the load generator's own policies, between a host of clients and a server that are a
//! queue each. What it leaves out is what it is for: if it foretells what was measured, that is what matters.
//!
//! Clients notice their loss one after another, before anything else is done; that and each attempt take CPU time of their host,
//! so attempts may begin late. While the server is away an attempt is refused at once, but not always by its first SYN: the
//! lost connections are in TIME-WAIT at the server's host, and if the attempt's source port is that of one of them, that one
//! answers with an ACK, which the client resets and after two ticks of the clock follows with a second SYN
//! (tcp_rcv_synsent_state_process, net/ipv4/tcp_input.c). The reset ends the TIME-WAIT (RFC 1337 calls that its assassination).
//! Once the server is back, an attempt takes a place in the accept queue; where there is none, its SYN is dropped and sent again
//! after 1, 3, 7 s (TCP_TIMEOUT_INIT, include/net/tcp.h). The server works the queue off in order and does not know who has given
//! up. Clients that are served again take their share of it as before.

mod course;
mod world;

pub(crate) use course::{Course, Storm};

use world::World;

/// Each simulated client stands for as many as it takes to have no more than this, which are simulated in seconds.
const SIMULATED_MAX: u64 = 100_000;

/// Simulates a storm. The same storm always takes the same course.
pub(crate) fn simulate(storm: &Storm) -> Course {
    // Fewer clients with costs, places and bins to match: what is in proportion takes the same course.
    let weight = storm.clients.div_ceil(SIMULATED_MAX).max(1);
    let scaled = Storm {
        clients: storm.clients / weight,
        notice_ns: storm.notice_ns * weight as f64,
        attempt_ns: storm.attempt_ns * weight as f64,
        welcome_ns: storm.welcome_ns * weight as f64,
        login_ns: storm.login_ns * weight as f64,
        places: (storm.places / weight).max(1),
        ports: (storm.ports / weight).max(1),
        ..*storm
    };
    let course = World::new(scaled).run();
    Course { syns_per_s_max: course.syns_per_s_max * weight as f64, ..course }
}

#[cfg(test)]
mod tests;
