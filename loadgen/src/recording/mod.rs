//! What workers count and record while they run. Nothing here sends, waits or judges.

pub(crate) mod arrival_log;
pub(crate) mod causes;
pub(crate) mod meaning;
pub(crate) mod sample;
pub(crate) mod tally;
