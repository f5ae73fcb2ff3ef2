//! Congestion control, queueing disciplines and connection tracking.

use super::found::Found;
use crate::lint::numbers::numbers;
use crate::lint::refusal;
use crate::lint::subject::Subject;
use crate::lint::sysctl_d::Setting;
use crate::lint::value::Effective;

const CONTROL: &str = "net.ipv4.tcp_congestion_control";
const QDISC: &str = "net.core.default_qdisc";
const MAX: &str = "net.netfilter.nf_conntrack_max";
const BUCKETS: &str = "net.netfilter.nf_conntrack_buckets";
/// The first kernel in which TCP paces by itself, linux net/ipv4/tcp_output.c.
const PACES_ITSELF: (u64, u64) = (4, 13);
/// What kernels and systemd choose by themselves, which says nothing of a wish.
const USUAL_QDISCS: [&str; 2] = ["fq_codel", "pfifo_fast"];
/// Entries a bucket; the kernel's own was 4 until 5.15, and 1 since.
const ENTRIES_PER_BUCKET: i128 = 4;

pub(super) fn bbr_without_fq(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    if !subject.is_older_than(PACES_ITSELF) || subject.after_boot(QDISC).as_deref() == Some("fq") {
        return Vec::new();
    }
    let says = "On this kernel only the queueing discipline fq paces, and bbr without pacing sends in bursts.";
    let found = |setting: &Setting| Found::warn(&setting.at, says).mend(format!("{QDISC} = fq"));
    subject.winning(CONTROL).into_iter().filter(|setting| setting.value == "bbr").map(found).collect()
}

pub(super) fn unavailable(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |setting: &Setting| {
        let available = subject.live("net.ipv4.tcp_available_congestion_control").unwrap_or_default();
        let name = setting.value.as_str();
        let is_word = !name.is_empty() && name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_');
        if !is_word || refusal::has_control(subject, name) {
            return None;
        }
        let says = format!(
            "This kernel has no congestion control {name}, and no module for it. It refuses the line. It has: {available}."
        );
        Some(Found::warn(&setting.at, says).mend(format!("install the module tcp_{name}, or choose one of those")))
    };
    subject.winning(CONTROL).into_iter().filter_map(found).collect()
}

pub(super) fn qdisc_of_new_devices(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let says = "This is for devices that appear after it. One that is up keeps its queueing discipline until it is made anew \
                or `tc qdisc replace` changes it.";
    let found = |setting: &Setting| {
        let mend = format!("tc qdisc replace dev DEVICE root {}, for devices that exist", setting.value);
        Found::info(&setting.at, says).mend(mend)
    };
    let is_wish = |value: &str| !USUAL_QDISCS.contains(&value);
    subject.winning(QDISC).into_iter().filter(|setting| is_wish(&setting.value)).map(found).collect()
}

pub(super) fn conntrack_without_buckets(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let mut settings = subject.winning(MAX);
    settings.extend(subject.winning("net.nf_conntrack_max"));
    let Some(buckets) = subject.number_after_boot(BUCKETS).filter(|buckets| *buckets > 0) else { return Vec::new() };
    let found = |setting: &Setting| {
        let most = *numbers(&setting.value).first()?;
        if most <= buckets * ENTRIES_PER_BUCKET {
            return None;
        }
        let says = format!(
            "{most} entries share {buckets} buckets, so each look-up walks a list of {} or more when the table is full.",
            most / buckets
        );
        Some(Found::info(&setting.at, says).mend(format!("{BUCKETS} = {}", most / 2)))
    };
    settings.into_iter().filter_map(found).collect()
}
