//! What can be expected of a step. Each function returns what happened instead, or nothing.

use results::report::count;

use crate::kinds::scenario::watched::record::StepRecord;

/// All connections are established.
pub(crate) fn all_established(step: &StepRecord) -> Option<String> {
    let (established, wanted) = (count(step.established as f64), count(step.connections as f64));
    (step.established < step.connections).then(|| format!("{established} of {wanted} connections were established"))
}

/// Every request gets a good answer in time.
pub(crate) fn all_answered(step: &StepRecord) -> Option<String> {
    let failed = step.heartbeats_failed;
    (failed > 0).then(|| format!("{} heartbeats had no good answer in time", count(failed as f64)))
}

/// Every connection had a heartbeat: the window is one period long and has one of each.
pub(crate) fn all_heard(step: &StepRecord) -> Option<String> {
    let missing = step.connections.saturating_sub(step.heartbeat.count + step.heartbeats_failed);
    (missing > 0).then(|| format!("{} connections never had a heartbeat", count(missing as f64)))
}

/// No connection is left at the end.
pub(crate) fn none_left(step: &StepRecord) -> Option<String> {
    step.close_s.is_none().then(|| "some connections were left at the end".to_owned())
}
