//! Connection tracking: judged by whether it tracks, not by whether the module is there.

use super::{Finding, Rule, Subject};
use crate::audit::State;
use crate::number::thousands;

pub(super) const RULES: &[Rule] = &[Rule {
    id: "net.netfilter.nf_conntrack_max",
    title: "connections the firewall tracks",
    source: "kernel docs networking/nf_conntrack-sysctl.rst; linux net/netfilter/nf_conntrack_core.c",
    judge: conntrack,
}];

fn conntrack(subject: &Subject<'_>) -> Finding {
    let facts = &subject.facts.conntrack;
    let (Some(count), Some(max)) = (facts.count, facts.max) else {
        return Finding::new(
            State::Ok,
            "absent",
            "no connection tracking is loaded, or this namespace does not show it",
        );
    };
    let found = format!("{} of {} in use", thousands(count), thousands(max));
    if count == 0 {
        let nat = facts.iptables_tables.iter().flatten().any(|table| table == "nat");
        return if nat {
            Finding::new(
                State::Info,
                found,
                "nothing is tracked now, but a nat table is in use and may track what comes",
            )
        } else {
            Finding::new(State::Ok, found, "present but idle: without rules that need it nothing is tracked")
        };
    }
    // A quarter above the connections, for those that are closing and everybody else's.
    let needed = subject.connections.saturating_add(subject.connections / 4);
    let wanted = format!("≥ {}, or untracked", thousands(needed));
    if max >= needed {
        return Finding::new(
            State::Info,
            found,
            "active: each connection costs 384 B or more and each packet a lookup; it slows both arms of a comparison",
        )
        .wanted(wanted);
    }
    Finding::new(State::Bad, found, "active and too small: beyond it packets are dropped (\"table full\" in dmesg)")
        .wanted(wanted)
        .command(format!("sysctl -w net.netfilter.nf_conntrack_max={needed}"))
}
