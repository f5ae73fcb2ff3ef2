//! Limits that are being hit: counters of the kernel that move only when something was refused, dropped or cut short, looked
//! at twice. Each leads to the settings that it is about.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use ::host::kernel::{Config, KernelDelta, Sampler, meaning, tcp_ext};
use serde::Serialize;

use crate::knowledge::Knowledge;

/// Counters that stand still on a host that has enough of everything, by their names in rules.
const OF_LIMITS: [&str; 17] = [
    "TcpExt.ListenOverflows",
    "TcpExt.ListenDrops",
    "TcpExt.TCPReqQFullDoCookies",
    "TcpExt.TCPReqQFullDrop",
    "TcpExt.SyncookiesSent",
    "TcpExt.TCPTimeWaitOverflow",
    "TcpExt.TCPAbortOnMemory",
    "TcpExt.TCPMemoryPressures",
    "TcpExt.PruneCalled",
    "TcpExt.RcvPruned",
    "TcpExt.OfoPruned",
    "TcpExt.TCPRcvQDrop",
    "TcpExt.TCPBacklogDrop",
    "TcpExt.TCPOFODrop",
    "TcpExt.TCPZeroWindowDrop",
    "TcpExt.TCPMigrateReqFailure",
    "softnet.dropped",
];

/// A limit that was hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// The counter, as rules name it.
    pub counter: String,
    /// What one more means.
    pub meaning: String,
    /// How much it grew between the two looks; 0: it was hit earlier.
    pub grown: u64,
    /// Its value since this network namespace, or the host, began; absent: not readable.
    pub total: Option<u64>,
    /// Time between the looks in ms.
    pub within_ms: u64,
    /// Settings that it is about.
    pub settings: Vec<String>,
}

/// What two looks at a host's counters show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Looks {
    grown: BTreeMap<String, u64>,
    totals: BTreeMap<String, u64>,
    within: Duration,
}

impl Looks {
    /// Looks twice, `apart`.
    pub fn take(apart: Duration) -> Looks {
        let mut sampler = Sampler::new(Config::default());
        let before = sampler.sample();
        thread::sleep(apart);
        let delta = sampler.sample().since(&before);
        Looks::of(&delta, tcp_ext(), apart)
    }

    /// Looks that somebody else took: what grew, and the totals of TcpExt.
    pub fn of(delta: &KernelDelta, totals: BTreeMap<String, u64>, within: Duration) -> Looks {
        let mut grown: BTreeMap<String, u64> = BTreeMap::new();
        for name in OF_LIMITS {
            let value = match name {
                "softnet.dropped" => delta.softnet.map(|softnet| softnet.dropped),
                _ => name.strip_prefix("TcpExt.").and_then(|name| delta.counter(name)),
            };
            grown.extend(value.map(|value| (name.to_owned(), value)));
        }
        let totals = totals.into_iter().map(|(name, value)| (format!("TcpExt.{name}"), value)).collect();
        Looks { grown, totals, within }
    }

    /// What was hit between the looks, or ever, the former first.
    pub fn hits(&self, knowledge: &Knowledge) -> Vec<Hit> {
        let hit = |name: &&str| {
            let grown = self.grown.get(*name).copied().unwrap_or(0);
            let total = self.totals.get(*name).copied();
            (grown > 0 || total.is_some_and(|total| total > 0)).then(|| Hit {
                counter: (*name).to_owned(),
                meaning: words(name),
                grown,
                total,
                within_ms: self.within.as_millis() as u64,
                settings: knowledge
                    .rules()
                    .iter()
                    .filter(|rule| rule.counters.iter().any(|counter| counter == name))
                    .map(|rule| rule.name.clone())
                    .collect(),
            })
        };
        let mut hits: Vec<Hit> = OF_LIMITS.iter().filter_map(hit).collect();
        hits.sort_by_key(|hit| std::cmp::Reverse(hit.grown));
        hits
    }
}

fn words(counter: &str) -> String {
    match counter {
        "softnet.dropped" => "a packet was dropped because the queue of its CPU was full".to_owned(),
        _ => counter.strip_prefix("TcpExt.").and_then(meaning).unwrap_or("not known").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_comes_first_and_leads_to_its_settings() {
        let tcp = [("ListenOverflows".to_owned(), 7), ("TW".to_owned(), 900)].into();
        let delta = KernelDelta { tcp, ..KernelDelta::default() };
        let totals =
            [("ListenOverflows".to_owned(), 40), ("TCPTimeWaitOverflow".to_owned(), 3), ("TW".to_owned(), 5000)];
        let looks = Looks::of(&delta, totals.into(), Duration::from_millis(100));
        let hits = looks.hits(Knowledge::embedded());
        let found: Vec<_> = hits.iter().map(|hit| (hit.counter.as_str(), hit.grown, hit.total)).collect();
        assert_eq!(found, [("TcpExt.ListenOverflows", 7, Some(40)), ("TcpExt.TCPTimeWaitOverflow", 0, Some(3))]);
        assert!(hits[0].settings.contains(&"net.core.somaxconn".to_owned()), "{hits:?}");
        assert!(Looks::default().hits(Knowledge::embedded()).is_empty(), "a quiet host");
    }

    #[test]
    fn every_counter_has_a_meaning_and_a_setting() {
        for name in OF_LIMITS {
            assert_ne!(words(name), "not known", "{name}");
            let is_about = |rule: &crate::knowledge::Rule| rule.counters.iter().any(|counter| counter == name);
            assert!(Knowledge::embedded().rules().iter().any(is_about), "no rule is about {name}");
        }
    }
}
