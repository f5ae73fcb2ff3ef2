//! The plan for a number of connections: every limit on the way in the order in which it is hit, the
//! memory it takes, and the commands that make room. It judges facts and runs nothing.

mod commands;
mod fit;
mod link;
mod readable;

use serde::Serialize;

use crate::rules;
use crate::rules::subject::{IoUring, Subject};
use ::host::Facts;

pub use crate::host::Host;
pub use crate::predict::{Owner, Part, Prediction, Shape, predict};
pub use crate::request::{Backend, Request, Side};
pub use crate::rules::subject::fewest_reactors;
pub use crate::slabs::{Basis, Slabs};
pub use fit::Fit;
pub use link::{Link, Verdict};
pub use readable::Unreadable;

use link::Judged;

/// What the wanted connections need, whether or not this host has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// Memory of this host's side in bytes.
    pub memory_bytes: u64,
    /// Event loops of the server; `None`: no number of them that the server accepts is enough.
    pub reactors: Option<u64>,
    /// Threads of a load generator on this host; 0 where it is elsewhere.
    pub workers: Option<u64>,
    /// Client addresses; `None`: the clients' ports are their own affair, as behind a TUN device.
    pub addresses: Option<u64>,
}

impl Needs {
    fn of(subject: &Subject<'_>) -> Needs {
        Needs {
            memory_bytes: subject.memory_needed(subject.connections),
            reactors: subject.reactors_planned(),
            workers: subject.workers_planned(),
            addresses: subject.addresses(),
        }
    }
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What was asked.
    pub request: Request,
    /// Reactors and workers of the programs as the request has them, before anything is mended.
    pub threads: Threads,
    /// Whether they fit.
    pub fit: Fit,
    /// Why no host can have them; absent where one can.
    pub impossible: Option<String>,
    /// What could not be read. Unless it is empty, all numbers that fit are upper bounds.
    pub unreadable: Vec<Unreadable>,
    /// What the connections need.
    pub needs: Needs,
    /// Memory a new process can have now in bytes, a thirty-second kept free; `None`: not readable.
    pub memory_bytes_available: Option<u64>,
    /// The most connections for which that memory suffices.
    pub memory_fits: Option<u64>,
    /// The most connections that fit as things stand, with nothing mended; `None`: no limit is known.
    pub fits_now: Option<u64>,
    /// The most once every command was run: what a wall without a command leaves. `None`: no such wall.
    pub fits_mended: Option<u64>,
    /// The first limit that keeps the wanted number from being open; `None`: it fits as things are.
    pub first_wall: Option<&'static str>,
    /// Every limit, in the order in which they are hit; those that never are come last.
    pub chain: Vec<Link>,
    /// The memory in its parts.
    pub prediction: Prediction,
    /// What to run, in this order. A line that begins with # is for people.
    pub commands: Vec<String>,
}

/// Threads of both programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Threads {
    /// Event loops of the server.
    pub reactors: u64,
    /// Workers of the generator; 0 where it is elsewhere.
    pub workers: u64,
}

impl Plan {
    /// Plans `request` on a host. Any number of connections can be asked for.
    pub fn new(facts: &Facts, host: &Host, request: Request, io_uring: &IoUring) -> Plan {
        let subject = Subject::new(facts, host, request, io_uring);
        let mut judged: Vec<Judged> = rules::for_plan().filter_map(|rule| Judged::new(rule, &subject)).collect();
        judged.sort_by_key(|judged| judged.link.hit_at.unwrap_or(u64::MAX));
        let commands = commands::in_order(&subject, &judged);
        let fits_now = judged.iter().filter(|judged| judged.stops).filter_map(|judged| judged.link.hit_at).min();
        let chain: Vec<Link> = judged.into_iter().map(|judged| judged.link).collect();
        let needs = Needs::of(&subject);
        let unreadable = readable::unreadable(&subject, &chain);
        let impossible = fit::impossible(&subject, needs.memory_bytes);
        Plan {
            request,
            threads: Threads { reactors: subject.reactors, workers: subject.workers },
            fit: Fit::of(&chain, &unreadable, impossible.as_deref()),
            impossible,
            unreadable,
            needs,
            memory_bytes_available: subject.memory_available(),
            memory_fits: subject.memory_fits(),
            fits_now,
            fits_mended: walls_standing(&chain).filter_map(|link| link.hit_at).min(),
            first_wall: chain.iter().find(|link| link.verdict == Verdict::Wall).map(|link| link.id),
            prediction: predict(&subject.planned_shape(request.connections), &host.slabs),
            chain,
            commands,
        }
    }
}

/// Walls that no command moves.
fn walls_standing(chain: &[Link]) -> impl Iterator<Item = &Link> {
    chain.iter().filter(|link| link.verdict == Verdict::Wall && link.command.is_none())
}
