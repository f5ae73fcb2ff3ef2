//! nginx: workers as its documentation recommends for speed, a reply from the configuration, and nginx's own count of
//! requests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::Context;

use super::program::{Program, START_MAX, Site, find};
use crate::session::host::Host;
use crate::session::process::said;

pub(super) const PROGRAM: Program = Program {
    executable: "nginx",
    package: "nginx-light",
    version_argument: "-v",
    version: |text| text.trim().strip_prefix("nginx version: "),
    arguments,
    configuration: |site| configuration(site, ""),
    children: |cpus| cpus,
    about: "one pinned worker per CPU, epoll, reuseport, no logs, no limit on requests per connection, `return 200` of \
            the same body; it does more than this project's server (phases, variables, filters, Date and Server \
            headers) and sends each pipelined reply by itself",
};

/// Directives to execute for each request: some 10 µs of copying text.
const BUSY_STEPS: usize = 100;

/// The same program, made slower than any load generator.
pub(super) const BUSY: Program = Program {
    configuration: |site| {
        let step = "set $text \"$request_uri$remote_addr$request_method$http_host\"; ";
        configuration(site, &step.repeat(BUSY_STEPS))
    },
    ..PROGRAM
};

/// Requests that it has served. `None` when it was built without the module that counts them.
pub(super) fn served(address: SocketAddr) -> anyhow::Result<Option<u64>> {
    let mut stream = TcpStream::connect(address).context("asking nginx for its count")?;
    stream.set_read_timeout(Some(START_MAX))?;
    stream.write_all(b"GET /status HTTP/1.0\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(requests(&reply))
}

/// The third number below the headings of stub_status, minus the request that asked for it.
fn requests(reply: &str) -> Option<u64> {
    let numbers = reply.split("server accepts handled requests").nth(1)?;
    numbers.split_whitespace().nth(2)?.parse::<u64>().ok()?.checked_sub(1)
}

/// Whether nginx was built with the module that shows its counters.
fn has_stub_status(host: &dyn Host) -> bool {
    let text = find(PROGRAM.executable).and_then(|path| said(host, path, "-V", PROGRAM.executable).ok());
    text.is_some_and(|text| text.contains("http_stub_status_module"))
}

fn arguments(site: &Site<'_>) -> Vec<String> {
    let directory = site.directory.to_string_lossy().into_owned();
    ["-e", "stderr", "-p", &directory, "-c", &site.configuration()].map(str::to_owned).into()
}

/// The fast configuration of nginx's own documentation. nginx does `work` for each request. The body is the same as
/// that of this project's server.
fn configuration(site: &Site<'_>, work: &str) -> String {
    let masks: Vec<String> = site.cpus.iter().map(|cpu| format!("{:b}", 1u128 << cpu)).collect();
    format!(
        "daemon off;
worker_processes {workers};
worker_cpu_affinity {masks};
worker_rlimit_nofile {descriptors};
pid nginx.pid;
error_log stderr error;
events {{ worker_connections {connections}; use epoll; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    tcp_nodelay on;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{
        listen {address} reuseport backlog=65535;
        {status}
        location / {{ {work}default_type text/plain; return 200 'Hello, World!'; }}
    }}
}}
",
        workers = site.cpus.len(),
        masks = masks.join(" "),
        descriptors = site.descriptors,
        // nginx needs some descriptors itself: for listeners, files, channels between its processes.
        connections = site.descriptors - site.descriptors / 10,
        address = site.address,
        status = if has_stub_status(site.host) { "location = /status { stub_status; }" } else { "" },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_counts_without_the_question() {
        let reply =
            "HTTP/1.1 200 OK\r\n\r\nActive connections: 1 \nserver accepts handled requests\n 3 3 1001 \nReading: 0";
        assert_eq!(requests(reply), Some(1000));
        assert_eq!(requests("HTTP/1.1 404 Not Found"), None);
    }
}
