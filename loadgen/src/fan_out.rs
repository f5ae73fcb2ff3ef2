//! Requests that need several replies, as a page does, and second copies of what does not come: fan-out, hedged and tied
//! requests. An open loop of its own with one thread; it shares the schedule, the protocol and the recording with the fleet,
//! whose hot path knows nothing of copies.

mod connections;
mod drive;
mod extra;
mod options;
mod parts;
mod record;
mod tally;

use std::sync::atomic::AtomicBool;

use protocol::client::{HttpClient, HttpRequest};

use crate::LoadError;
use crate::plan::target::Requests;
use crate::prepare;

pub use extra::{After, Extra, Hedge};
pub use options::Options;
pub use record::{PartCounts, Record, RequestCounts};

/// Sends requests and their parts for as long as the options say.
///
/// # Errors
/// What is wrong with the options, what is not permitted, and that not one connection could be established.
pub fn run(options: &Options, stop: &AtomicBool) -> Result<Record, LoadError> {
    options.check()?;
    let plans = options.targets.iter().map(|target| prepare::plan(&options.as_load(target), prepare::resolve, stop));
    let plans = plans.collect::<Result<Vec<_>, _>>()?;
    if let Some(cpu) = options.cpu {
        sys::affinity::pin_to_cpu(cpu as usize).map_err(|error| LoadError::setup("pin the client to --cpu", error))?;
    }
    let mut targets = Vec::new();
    for plan in plans {
        let Requests::Http { host, path, authorization } = &plan.target.requests else {
            return Err(LoadError::Usage(format!("{}: the target must be http://HOST:PORT/PATH", plan.target.shown)));
        };
        let authorization = authorization.iter().map(|secret| ("Authorization".to_owned(), secret.reveal().to_owned()));
        let request = HttpRequest {
            path: path.clone(),
            host: host.clone(),
            headers: authorization.collect(),
            ..HttpRequest::default()
        };
        let client = HttpClient::new(&request, 1).map_err(|bad| LoadError::Usage(bad.to_string()))?;
        targets.push((plan, client));
    }
    drive::drive(options, targets, stop)
}
