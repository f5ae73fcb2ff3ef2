//! What a load asks of a server, and which generator makes it. Starts nothing.

use protocol::Workload;
use results::report::count;

/// The load generators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generator {
    C10m,
    C10mUring,
    Wrk,
}

impl Generator {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Generator::C10m => "c10m load, epoll",
            Generator::C10mUring => "c10m load, io_uring",
            Generator::Wrk => "wrk",
        }
    }
}

/// What every arm goes through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    pub(crate) workload: Workload,
    pub(crate) connections: u32,
    /// Requests per second. `None` is a closed loop.
    pub(crate) rate: Option<f64>,
    pub(crate) pipeline: u32,
    /// Requests after which the client closes a connection and opens another. 0 keeps the connection.
    pub(crate) requests_per_connection: u32,
}

impl Load {
    pub(crate) fn closed(workload: Workload, connections: u32) -> Load {
        Load { workload, connections, rate: None, pipeline: 1, requests_per_connection: 0 }
    }

    pub(crate) fn open(workload: Workload, connections: u32, rate: f64) -> Load {
        Load { rate: Some(rate), ..Load::closed(workload, connections) }
    }

    pub(crate) fn pipelined(workload: Workload, connections: u32, pipeline: u32) -> Load {
        Load { pipeline, ..Load::closed(workload, connections) }
    }

    /// A closed loop in which each connection ends in order after one request.
    pub(crate) fn churn(workload: Workload, connections: u32) -> Load {
        Load { requests_per_connection: 1, ..Load::closed(workload, connections) }
    }

    /// Whether connections come and go. They leave thousands of TIME-WAITs, so they get a network namespace, with which
    /// these disappear.
    pub(crate) fn is_churn(&self) -> bool {
        self.requests_per_connection > 0
    }

    /// A name for files.
    pub(crate) fn slug(&self) -> String {
        let mode = self.rate.map_or("closed".to_owned(), |rate| format!("rate{rate}"));
        let churn = if self.is_churn() { format!("-n{}", self.requests_per_connection) } else { String::new() };
        format!("{}-c{}-{mode}-p{}{churn}", self.workload.name(), self.connections, self.pipeline)
    }

    /// A name for people.
    pub(crate) fn words(&self) -> String {
        let mode = self.rate.map_or("closed".to_owned(), |rate| format!("at {}/s", count(rate)));
        let pipeline = if self.pipeline > 1 { format!(" pipelined {}", self.pipeline) } else { String::new() };
        let churn = if self.is_churn() { ", a connection each" } else { "" };
        format!("{} × {} {mode}{pipeline}{churn}", self.workload.name(), count(f64::from(self.connections)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_have_names_for_files_and_for_people() {
        for (load, slug, words) in [
            (Load::closed(Workload::Echo, 64), "echo-c64-closed-p1", "echo × 64 closed"),
            (Load::open(Workload::Http, 1000, 20_000.0), "http-c1000-rate20000-p1", "http × 1,000 at 20,000/s"),
            (Load::pipelined(Workload::Http, 64, 16), "http-c64-closed-p16", "http × 64 closed pipelined 16"),
            (Load::churn(Workload::Http, 64), "http-c64-closed-p1-n1", "http × 64 closed, a connection each"),
        ] {
            assert_eq!((load.slug().as_str(), load.words().as_str()), (slug, words));
        }
    }
}
