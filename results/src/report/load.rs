//! The names of loads.

use crate::figures::count;
use crate::record::{Cell, Loop};

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

/// `http 64`, `http 64 ×16`, `echo 1,000 at 20,000/s`: short enough for the head of a column.
pub(super) fn short(cell: &Cell) -> String {
    let rate = match cell.load_loop {
        Loop::Closed => String::new(),
        Loop::Open { rate } => format!(" at {}/s", count(rate)),
    };
    let pipeline = if cell.pipeline > 1 { format!(" ×{}", cell.pipeline) } else { String::new() };
    let server = if cell.server.is_empty() { String::new() } else { format!(", {}", cell.server) };
    let churn = if cell.requests_per_connection > 0 { ", a connection each" } else { "" };
    format!("{} {}{pipeline}{rate}{churn}{server}", cell.workload, count(cell.connections as f64))
}

/// `, 1 request a connection`. Empty if connections are kept.
pub(super) fn churn(cell: &Cell) -> String {
    match cell.requests_per_connection {
        0 => String::new(),
        1 => ", 1 request a connection".to_owned(),
        requests => format!(", {requests} requests a connection"),
    }
}
