//! haproxy: one thread per CPU. It answers by itself, without a server behind it.

use super::program::{Program, Site};

pub(super) const PROGRAM: Program = Program {
    executable: "haproxy",
    package: "haproxy",
    version_argument: "-v",
    version: |text| text.lines().next()?.split(" 20").next().filter(|line| line.starts_with("HAProxy version ")),
    // In the foreground and without notices: `no strict-limits` below deals with what it warns about, descriptors.
    arguments: |site| ["-db", "-q", "-f", &site.configuration()].map(str::to_owned).into(),
    configuration,
    children: |_| 0,
    about: "one thread per CPU, no logs, keep-alive without an end, `http-request return` of the same body; it does \
            more than this project's server (a proxy's parsing, checks and rules, one stream for each request) \
            and less (neither a Date nor a Server header), and sends each pipelined reply by itself",
};

/// haproxy reserves two descriptors for every connection, as if it forwarded each to a server. It forwards none here,
/// so it may have as many connections as descriptors. `no strict-limits` lets it start that way.
fn configuration(site: &Site<'_>) -> String {
    let cpus: Vec<String> = site.cpus.iter().map(usize::to_string).collect();
    format!(
        "global
    maxconn {connections}
    no strict-limits
    nbthread {threads}
    cpu-map auto:1/1-{threads} {cpus}
defaults
    mode http
    timeout client 1h
    timeout http-keep-alive 1h
frontend peer
    bind {address} backlog 65535
    http-request return status 200 content-type text/plain string \"Hello, World!\"
",
        connections = site.descriptors - site.descriptors / 10,
        threads = cpus.len(),
        cpus = cpus.join(" "),
        address = site.address,
    )
}
