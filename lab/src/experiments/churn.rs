//! `bench churn`: what a connection costs that carries a single request: connect, accept, request, reply, close.

use protocol::Workload;
use results::record::Metric;
use server::{Balance, Variant};

use crate::experiments::decision::{QUICK, against, minutes};
use crate::kinds::comparison::plan::{Arm, Comparison, Length, Scope};
use crate::session::request::Profile;
use crate::subjects::load::Load;
use crate::subjects::servers::kind::Kind;

const NOTE_RPS: &str = "A request is a connection here: rps are connects a second, and CPU per request is that of connect, \
                        request and close.";
const NOTE_CLOSE: &str = "The client closes first, in order, so each connection ends in TIME-WAIT; the servers of a block have a \
                          network namespace for each load, which they go with.";
const NOTE_CONNECTIONS: &str = "With 64 connections at a time the client is the limit for most servers, at some 21,000 a second on one \
                                CPU: more of them would only wait there, and the server would see no difference.";
const NOTE_SOFTIRQ: &str = "Over loopback the kernel handles the handshake of both sides on the CPU of whoever sends: most \
                            of the server's share of a connect is in the client's CPU time.";
const NOTE_BALANCE: &str = "The arms with 4 reactors differ only in who chooses among them: the kernel's hash, the CPU \
                            that handles the SYN (classic BPF; over loopback that is the client's CPU, so one reactor \
                            takes all), or each in turn (eBPF). How evenly that turned out is a table of its own.";

pub(super) fn experiment() -> Comparison {
    Comparison {
        name: "churn",
        question: "What does a connection cost that carries a single request, and who accepts it cheapest?",
        explanation: "Clients that do not keep connections: health checks, old proxies, a storm of reconnects. Each \
                      connection is opened, carries one request and is closed in order. The variants of this project, \
                      nginx and haproxy do the same on one CPU; four reactors under three ways of sharing connections \
                      out show what the choice costs and how even it is.",
        metric: Metric::ServerRun,
        decision: against("epoll level", 0.02),
        is_hidden: false,
        scopes: vec![scope(Profile::Quick, QUICK), scope(Profile::Full, minutes(30))],
    }
}

fn scope(profile: Profile, length: Length) -> Scope {
    let own =
        [Variant::EpollLevel, Variant::EpollEdge, Variant::MioEdge, Variant::UringMultishot, Variant::UringInline];
    let balances = [Balance::Hash, Balance::Cpu, Balance::RoundRobin].map(Kind::Balanced);
    let servers = own.map(Kind::C10m).into_iter().chain([Kind::Nginx, Kind::Haproxy]).chain(balances);
    Scope {
        profile,
        arms: servers.map(Arm::server).collect(),
        loads: vec![Load::churn(Workload::Http, 64), Load::churn(Workload::Echo, 64)],
        length,
        // With --apart each start makes a network namespace, which takes as long as a short window.
        seconds: 0.5,
        notes: vec![NOTE_RPS, NOTE_CONNECTIONS, NOTE_CLOSE, NOTE_SOFTIRQ, NOTE_BALANCE],
    }
}
