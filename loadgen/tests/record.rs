//! The record as a document: reading returns what was written, and fields that are always written are
//! required.

use loadgen::null_server::{Config, NullServer, Speech};
use loadgen::record::{
    Check, Interval, IntervalReconnects, Queue, Reconnects, SloClause, SloOutcome, TargetAddress, Watched,
};
use loadgen::slo::Slo;
use loadgen::{Options, Record, WarmUp};
use serde_json::Value;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

#[test]
fn what_is_written_is_what_is_read() {
    let speech = Speech::Echo { message_len: 64 };
    let config = Config { speech, listen: ([127, 0, 0, 1], 0).into(), cpu: None, stall: None, late: None };
    let mut server = NullServer::start(config).unwrap();
    for rate in [None, Some(2000.0)] {
        let options = Options {
            target: server.target(speech),
            rate,
            duration: Duration::from_millis(100),
            warmup: WarmUp::Fixed(Duration::ZERO),
            slo: Some(Slo::parse("p50<1s").unwrap()),
            watch_pid: Some(std::process::id()),
            ..Options::default()
        };
        let record = loadgen::load(&options, &AtomicBool::new(false), |_| {}).unwrap().record;
        let written = serde_json::to_string(&record).unwrap();
        let read: Record = serde_json::from_str(&written).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), written);
        // As an experiment reads it.
        let value: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(serde_json::to_value(&record).unwrap(), value);
    }
    server.stop().unwrap();
}

/// The paths of all fields that have a value: optional fields are null in an empty record.
fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, inner)| (name.clone(), inner)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, inner)| (index.to_string(), inner)).collect(),
        _ => return,
    };
    for (name, inner) in inner.into_iter().filter(|(_, inner)| !inner.is_null()) {
        let path = format!("{path}/{name}");
        if value.is_object() {
            found.push(path.clone());
        }
        paths(inner, &path, found);
    }
}

/// A renamed field once became a silent zero.
#[test]
fn a_record_without_a_field_that_is_always_written_is_refused() {
    let mut record = Record {
        addresses: vec![TargetAddress::default()],
        intervals: vec![Interval { reconnect: Some(IntervalReconnects::default()), ..Interval::default() }],
        queue: Some(Queue::default()),
        reconnect: Some(Reconnects::default()),
        watched: Some(Watched::default()),
        slo: Some(SloOutcome { clauses: vec![SloClause::default()], ..SloOutcome::default() }),
        ..Record::default()
    };
    record.verdict.checks.push(Check::default());
    let whole = serde_json::to_value(&record).unwrap();
    serde_json::from_value::<Record>(whole.clone()).unwrap();
    let mut found = Vec::new();
    paths(&whole, "", &mut found);
    assert!(found.len() > 100, "{found:?}");
    let optional = ["/queue", "/watched", "/slo", "/reconnect", "/intervals/0/reconnect"];
    for path in found.iter().filter(|path| !optional.contains(&path.as_str())) {
        let (parent, name) = path.rsplit_once('/').unwrap();
        let mut renamed = whole.clone();
        let fields = renamed.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
        let value = fields.remove(name).unwrap();
        fields.insert(format!("{name}_renamed"), value);
        let error = serde_json::from_value::<Record>(renamed).err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains(&format!("`{name}`"))), "{path}: {error:?}");
    }
}
