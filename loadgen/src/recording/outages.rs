//! How long clients were without service, from the loss of their connection to the next good reply, and how often they
//! tried meanwhile.

use super::recorder::Recorder;

/// The outages whose loss lies in the window.
#[derive(Debug)]
pub(crate) struct Outages {
    pub(crate) all: Recorder,
    /// Those that had not ended when the run did, which are lower bounds; they are in `all` as well.
    pub(crate) missing: Recorder,
    /// Most attempts of a client that was served.
    pub(crate) attempts_max: u64,
}

impl Outages {
    pub(crate) fn new() -> Outages {
        Outages { all: Recorder::new(), missing: Recorder::new(), attempts_max: 0 }
    }

    /// A client was served again.
    pub(crate) fn record(&mut self, outage_ns: u64, attempts: u16) {
        self.all.record(outage_ns);
        self.attempts_max = self.attempts_max.max(u64::from(attempts));
    }

    /// A client was not: its outage would have been longer than this.
    pub(crate) fn record_missing(&mut self, waited_ns: u64) {
        self.all.record(waited_ns);
        self.missing.record(waited_ns);
    }

    pub(crate) fn add(&mut self, other: &Outages) {
        self.all.add(&other.all);
        self.missing.add(&other.missing);
        self.attempts_max = self.attempts_max.max(other.attempts_max);
    }
}
