//! What the kernel refuses, so that a line changes nothing. Tried on 6.18.44 in a network namespace, 2026-12-01.

use super::numbers::numbers;
use super::subject::Subject;
use super::sysctl_d::Setting;

const PORT_RANGE: &str = "net.ipv4.ip_local_port_range";
const CONTROL: &str = "net.ipv4.tcp_congestion_control";
/// What the kernel takes, for keys that guides set.
const RANGES: [(&str, i128, i128); 17] = [
    ("vm.swappiness", 0, 200),
    ("vm.overcommit_memory", 0, 2),
    ("vm.dirty_ratio", 0, 100),
    ("vm.dirty_background_ratio", 0, 100),
    ("vm.vfs_cache_pressure", 0, i32::MAX as i128),
    ("net.core.somaxconn", 0, i32::MAX as i128),
    ("net.ipv4.tcp_tw_reuse", 0, 2),
    ("net.ipv4.tcp_syn_retries", 1, 127),
    ("net.ipv4.tcp_synack_retries", 0, 255),
    ("net.ipv4.tcp_retries1", 0, 255),
    ("net.ipv4.tcp_retries2", 0, 255),
    ("net.ipv4.tcp_keepalive_probes", 0, 255),
    ("net.ipv4.tcp_max_syn_backlog", 0, i32::MAX as i128),
    ("net.ipv4.tcp_max_tw_buckets", 0, i32::MAX as i128),
    (PORT_RANGE, 1, 65_535),
    ("net.ipv4.ip_unprivileged_port_start", 0, 65_535),
    ("net.core.netdev_max_backlog", 0, i32::MAX as i128),
];

/// Whether the kernel refuses a setting for a reason that is known here.
pub(crate) fn is_refused(subject: &Subject<'_>, setting: &Setting) -> bool {
    let no_number = subject.takes_numbers(&setting.key).is_some() && numbers(&setting.value).is_empty();
    no_number
        || out_of_range(subject, setting).is_some()
        || (setting.key == PORT_RANGE && !is_port_range(subject, &setting.value))
        || (setting.key == CONTROL && !has_control(subject, &setting.value))
}

/// The least and the most that the kernel takes, and the number that is neither.
pub(crate) fn out_of_range(subject: &Subject<'_>, setting: &Setting) -> Option<(i128, i128, i128)> {
    let (_, least, most) = *RANGES.iter().find(|(key, ..)| *key == setting.key)?;
    // 200 is possible since 5.8.
    let most = if setting.key == "vm.swappiness" && subject.is_older_than((5, 8)) { 100 } else { most };
    let wrong = numbers(&setting.value).into_iter().find(|number| !(least..=most).contains(number))?;
    Some((least, most, wrong))
}

/// The first port that needs no privilege.
pub(crate) fn unprivileged_start(subject: &Subject<'_>) -> i128 {
    subject.number_after_boot("net.ipv4.ip_unprivileged_port_start").unwrap_or(1024)
}

/// Whether the kernel takes a range of ports: in order, and above the privileged ones.
pub(crate) fn is_port_range(subject: &Subject<'_>, value: &str) -> bool {
    match numbers(value)[..] {
        [first, last, ..] => first <= last && first >= unprivileged_start(subject) && last <= 65_535,
        // One number changes the first port only.
        _ => true,
    }
}

/// Whether the kernel has a congestion control, or a module for it, which it loads when the name is written. True where
/// the host does not show which it has.
pub(crate) fn has_control(subject: &Subject<'_>, name: &str) -> bool {
    let available = subject.live("net.ipv4.tcp_available_congestion_control").unwrap_or_default();
    let module = format!("tcp_{}", name.replace('-', "_"));
    let can_load =
        || ["modules.dep", "modules.builtin"].iter().any(|list| subject.list_has_module(list, &module) == Some(true));
    available.is_empty() || available.split(' ').any(|each| each == name) || can_load()
}
