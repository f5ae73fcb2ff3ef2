//! Connection tracking: judged by whether it tracks, not by whether the module is loaded.

use super::check::{Check, Finding, Kind, State, Turn};
use super::subject::Subject;
use crate::number::thousands;

pub(super) const CHECKS: &[Check] = &[Check {
    id: "net.netfilter.nf_conntrack_max",
    title: "connections the firewall tracks",
    source: "kernel docs networking/nf_conntrack-sysctl.rst; linux net/netfilter/nf_conntrack_core.c",
    kind: Kind::stops("connections", Some(State::Bad), conntrack),
}];

fn conntrack(subject: &Subject<'_>) -> Option<Finding> {
    let facts = &subject.facts.conntrack;
    let (Some(count), Some(most)) = (facts.count, facts.max) else {
        let meaning = "no connection tracking is loaded, or this namespace does not show it";
        return Some(Finding::setting(State::Ok, "absent", meaning));
    };
    let found = format!("{} of {} in use", thousands(count), thousands(most));
    // Loaded does not mean active: without checks that need it, nothing is tracked.
    if count == 0 {
        let has_nat = facts.iptables_tables.iter().flatten().any(|table| table == "nat");
        return Some(if has_nat {
            let meaning = "nothing is tracked now, but a nat table is in use and may track what comes";
            Finding::setting(State::Info, found, meaning)
        } else {
            let meaning = "present but idle: without checks that need it nothing is tracked";
            Finding::setting(State::Ok, found, meaning)
        });
    }
    let need = subject.connections.saturating_add(count);
    let meaning =
        "active: every connection has an entry, and beyond the limit packets are dropped (\"table full\" in dmesg)";
    // A quarter more, for closing connections and those of other programs.
    let wanted = need.saturating_add(need / 4);
    let finding = Finding::limit(Some(most), need, Some(most.saturating_sub(count)), meaning)
        .found(found)
        .wanted(format!("≥ {}, or untracked", thousands(wanted)));
    Some(if most >= wanted {
        finding.state(State::Info).fine(
            "active: each connection costs 384 B or more and each packet a lookup; it slows both arms of a comparison",
        )
    } else {
        let mend = format!("sysctl -w net.netfilter.nf_conntrack_max={wanted}");
        finding.state(State::Bad).mend(Turn::Host, mend)
    })
}
