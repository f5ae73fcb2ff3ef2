//! The ports of outgoing connections.

use super::found::Found;
use crate::lint::numbers::{numbers, ports};
use crate::lint::refusal;
use crate::lint::subject::Subject;
use crate::lint::sysctl_d::Setting;
use crate::lint::value::Effective;

const RANGE: &str = "net.ipv4.ip_local_port_range";
const RESERVED: &str = "net.ipv4.ip_local_reserved_ports";
/// Services have ports such as 3306, 5432, 6379, 8080 and 9090; a range from here on down covers them.
const SERVICES: i128 = 10_000;

/// The ranges in force that have two numbers.
fn ranges<'a>(subject: &Subject<'a>) -> Vec<(&'a Setting, i128, i128)> {
    let with_ends = |setting: &'a Setting| match numbers(&setting.value)[..] {
        [first, last] => Some((setting, first, last)),
        _ => None,
    };
    subject.winning(RANGE).into_iter().filter_map(with_ends).collect()
}

/// The ranges that the kernel takes.
fn taken<'a>(subject: &Subject<'a>) -> Vec<(&'a Setting, i128, i128)> {
    ranges(subject).into_iter().filter(|(setting, ..)| refusal::is_port_range(subject, &setting.value)).collect()
}

/// Whether a port is reserved, so that no outgoing connection takes it.
fn is_reserved(subject: &Subject<'_>, port: u16) -> bool {
    let list = subject.after_boot(RESERVED).unwrap_or_default();
    ports(&list).unwrap_or_default().iter().any(|(first, last)| (*first..=*last).contains(&port))
}

pub(super) fn reversed(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |(setting, first, last): (&Setting, i128, i128)| {
        let says = format!("The first port, {first}, is above the last one, {last}. The kernel refuses the line.");
        Found::bad(&setting.at, says).mend(format!("{RANGE} = {last} {first}"))
    };
    ranges(subject).into_iter().filter(|(_, first, last)| first > last).map(found).collect()
}

pub(super) fn privileged(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    // Before 4.11 the kernel took such a range, and gave privileged ports to everybody.
    let start = refusal::unprivileged_start(subject);
    let found = |(setting, first, last): (&Setting, i128, i128)| {
        let says = format!(
            "The range begins at {first}, below the first unprivileged port, {start}. The kernel refuses the line, and the range \
             stays as it is."
        );
        Found::bad(&setting.at, says).mend(format!("{RANGE} = {start} {last}"))
    };
    let below = |(_, first, last): &(&Setting, i128, i128)| *first >= 0 && *first < start && first <= last;
    ranges(subject).into_iter().filter(below).map(found).collect()
}

pub(super) fn parity(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |(setting, first, last): (&Setting, i128, i128)| {
        let kind = if first % 2 == 0 { "even" } else { "odd" };
        let says = format!(
            "Both ends are {kind}. connect() takes ports of the first one's kind and bind() the others, so one of them has a \
             port less, and the kernel complains in its log."
        );
        let mend = if last < 65_535 { (first, last + 1) } else { (first + 1, last) };
        Found::info(&setting.at, says).mend(format!("{RANGE} = {} {}", mend.0, mend.1))
    };
    taken(subject).into_iter().filter(|(_, first, last)| first % 2 == last % 2).map(found).collect()
}

/// Ports in the range that programs listen on, and that are not reserved.
fn exposed(subject: &Subject<'_>, first: i128, last: i128) -> Vec<u16> {
    let is_inside = |port: &&u16| (first..=last).contains(&i128::from(**port)) && !is_reserved(subject, **port);
    subject.place.listening.iter().filter(is_inside).copied().collect()
}

pub(super) fn over_listeners(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |(setting, first, last): (&Setting, i128, i128)| {
        // Programs that listen on a port of their choice, as for RPC, get one of the kernel's own range.
        let own = |port: &u16| !(32_768..=60_999).contains(port);
        let ports: Vec<String> =
            exposed(subject, first, last).iter().filter(|port| own(port)).map(u16::to_string).collect();
        if ports.is_empty() {
            return None;
        }
        let ports = ports.join(",");
        let says = format!(
            "Programs listen on {ports}, inside this range. While one restarts, an outgoing connection can take its port, and \
             it fails with EADDRINUSE."
        );
        Some(Found::warn(&setting.at, says).mend(format!("{RESERVED} = {ports}")))
    };
    taken(subject).into_iter().filter_map(found).collect()
}

pub(super) fn unreserved(subject: &Subject<'_>, values: &[Effective]) -> Vec<Found> {
    let nothing_reserved = subject.after_boot(RESERVED).is_none_or(|list| list.trim().is_empty());
    if !nothing_reserved || !over_listeners(subject, values).is_empty() {
        return Vec::new();
    }
    let found = |(setting, first, _): (&Setting, i128, i128)| {
        let says = format!(
            "From {first} on, outgoing connections take ports of services, such as 3306 or 8080, and no port is reserved. A \
             service whose port is taken cannot start."
        );
        Found::info(&setting.at, says).mend(format!("{RESERVED} = the ports of your services"))
    };
    taken(subject).into_iter().filter(|(_, first, _)| *first < SERVICES).map(found).collect()
}
