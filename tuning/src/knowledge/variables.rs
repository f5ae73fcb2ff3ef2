//! What formulas of rules are computed from: a host, and what somebody wants of it.

use ::host::Facts;
use serde::{Deserialize, Serialize};

/// The values of the variables; `None`: this host does not show it, or it does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Variables {
    /// MemTotal in bytes.
    pub ram: Option<f64>,
    /// Pages that the kernel could give to buffers at boot.
    pub free_pages: Option<f64>,
    /// Bytes of a page.
    pub page: Option<f64>,
    /// CPUs that are online.
    pub cpus: Option<f64>,
    /// CONFIG_HZ.
    pub hz: Option<f64>,
    /// Buckets of the table of established connections.
    pub ehash: Option<f64>,
    /// Connections that are wanted at the same time.
    pub connections: Option<f64>,
    /// New connections a second.
    pub rate: Option<f64>,
    /// The setting's own value, in formulas of its cost.
    pub value: Option<f64>,
}

impl Variables {
    /// The names that formulas may use.
    pub const NAMES: [&str; 9] = ["ram", "free_pages", "page", "cpus", "hz", "ehash", "connections", "rate", "value"];

    /// Those of a host, without a goal.
    pub fn of(facts: &Facts) -> Variables {
        let number = |value: Option<u64>| value.map(|value| value as f64);
        let page = rustix::param::page_size() as f64;
        let ram = number(facts.memory.total_bytes);
        Variables {
            ram,
            free_pages: ram.map(|bytes| bytes / page),
            page: Some(page),
            cpus: number(facts.cpu.online_count),
            hz: number(facts.kernel.build.timer_hz),
            ehash: number(facts.tcp.socket_table.as_ref().map(|table| table.bucket_count)),
            ..Variables::default()
        }
    }

    /// The same with what a goal asks for.
    pub fn with_goal(self, goal: Goal) -> Variables {
        Variables { connections: Some(goal.connections() as f64), rate: Some(goal.rate() as f64), ..self }
    }

    /// The variable `name`.
    pub(super) fn named(&self, name: &str) -> Option<f64> {
        match name {
            "ram" => self.ram,
            "free_pages" => self.free_pages,
            "page" => self.page,
            "cpus" => self.cpus,
            "hz" => self.hz,
            "ehash" => self.ehash,
            "connections" => self.connections,
            "rate" => self.rate,
            "value" => self.value,
            _ => None,
        }
    }
}

/// What somebody wants of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// 10,000 connections, most of them idle.
    C10k,
    /// 1,000,000.
    C1m,
    /// 10,000,000.
    C10m,
    /// Many new connections a second.
    ConnRate,
    /// Short response times, and few long ones.
    Tail,
    /// Much data.
    Throughput,
}

impl Goal {
    /// All, in the order of help and documents.
    pub const ALL: [Goal; 6] = [Goal::C10k, Goal::C1m, Goal::C10m, Goal::ConnRate, Goal::Tail, Goal::Throughput];

    /// Its name on the command line and in rules.
    pub fn name(self) -> &'static str {
        match self {
            Goal::C10k => "c10k",
            Goal::C1m => "c1m",
            Goal::C10m => "c10m",
            Goal::ConnRate => "conn-rate",
            Goal::Tail => "tail",
            Goal::Throughput => "throughput",
        }
    }

    /// The goal of a name.
    pub fn named(name: &str) -> Option<Goal> {
        Goal::ALL.into_iter().find(|goal| goal.name() == name)
    }

    /// Connections open at the same time.
    pub fn connections(self) -> u64 {
        match self {
            Goal::C10k | Goal::ConnRate | Goal::Tail => 10_000,
            Goal::C1m => 1_000_000,
            Goal::C10m => 10_000_000,
            Goal::Throughput => 1_000,
        }
    }

    /// New connections a second that it must cope with. For the first three a hundredth of all, so that all come back
    /// within two minutes of a restart; at most what one core was seen to open (96,000 a second, 2026-11).
    pub fn rate(self) -> u64 {
        match self {
            Goal::C10k => 1_000,
            Goal::C1m => 10_000,
            Goal::C10m | Goal::ConnRate => 100_000,
            Goal::Tail | Goal::Throughput => 1_000,
        }
    }
}

/// Whose settings they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Whoever accepts connections.
    Server,
    /// Whoever opens them.
    Client,
    /// Of a recommendation: either.
    Both,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for goal in Goal::ALL {
            assert_eq!(Goal::named(goal.name()), Some(goal));
            assert_eq!(serde_json::to_value(goal).unwrap(), goal.name());
        }
        let all = Variables { ram: Some(1.0), ..Variables::default() };
        assert_eq!((all.named("ram"), all.named("cpus"), all.named("rams")), (Some(1.0), None, None));
    }
}
