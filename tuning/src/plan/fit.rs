//! The answer of a plan in one word, and requests that no host can meet.

use serde::Serialize;

use super::link::{Link, Verdict};
use super::readable::Unreadable;
use crate::checks::subject::Subject;
use crate::number::{bytes, thousands};
use crate::request::Side;

/// Physical addresses of x86-64 have 52 bits at most (AMD64 Architecture Programmer's Manual 2, 5.1), and those of
/// 64-bit Arm as many outside of FEAT_D128: 4 PiB.
const MEMORY_BYTES_OF_ANY_HOST: u64 = 1 << 52;
/// Connections that all IPv4 addresses together can have with one address and port: a port has 16 bits, and 0 is not
/// a port (RFC 9293 3.1).
const TUPLES_MAX: u64 = (1 << 32) * 65_535;

/// Whether the wanted connections fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// As things are.
    Fits,
    /// Once the commands of the plan were run.
    FitsMended,
    /// Everything readable allows it, but not everything can be read.
    AsFarAsReadable,
    /// A limit that no command moves is in the way.
    DoesNotFit,
    /// On no host.
    Impossible,
}

impl Fit {
    pub(super) fn of(chain: &[Link], unreadable: &[Unreadable], impossible: Option<&str>) -> Fit {
        let mut walls = chain.iter().filter(|link| link.verdict == Verdict::Wall).peekable();
        let has_wall = walls.peek().is_some();
        if impossible.is_some() {
            Fit::Impossible
        } else if walls.any(|wall| wall.command.is_none()) {
            Fit::DoesNotFit
        } else if !unreadable.is_empty() {
            Fit::AsFarAsReadable
        } else if has_wall {
            Fit::FitsMended
        } else {
            Fit::Fits
        }
    }
}

/// Why no host can have what is asked for, in a sentence without its full stop.
pub(super) fn impossible(subject: &Subject<'_>, memory_bytes: u64) -> Option<String> {
    let connections = subject.connections;
    if connections == 0 {
        return Some("with 0 connections there is nothing to plan".to_owned());
    }
    if subject.request.side != Side::Tun && connections > TUPLES_MAX {
        return Some(format!(
            "all IPv4 addresses together can have {} connections with one address and port",
            thousands(TUPLES_MAX)
        ));
    }
    (memory_bytes > MEMORY_BYTES_OF_ANY_HOST).then(|| {
        let (needed, most) = (bytes(memory_bytes), bytes(MEMORY_BYTES_OF_ANY_HOST));
        format!("they take {needed} of memory, and no processor can address more than {most}")
    })
}
