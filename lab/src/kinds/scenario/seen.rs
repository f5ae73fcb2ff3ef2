//! What was seen in a run of a timeline: samples over time, close looks, and what each process printed. Data only.

use std::collections::BTreeMap;

use anyhow::Context;
use host::SlabCache;
use serde::{Deserialize, Serialize};

use crate::kinds::scenario::timeline::{Moment, Phase, Role};

/// One moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Since the first connect.
    pub(crate) at_s: f64,
    pub(crate) phase: Phase,
    pub(crate) connections: u64,
    pub(crate) slab_bytes: f64,
    pub(crate) server_bytes: u64,
    pub(crate) generator_bytes: u64,
    pub(crate) host_bytes_free: u64,
    /// Since boot, or since the process began.
    pub(crate) cpu_us: u64,
    pub(crate) server_cpu_us: u64,
    pub(crate) generator_cpu_us: u64,
    pub(crate) orphans: u64,
    pub(crate) time_wait: u64,
    /// Counters of trouble that are not zero.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) troubles: BTreeMap<String, u64>,
}

/// A counter that should stand still began to move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) counter: String,
    /// When it was first seen, since the first connect, and how many connections there were.
    pub(crate) at_s: f64,
    pub(crate) connections: u64,
    /// Its value at the end.
    pub(crate) count: u64,
}

/// A close look at memory. What could not be read is absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    /// None where only root may read them.
    pub(crate) slabs: Vec<SlabCache>,
    pub(crate) host_bytes_free: Option<u64>,
    /// By the page tables of the processes.
    pub(crate) server_bytes: Option<u64>,
    pub(crate) generator_bytes: Option<u64>,
}

/// What a process was and what it printed after it was ready.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) role: Role,
    /// The program first.
    pub(crate) command: Vec<String>,
    pub(crate) text: String,
}

/// One run of a timeline.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Size of the namespace's table of connections, where the run had one of its own.
    pub(crate) ehash_entries: Option<u64>,
    pub(crate) looks: Vec<(Moment, Look)>,
    pub(crate) samples: Vec<Sample>,
    /// When all connections were established, since the watch began.
    pub(crate) held_at_s: Option<f64>,
    /// When the last one was gone.
    pub(crate) gone_at_s: Option<f64>,
    pub(crate) outputs: Vec<Output>,
}

impl Seen {
    /// The close look of a moment, if that came.
    pub(crate) fn look(&self, moment: Moment) -> Option<&Look> {
        self.looks.iter().find(|(known, _)| *known == moment).map(|(_, look)| look)
    }

    /// What a process printed.
    pub(crate) fn output(&self, role: Role) -> Option<&Output> {
        self.outputs.iter().find(|output| output.role == role)
    }

    /// The last line of a process, which has to be there: the account of a server, the record of a generator.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn account(&self, role: Role) -> anyhow::Result<&str> {
        let output = self.output(role).with_context(|| format!("{} was not started", role.word()))?;
        output.text.lines().last().with_context(|| format!("{} printed no account", role.word()))
    }

    /// Each counter that moved, when that was first seen, and how far it came.
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
