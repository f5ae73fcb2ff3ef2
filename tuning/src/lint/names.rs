//! Names of sysctls: which module brings them, which names are alike, what takes numbers. Reads nothing.

/// Beginnings of names, and the module that brings them.
const MODULES: [(&str, &str); 13] = [
    ("net.netfilter.nf_conntrack_", "nf_conntrack"),
    ("net.nf_conntrack_max", "nf_conntrack"),
    ("net.bridge.bridge-nf-", "br_netfilter"),
    ("net.ipv4.vs.", "ip_vs"),
    ("net.sctp.", "sctp"),
    ("net.mpls.", "mpls_router"),
    ("net.rds.", "rds"),
    ("sunrpc.", "sunrpc"),
    ("fs.nfs.", "lockd"),
    ("fs.xfs.", "xfs"),
    ("fs.fuse.", "fuse"),
    ("dev.cdrom.", "cdrom"),
    ("dev.raid.", "md_mod"),
];
/// Lists, masks and words in which a number, a comma or a sign means something else than in a number.
const NO_NUMBERS: [&str; 9] = [
    "net.ipv4.ip_local_reserved_ports",
    "net.core.flow_limit_cpu_bitmap",
    "net.core.rps_default_mask",
    "net.core.netdev_rss_key",
    "net.ipv4.tcp_fastopen_key",
    "kernel.core_pattern",
    "kernel.hostname",
    "kernel.domainname",
    "kernel.modprobe",
];
/// As many changes as a slip of the keyboard makes.
const CHANGES_MAX: usize = 2;
/// Shorter names are alike by chance.
const LENGTH_MIN: usize = 10;

/// The module that brings a sysctl, if it is one of those that are often set.
pub(crate) fn module(key: &str) -> Option<&'static str> {
    MODULES.iter().find(|(start, _)| key.starts_with(start)).map(|(_, module)| *module)
}

/// Whether a value of the key can be looked at as numbers.
pub(crate) fn may_be_numbers(key: &str) -> bool {
    !NO_NUMBERS.contains(&key)
}

/// Whether a key is a pattern, glob(7).
pub(crate) fn is_pattern(key: &str) -> bool {
    key.contains(['*', '?', '['])
}

/// The network interface of a key such as `net.ipv4.conf.eth0.rp_filter`, and the same key of `default`.
pub(crate) fn interface(key: &str) -> Option<(&str, String)> {
    let mut parts: Vec<&str> = key.split('.').collect();
    let is_of_interface = parts.len() == 5
        && parts[0] == "net"
        && matches!(parts[1], "ipv4" | "ipv6" | "mpls")
        && matches!(parts[2], "conf" | "neigh");
    let interface = *parts.get(3).filter(|_| is_of_interface)?;
    parts[3] = "default";
    Some((interface, parts.join(".")))
}

/// A known name that somebody may have meant. Names that differ in a digit are no slips: `ipv4` and `ipv6` are both
/// right, and either can be missing.
pub(crate) fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    if key.len() < LENGTH_MIN || interface(key).is_some() {
        return None;
    }
    let digits = |name: &str| name.chars().filter(char::is_ascii_digit).collect::<String>();
    let slip = known
        .clone()
        .filter(|name| name.len().abs_diff(key.len()) <= CHANGES_MAX && digits(name) == digits(key))
        .map(|name| (strsim::osa_distance(key, name), name))
        .filter(|(changes, _)| *changes <= CHANGES_MAX)
        .min();
    if let Some((_, name)) = slip {
        return Some(name);
    }
    // The right last part below the wrong directory, such as net.ipv4.somaxconn.
    let last = key.rsplit('.').next()?;
    let mut same = known.filter(|name| name.rsplit('.').next() == Some(last) && interface(name).is_none());
    let only = same.next().filter(|_| last.len() >= LENGTH_MIN - 2)?;
    same.all(|other| other == only).then_some(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_lead_to_what_was_meant() {
        let known = ["net.core.somaxconn", "net.ipv4.tcp_rmem", "net.ipv6.conf.all.forwarding", "net.core.rmem_max"];
        for (key, expected) in [
            ("net.core.somaxcon", Some("net.core.somaxconn")),
            ("net.core.somaxcnon", Some("net.core.somaxconn")),
            ("net.ipv4.somaxconn", Some("net.core.somaxconn")),
            ("net.ipv6.tcp_rmem", Some("net.ipv4.tcp_rmem")),
            ("net.ipv4.conf.all.forwarding", None),
            ("net.core.wmem_max", Some("net.core.rmem_max")),
            ("vm.swapiness", None),
        ] {
            assert_eq!(nearest(key, known.into_iter()), expected, "{key}");
        }
        assert_eq!(module("net.bridge.bridge-nf-call-iptables"), Some("br_netfilter"));
        assert_eq!(interface("net.ipv4.conf.eth0.rp_filter").unwrap().1, "net.ipv4.conf.default.rp_filter");
        assert_eq!(interface("net.ipv4.tcp_rmem"), None);
        assert!(is_pattern("net.ipv4.conf.*.rp_filter") && !is_pattern("net.core.somaxconn"));
    }
}
