//! The plan for a number of connections: every limit in the order in which it is hit, the memory the
//! connections take, and the commands that make room. It judges facts and runs nothing.

mod commands;
mod fit;
mod link;
mod readable;
mod spread;

use serde::Serialize;

use crate::checks;
use crate::checks::subject::{IoUring, Subject};
use ::host::Facts;

pub use crate::checks::spare::MemoryLimit;
pub use crate::host::Host;
pub use crate::predict::{Owner, Part, Prediction, Shape, predict};
pub use crate::request::{Backend, Demand, Request, Side};
pub use crate::slabs::{Basis, Slabs};
pub use fit::Fit;
pub use link::{Link, Verdict};
pub use readable::Unreadable;
pub use spread::{Spread, spread};

use link::Judged;

/// What the requested connections need, whether or not this host has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// Memory of this host's side in bytes.
    pub memory_bytes: u64,
    /// Event loops of the server; `None`: even the most that the server accepts are not enough.
    pub reactors: Option<u64>,
    /// Threads of a load generator on this host; 0 where it is elsewhere.
    pub workers: Option<u64>,
    /// Client addresses; `None`: the clients' ports do not concern this host, as behind a TUN device.
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
    /// Reactors and workers as requested, before any fix.
    pub threads: Threads,
    /// Whether they fit.
    pub fit: Fit,
    /// Why no host can have them; absent if one can.
    pub impossible: Option<String>,
    /// What could not be read. Unless it is empty, all numbers of what fits are upper bounds.
    pub unreadable: Vec<Unreadable>,
    /// What the connections need.
    pub needs: Needs,
    /// Memory in bytes that a new process can have now, with a thirty-second of the whole limit kept free; `None`: not
    /// readable.
    pub memory_bytes_available: Option<u64>,
    /// Which limit leaves no more than that.
    pub memory_limit: Option<MemoryLimit>,
    /// The most connections for which that memory suffices.
    pub memory_fits: Option<u64>,
    /// The most connections that fit now, without any fix; `None`: no limit is known.
    pub fits_now: Option<u64>,
    /// The most that fit once every command was run, limited by walls without a command. `None`: no such
    /// wall.
    pub fits_mended: Option<u64>,
    /// The first limit that keeps the requested number from being open; `None`: it fits now.
    pub first_wall: Option<&'static str>,
    /// Every limit, in the order in which they are hit; those that are never hit come last.
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
    /// Workers of the generator; 0 if it runs elsewhere.
    pub workers: u64,
}

impl Plan {
    /// Plans `request` on a host. Any number of connections can be asked for.
    pub fn new(facts: &Facts, host: &Host, request: Request, io_uring: &IoUring) -> Plan {
        let subject = Subject::new(facts, host, request, io_uring);
        let mut judged: Vec<Judged> = checks::for_plan().filter_map(|check| Judged::new(check, &subject)).collect();
        judged.sort_by_key(|judged| judged.link.hit_at.unwrap_or(u64::MAX));
        let commands = commands::in_order(&subject, &judged);
        let fits_now = judged.iter().filter(|judged| judged.stops).filter_map(|judged| judged.link.hit_at).min();
        let chain: Vec<Link> = judged.into_iter().map(|judged| judged.link).collect();
        let needs = Needs::of(&subject);
        let unreadable = readable::unreadable(&subject, &chain);
        let impossible = fit::impossible(&subject, needs.memory_bytes);
        let spare = subject.spare();
        Plan {
            request,
            threads: Threads { reactors: subject.reactors, workers: subject.workers },
            fit: Fit::of(&chain, &unreadable, impossible.as_deref()),
            impossible,
            unreadable,
            needs,
            memory_bytes_available: spare.map(|spare| spare.bytes),
            memory_limit: spare.map(|spare| spare.limit),
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

/// Walls that no command removes.
fn walls_standing(chain: &[Link]) -> impl Iterator<Item = &Link> {
    chain.iter().filter(|link| link.verdict == Verdict::Wall && link.command.is_none())
}
