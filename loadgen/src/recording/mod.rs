//! What workers count and record while they run. Nothing here sends, waits or judges.

pub(crate) mod arrival_log;
pub(crate) mod causes;
pub(crate) mod counters;
pub(crate) mod cpu_shares;
pub(crate) mod meaning;
pub(crate) mod outages;
pub(crate) mod recorder;
pub(crate) mod sample;
pub(crate) mod slice;
pub(crate) mod summary;
pub(crate) mod tally;
