//! What a run of a timeline showed: samples over time, close looks, and what each process printed. Data only.

use std::collections::BTreeMap;

use anyhow::Context;
use host::SlabCache;
use host::kernel::KernelDelta;
use serde::{Deserialize, Serialize};

use crate::kinds::scenario::timeline::{Moment, Phase, Role};
use crate::session::side::Side;

/// One sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Seconds since the first connect.
    pub(crate) at_s: f64,
    pub(crate) phase: Phase,
    pub(crate) connections: u64,
    pub(crate) slab_bytes: f64,
    pub(crate) server_bytes: u64,
    pub(crate) generator_bytes: u64,
    pub(crate) host_bytes_free: u64,
    /// Time since boot in which the CPUs were not idle, and CPU time of each process since it began.
    pub(crate) cpu_us: u64,
    pub(crate) server_cpu_us: u64,
    pub(crate) generator_cpu_us: u64,
    pub(crate) orphans: u64,
    pub(crate) time_wait: u64,
    /// Counters of trouble that are not zero.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) troubles: BTreeMap<String, u64>,
}

/// A counter that should stay still has moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) counter: String,
    /// When the move was first seen, in seconds since the first connect, and how many connections there were.
    pub(crate) at_s: f64,
    pub(crate) connections: u64,
    /// Value of the counter at the end.
    pub(crate) count: u64,
}

/// A close look at memory. What could not be read is absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    /// Empty when only root may read them.
    pub(crate) slabs: Vec<SlabCache>,
    pub(crate) host_bytes_free: Option<u64>,
    /// Memory according to the page tables of the processes.
    pub(crate) server_bytes: Option<u64>,
    pub(crate) generator_bytes: Option<u64>,
}

/// What the kernel counted on two joined hosts since the observation before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Observation {
    /// CLOCK_MONOTONIC at its end.
    pub(crate) at_ns: u64,
    pub(crate) server: KernelDelta,
    pub(crate) client: KernelDelta,
    /// Connections in the longest accept queue of the server's host at its end; absent when nobody listens there.
    pub(crate) accept_queue: Option<u32>,
}

impl Observation {
    pub(crate) fn of(&self, side: Side) -> &KernelDelta {
        match side {
            Side::Server => &self.server,
            Side::Client => &self.client,
        }
    }
}

/// A process, and what it printed after it was ready.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) role: Role,
    /// The command, program first.
    pub(crate) command: Vec<String>,
    pub(crate) text: String,
}

/// What one run of a timeline showed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Size of the namespace's connection table, if the run had its own namespace.
    pub(crate) ehash_entries: Option<u64>,
    pub(crate) looks: Vec<(Moment, Look)>,
    pub(crate) samples: Vec<Sample>,
    /// When all connections were established, in seconds since the watch began.
    pub(crate) held_at_s: Option<f64>,
    /// When the last connection was gone.
    pub(crate) gone_at_s: Option<f64>,
    pub(crate) outputs: Vec<Output>,
    /// Moments that the timeline marked, by CLOCK_MONOTONIC in ns.
    pub(crate) marks: Vec<(&'static str, u64)>,
    /// CPU time of the server up to these moments, in ns.
    pub(crate) server_run_ns: Vec<(&'static str, u64)>,
    pub(crate) observations: Vec<Observation>,
}

impl Seen {
    /// The close look at a moment, if the run reached that moment.
    pub(crate) fn look(&self, moment: Moment) -> Option<&Look> {
        self.looks.iter().find(|(known, _)| *known == moment).map(|(_, look)| look)
    }

    /// What the process printed that was started last in a role.
    pub(crate) fn output(&self, role: Role) -> Option<&Output> {
        self.outputs.iter().rfind(|output| output.role == role)
    }

    /// How much a counter of a host grew while it was observed. Absent when this kernel does not have it.
    pub(crate) fn counted(&self, side: Side, counter: &str) -> Option<u64> {
        let grown = self.observations.iter().map(|observation| observation.of(side).counter(counter));
        grown.sum::<Option<u64>>().filter(|_| !self.observations.is_empty())
    }

    /// The last line of a process: the account of a server, or the record of a generator.
    ///
    /// # Errors
    /// When there is no such line.
    pub(crate) fn account(&self, role: Role) -> anyhow::Result<&str> {
        let output = self.output(role).with_context(|| format!("{} was not started", role.word()))?;
        output.text.lines().last().with_context(|| format!("{} printed no account", role.word()))
    }

    /// Each counter that moved, when this was first seen, and its value at the end.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        let mut troubles: Vec<Trouble> = Vec::new();
        for sample in &self.samples {
            for (counter, count) in &sample.troubles {
                match troubles.iter_mut().find(|trouble| trouble.counter == *counter) {
                    Some(trouble) => trouble.count = *count,
                    None => troubles.push(Trouble {
                        counter: counter.clone(),
                        at_s: sample.at_s,
                        connections: sample.connections,
                        count: *count,
                    }),
                }
            }
        }
        troubles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_keep_their_order() {
        let sample = |at_s: f64, troubles: &[(&str, u64)]| Sample {
            at_s,
            phase: Phase::Opening,
            connections: (at_s * 10.0) as u64,
            slab_bytes: 0.0,
            server_bytes: 0,
            generator_bytes: 0,
            host_bytes_free: 0,
            cpu_us: 0,
            server_cpu_us: 0,
            generator_cpu_us: 0,
            orphans: 0,
            time_wait: 0,
            troubles: troubles.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        };
        let samples = vec![sample(1.0, &[]), sample(2.0, &[("b", 1)]), sample(3.0, &[("a", 4), ("b", 9)])];
        let troubles = Seen { samples, ..Seen::default() }.troubles();
        let found: Vec<(&str, f64, u64, u64)> = troubles
            .iter()
            .map(|trouble| (trouble.counter.as_str(), trouble.at_s, trouble.connections, trouble.count))
            .collect();
        assert_eq!(found, [("b", 2.0, 20, 9), ("a", 3.0, 30, 4)]);
    }
}
