//! The loads of a record: which cells share a load, and its name.

use crate::figures::count;
use crate::record::{Cell, Loop, Record};

/// The cells grouped by load. Loads and cells are in the order of the record.
pub(super) fn loads(record: &Record) -> Vec<Vec<&Cell>> {
    let mut groups: Vec<Vec<&Cell>> = Vec::new();
    for cell in &record.cells {
        match groups.iter_mut().find(|group| same_load(group[0], cell)) {
            Some(group) => group.push(cell),
            None => groups.push(vec![cell]),
        }
    }
    groups
}

fn same_load(a: &Cell, b: &Cell) -> bool {
    let load = |cell: &Cell| (cell.connections, cell.load_loop, cell.pipeline, cell.requests_per_connection);
    // If generators are compared, each server counts as a separate load.
    load(a) == load(b) && (&a.workload, &a.server) == (&b.workload, &b.server)
}

/// `echo, 64 connections, 20,000 requests/s, pipeline 1`.
pub(crate) fn title(cell: &Cell) -> String {
    let load_loop = match cell.load_loop {
        Loop::Closed => "closed loop".to_owned(),
        Loop::Open { rate } => format!("{} requests/s", count(rate)),
    };
    let connections = if cell.connections == 1 { "connection" } else { "connections" };
    let server = if cell.server.is_empty() { String::new() } else { format!(", {}", cell.server) };
    let churn = churn(cell);
    format!(
        "{}, {} {connections}, {load_loop}, pipeline {}{churn}{server}",
        cell.workload,
        count(cell.connections as f64),
        cell.pipeline
    )
}

/// `, 1 request a connection`. Empty if connections are kept.
pub(super) fn churn(cell: &Cell) -> String {
    match cell.requests_per_connection {
        0 => String::new(),
        1 => ", 1 request a connection".to_owned(),
        requests => format!(", {requests} requests a connection"),
    }
}
