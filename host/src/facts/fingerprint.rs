//! Decides whether measurements of two hosts are comparable, from the facts that their records carry. Pure functions
//! over JSON, because one of the two records may come from another version of this program. They read no host.

use serde::Serialize;
use serde_json::{Map, Value};

/// A fact that decides whether the figures of two hosts are comparable.
#[derive(Debug, Clone, Copy)]
pub struct DecidingFact {
    /// Place of the fact, as a JSON pointer (RFC 6901).
    pub pointer: &'static str,
    /// Name of the fact, in words.
    pub title: &'static str,
    /// How two values are compared.
    sameness: Sameness,
}

/// When two values count as the same.
#[derive(Debug, Clone, Copy)]
enum Sameness {
    /// Equal.
    Equal,
    /// Numbers that differ by less than an eighth of the larger one: hosts with the same memory differ in what
    /// firmware and kernel reserve.
    SizeClass,
    /// Lists of objects in which these fields are equal.
    Fields(&'static [&'static str]),
}

/// A fact in which two hosts are not known to be the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Place of the fact, as a JSON pointer.
    pub pointer: &'static str,
    /// Name of the fact, in words.
    pub title: &'static str,
    /// Whether the hosts differ, or one record lacks the fact.
    pub certainty: Certainty,
    /// The value of the first host. Also null if its record lacks the fact.
    pub one: Value,
    /// The value of the second host.
    pub other: Value,
}

/// How certain a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// Both records have the fact, with different values.
    Differs,
    /// One record is older than this fact, so it is not known.
    Unknown,
}

/// The facts that decide. Those that usually matter most come first.
pub const DECIDING_FACTS: &[DecidingFact] = &[
    equal("/kernel/machine", "architecture"),
    equal("/cpu/model", "processor"),
    equal("/cpu/family_model_stepping", "processor design"),
    equal("/cpu/microcode", "microcode"),
    equal("/cpu/flags", "processor features"),
    equal("/cpu/online_count", "processors"),
    equal("/cpu/core_count", "cores"),
    equal("/cpu/socket_count", "sockets"),
    fields("/cpu/caches", "caches", &["level", "kind", "size_bytes", "shared_by"]),
    equal("/cpu/virtual_machine", "virtual machine"),
    equal("/cpu/hypervisor", "hypervisor"),
    equal("/cpu/governor", "frequency governor"),
    equal("/cpu/frequency/driver", "frequency driver"),
    equal("/cpu/frequency/khz_max", "highest frequency"),
    equal("/cpu/frequency/boost", "boost"),
    fields("/cpu/idle/states", "idle states", &["name", "disabled"]),
    equal("/kernel/release", "kernel release"),
    equal("/kernel/version", "kernel build"),
    equal("/kernel/build/timer_hz", "timer frequency"),
    equal("/kernel/command_line", "boot options"),
    equal("/kernel/mitigations", "mitigations"),
    equal("/kernel/clocksource", "clock"),
    DecidingFact { pointer: "/memory/total_bytes", title: "memory", sameness: Sameness::SizeClass },
    equal("/memory/numa_node_count", "NUMA nodes"),
    equal("/memory/transparent_huge_pages", "transparent huge pages"),
    equal("/tcp/congestion_control", "congestion control"),
    equal("/tcp/socket_table/bucket_count", "hash buckets of connections"),
    equal("/network/default_qdisc", "default queueing discipline"),
    equal("/network/loopback_qdisc", "queueing discipline of loopback"),
    equal("/network/loopback_mtu_bytes", "largest packet on loopback"),
    equal("/network/loopback_receive_cpus", "RPS on loopback"),
    equal("/conntrack/iptables_tables", "iptables tables"),
    fields("/sysctls/differing", "changed sysctls", &["name", "value"]),
    equal("/process/seccomp", "seccomp"),
    equal("/container/cgroup/cpu_millis", "processor limit of the control group"),
    equal("/container/cgroup/memory_bytes", "memory limit of the control group"),
    equal("/versions/rustc", "compiler"),
    equal("/versions/libc", "C library"),
    equal("/versions/target", "target of the build"),
];

const fn equal(pointer: &'static str, title: &'static str) -> DecidingFact {
    DecidingFact { pointer, title, sameness: Sameness::Equal }
}

const fn fields(pointer: &'static str, title: &'static str, names: &'static [&'static str]) -> DecidingFact {
    DecidingFact { pointer, title, sameness: Sameness::Fields(names) }
}

/// The facts in which two hosts are not known to be the same, in the order of [`DECIDING_FACTS`]. Empty if their
/// figures are comparable. Both arguments are the facts that a record has under `host`. A fact that neither record has
/// is ignored.
pub fn differences(one: &Value, other: &Value) -> Vec<Difference> {
    DECIDING_FACTS.iter().filter_map(|fact| fact.difference(one, other)).collect()
}

impl DecidingFact {
    fn difference(&self, one: &Value, other: &Value) -> Option<Difference> {
        let (one, other) = (one.pointer(self.pointer), other.pointer(self.pointer));
        let certainty = match (one, other) {
            (None, None) => return None,
            (Some(one), Some(other)) if self.sameness.holds(one, other) => return None,
            (Some(_), Some(_)) => Certainty::Differs,
            (None, Some(_)) | (Some(_), None) => Certainty::Unknown,
        };
        let value = |found: Option<&Value>| found.map_or(Value::Null, |value| self.sameness.compared(value));
        Some(Difference { pointer: self.pointer, title: self.title, certainty, one: value(one), other: value(other) })
    }
}

impl Sameness {
    fn holds(self, one: &Value, other: &Value) -> bool {
        match (self, one.as_f64(), other.as_f64()) {
            (Sameness::SizeClass, Some(one), Some(other)) => (one - other).abs() * 8.0 < one.max(other),
            _ => self.compared(one) == self.compared(other),
        }
    }

    /// The part of a value to compare.
    fn compared(self, value: &Value) -> Value {
        let (Sameness::Fields(names), Value::Array(entries)) = (self, value) else {
            return value.clone();
        };
        let part = |entry: &Value| {
            let fields = names.iter().filter_map(|name| Some(((*name).to_owned(), entry.get(name)?.clone())));
            Value::Object(fields.collect::<Map<_, _>>())
        };
        Value::Array(entries.iter().map(part).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn host() -> Value {
        json!({
            "kernel": {"release": "6.18.0", "mitigations": {"l1tf": "Not affected"}},
            "cpu": {"model": "Some CPU", "governor": null},
            "memory": {"total_bytes": 16_000_000_000_u64},
            "sysctls": {"differing": [{"name": "vm.swappiness", "value": "10", "default": "60"}]},
            "load": {"uptime_s": 5.0},
        })
    }

    #[test]
    fn a_host_is_like_itself() {
        assert_eq!(differences(&host(), &host()), []);
        assert_eq!(differences(&Value::Null, &Value::Null), []);
    }

    #[test]
    fn each_fact_decides_by_its_own_rule() {
        for (pointer, value, expected) in [
            ("/kernel/release", json!("6.18.1"), Some(Certainty::Differs)),
            ("/kernel/mitigations", json!({"l1tf": "Vulnerable"}), Some(Certainty::Differs)),
            ("/cpu/governor", json!("performance"), Some(Certainty::Differs)), // null is an answer
            ("/memory/total_bytes", json!(15_000_000_000_u64), None),
            ("/memory/total_bytes", json!(13_000_000_000_u64), Some(Certainty::Differs)),
            ("/memory/total_bytes", json!(null), Some(Certainty::Differs)),
            ("/sysctls/differing", json!([{"name": "vm.swappiness", "value": "10", "default": "1"}]), None),
            ("/sysctls/differing", json!([]), Some(Certainty::Differs)),
            ("/load/uptime_s", json!(6.0), None),
        ] {
            let mut other = host();
            *other.pointer_mut(pointer).unwrap() = value;
            let found: Vec<_> = differences(&host(), &other).iter().map(|d| (d.pointer, d.certainty)).collect();
            let expected: Vec<_> = expected.map(|certainty| (pointer, certainty)).into_iter().collect();
            assert_eq!(found, expected, "{pointer}");
        }
    }

    #[test]
    fn what_an_older_record_lacks_is_unknown() {
        let mut older = host();
        older.as_object_mut().unwrap().remove("sysctls");
        let found = differences(&older, &host());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].certainty, found[0].one.clone()), (Certainty::Unknown, Value::Null));
        // The difference shows exactly what was compared.
        assert_eq!(found[0].other, json!([{"name": "vm.swappiness", "value": "10"}]));
    }
}
