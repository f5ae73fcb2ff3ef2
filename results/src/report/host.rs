//! What a reader must know about the host to believe a figure, from the facts in the record.

use serde_json::Value;

use super::table::Table;
use crate::figures::count;

/// A fact: its name, and its JSON pointer.
const FACTS: [(&str, &str); 17] = [
    ("kernel", "/kernel/release"),
    ("processor", "/cpu/model"),
    ("processors online", "/cpu/online_count"),
    ("frequency governor", "/cpu/governor"),
    ("clock source", "/kernel/clocksource"),
    ("io_uring disabled", "/kernel/io_uring_disabled"),
    ("memory, bytes", "/memory/total_bytes"),
    ("congestion control", "/tcp/congestion_control"),
    ("default queueing discipline", "/network/default_qdisc"),
    ("tcp_rmem, bytes", "/tcp/rmem_bytes"),
    ("tcp_wmem, bytes", "/tcp/wmem_bytes"),
    ("port range", "/network/port_range"),
    ("somaxconn", "/network/somaxconn"),
    ("descriptors per process, soft and hard", "/files/limit"),
    ("connection tracking, tables in use", "/conntrack/iptables_tables"),
    ("pressure on CPUs before, %", "/pressure/cpu_percent"),
    ("pressure on memory before, %", "/pressure/memory_percent"),
];

/// The table of the host. A fact that the record lacks is `unknown`, which differs from absent.
pub fn host_table(host: &Value) -> Table {
    let mut rows: Vec<Vec<String>> =
        FACTS.iter().map(|(name, pointer)| vec![(*name).to_owned(), words(host.pointer(pointer))]).collect();
    rows.push(vec!["mitigations in force".to_owned(), mitigations(host)]);
    Table::new("The host".to_owned(), &["fact", "value"], rows)
}

/// One fact for a sentence, by its JSON pointer. `unknown` if there is none.
pub fn fact(host: &Value, pointer: &str) -> String {
    words(host.pointer(pointer))
}

fn words(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "unknown".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if items.is_empty() => "none".to_owned(),
        Some(Value::Array(items)) => items.iter().map(|item| words(Some(item))).collect::<Vec<_>>().join(", "),
        Some(Value::Object(entries)) => {
            entries.iter().map(|(name, value)| format!("{name} {}", words(Some(value)))).collect::<Vec<_>>().join(", ")
        }
        Some(Value::Number(number)) => match number.as_u64() {
            Some(whole) if whole >= 10_000 => count(whole as f64),
            _ => number.to_string(),
        },
        Some(other) => other.to_string(),
    }
}

/// The mitigations that cost something on this host. The kernel also names many that do not affect its processor.
fn mitigations(host: &Value) -> String {
    let Some(Value::Object(all)) = host.pointer("/kernel/mitigations") else { return "unknown".to_owned() };
    let active = all.iter().filter_map(|(name, state)| Some((name, state.as_str()?)));
    let active: Vec<String> =
        active.filter(|(_, state)| *state != "Not affected").map(|(name, state)| format!("{name} ({state})")).collect();
    if active.is_empty() { "none".to_owned() } else { active.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn facts_are_words() {
        let host = json!({
            "kernel": {"release": "6.18", "mitigations": {"mds": "Not affected", "retbleed": "IBRS"}},
            "tcp": {"rmem_bytes": [4096, 131_072]},
            "cpu": {"governor": null},
            "files": {"limit": {"soft": 20_000, "hard": 20_000}},
            "conntrack": {"iptables_tables": []},
        });
        let table = host_table(&host);
        let of = |name: &str| table.rows.iter().find(|row| row[0] == name).map(|row| row[1].as_str());
        for (name, expected) in [
            ("kernel", "6.18"),
            ("mitigations in force", "retbleed (IBRS)"),
            ("tcp_rmem, bytes", "4096, 131,072"),
            ("frequency governor", "unknown"),
            ("descriptors per process, soft and hard", "hard 20,000, soft 20,000"),
            ("connection tracking, tables in use", "none"),
            ("processor", "unknown"),
        ] {
            assert_eq!(of(name), Some(expected), "{name}");
        }
        assert_eq!(host_table(&Value::Null).rows.len(), table.rows.len());
    }
}
