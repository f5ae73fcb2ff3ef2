//! Over how many reactors and workers the connections of any server are spread, or which check refuses them.

use ::host::Facts;

use crate::checks;
use crate::checks::check::{Check, Finding, Kind, Limit, Turn};
use crate::checks::subject::Subject;
use crate::host::Host;
use crate::number::{bytes, thousands};
use crate::request::Demand;

/// The fewest of both that hold the connections while the limits stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// Reactors or workers of the server.
    pub reactors: u64,
    /// Workers of the load generator.
    pub workers: u64,
}

/// Spreads the connections of `demand` over a host.
///
/// # Errors
/// What they need, what is in the way, and the command that moves it.
pub fn spread(facts: &Facts, host: &Host, demand: Demand) -> Result<Spread, String> {
    let subject = Subject::of_demand(facts, host, demand);
    let mut hit: Vec<(&Check, &Limit, Finding)> = checks::for_spread()
        .filter_map(|check| match &check.kind {
            Kind::Limit(limit) => Some((check, limit, (limit.judge)(&subject)?)),
            Kind::Setting(_) => None,
        })
        .filter(|(.., finding)| finding.is_hit(demand.connections))
        .collect();
    // The flags are chosen already, as good as they can be, so a limit that only flags move is not the answer.
    hit.sort_by_key(|(.., finding)| finding.mend.as_ref().is_some_and(|mend| mend.turn == Turn::Flag));
    match hit.first() {
        None => Ok(Spread { reactors: subject.reactors, workers: subject.workers }),
        Some((check, limit, finding)) => Err(refusal(check, limit, finding)),
    }
}

fn refusal(check: &Check, limit: &Limit, finding: &Finding) -> String {
    let amount = |number| match limit.unit {
        "bytes" => bytes(number),
        unit => format!("{} {unit}", thousands(number)),
    };
    let measure = finding.measure.as_ref();
    let needed = measure.and_then(|measure| measure.need).map_or_else(|| format!("more {}", limit.unit), amount);
    let mend = finding.mend.as_ref().map(|mend| mend.command.as_str()).or(finding.way_out);
    let mend = mend.unwrap_or("use a larger host, or fewer connections");
    format!("needs {needed}, and {} is {} ({}): {mend}", check.id, finding.found, finding.meaning)
}
