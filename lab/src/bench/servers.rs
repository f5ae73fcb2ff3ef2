//! The servers that experiments compare: this project's variants, and nginx where it is installed.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use server::{Variant, Workload};

use super::child::Process;
use super::proc;

/// How long a server may take to start.
const START_MAX: Duration = Duration::from_secs(10);

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `c10m serve` with one variant.
    C10m(Variant),
    /// nginx with one worker per CPU and logging off.
    Nginx,
    /// The same with work for each request, so that it is slower than any generator.
    NginxBusy,
}

/// Directives that nginx carries out for each request when it is to be busy: some 10 µs of copying text.
const BUSY_STEPS: usize = 100;

impl Kind {
    pub(super) fn is_nginx(self) -> bool {
        matches!(self, Kind::Nginx | Kind::NginxBusy)
    }

    pub(super) fn name(self) -> String {
        match self {
            Kind::C10m(variant) => variant.to_string(),
            Kind::Nginx => "nginx".to_owned(),
            Kind::NginxBusy => "busy nginx".to_owned(),
        }
    }
}

/// A server that serves.
pub(super) struct Running {
    kind: Kind,
    process: Process,
    address: SocketAddr,
    /// The processes that do the work.
    pub(super) workers: Vec<u32>,
    /// Goes with the server, however it ends.
    _directory: Option<TemporaryDirectory>,
}

/// A directory that is removed when this is dropped.
struct TemporaryDirectory(PathBuf);

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // Left behind it would be a few small files in the temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether nginx is installed, and which.
pub(super) fn nginx_version() -> Option<String> {
    let output = Command::new("nginx").arg("-v").output().ok()?;
    // It says so on stderr: "nginx version: nginx/1.22.1".
    let text = String::from_utf8(output.stderr).ok()?;
    text.trim().strip_prefix("nginx version: ").map(str::to_owned)
}

impl Running {
    /// Starts a server on loopback with a reactor, or worker, on each of `cpus`.
    pub(super) fn start(kind: Kind, workload: Workload, cpus: &[usize]) -> anyhow::Result<Running> {
        match kind {
            Kind::C10m(variant) => Running::start_c10m(variant, workload, cpus),
            Kind::Nginx | Kind::NginxBusy if workload == Workload::Http => Running::start_nginx(kind, cpus),
            Kind::Nginx | Kind::NginxBusy => bail!("nginx serves no {workload:?}"),
        }
    }

    fn start_c10m(variant: Variant, workload: Workload, cpus: &[usize]) -> anyhow::Result<Running> {
        let cpu_list: Vec<String> = cpus.iter().map(usize::to_string).collect();
        let arguments = [
            "serve",
            super::word(workload),
            "--listen",
            "127.0.0.1:0",
            "--backend",
            variant.backend(),
            "--variant",
            variant.variant(),
            "--reactors",
            &cpus.len().to_string(),
            "--cpus",
            &cpu_list.join(","),
            "--json",
        ]
        .map(str::to_owned);
        let mut process = Process::start_self(&arguments)?;
        let ready = process.read_event()?;
        let address = ready["address"].as_str().context("the server named no address")?.parse()?;
        let workers = vec![process.pid()];
        Ok(Running { kind: Kind::C10m(variant), process, address, workers, _directory: None })
    }

    fn start_nginx(kind: Kind, cpus: &[usize]) -> anyhow::Result<Running> {
        // nginx cannot choose a port and say which: take a free one and let go of it just before.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr())?;
        let directory = std::env::temp_dir().join(format!("c10m-nginx-{}-{}", std::process::id(), address.port()));
        fs::create_dir_all(&directory).context("cannot create a directory for nginx")?;
        let directory = TemporaryDirectory(directory);
        let configuration = directory.0.join("nginx.conf");
        fs::write(&configuration, nginx_configuration(kind, address, cpus))?;
        let mut command = Command::new("nginx");
        command.arg("-e").arg("stderr").arg("-p").arg(&directory.0).arg("-c").arg(&configuration);
        let mut process = Process::start(&mut command, "nginx")?;
        let start = Instant::now();
        while TcpStream::connect(address).is_err() || proc::children(process.pid()).len() < cpus.len() {
            if !process.is_running() || start.elapsed() > START_MAX {
                bail!("nginx did not start: {}", process.complaint());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let workers = proc::children(process.pid());
        Ok(Running { kind, process, address, workers, _directory: Some(directory) })
    }

    /// What a load generator connects to.
    pub(super) fn url(&self, workload: Workload) -> String {
        match workload {
            Workload::Echo => format!("tcp://{}", self.address),
            Workload::Http => format!("http://{}/", self.address),
        }
    }

    /// Requests that nginx has served; this project's servers tell at their end.
    pub(super) fn served(&self) -> anyhow::Result<Option<u64>> {
        if !self.kind.is_nginx() {
            return Ok(None);
        }
        let mut stream = TcpStream::connect(self.address).context("asking nginx for its count")?;
        stream.set_read_timeout(Some(START_MAX))?;
        stream.write_all(b"GET /status HTTP/1.0\r\n\r\n")?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        Ok(nginx_requests(&reply))
    }

    /// Ends it in order and returns what it counted; nginx counts nothing.
    pub(super) fn finish(self) -> anyhow::Result<Value> {
        self.process.terminate();
        let (output, code) = self.process.finish()?;
        match self.kind {
            Kind::Nginx | Kind::NginxBusy => Ok(json!({"event": "exit", "code": code})),
            Kind::C10m(variant) => {
                let line = output.lines().last().with_context(|| format!("{variant} printed no account"))?;
                let exit: Value = serde_json::from_str(line)?;
                if exit["code"] != 0 {
                    bail!("{variant} ended with {}: {}", exit["code"], exit["totals"]["closes"]);
                }
                Ok(exit)
            }
        }
    }
}

/// Whether nginx was built with the module that tells its counters.
fn has_stub_status() -> bool {
    let output = Command::new("nginx").arg("-V").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stderr).contains("http_stub_status_module"))
}

/// The third number of stub_status below its headings, without the request that asked for it; `None` when
/// nginx was built without that module.
fn nginx_requests(reply: &str) -> Option<u64> {
    let numbers = reply.split("server accepts handled requests").nth(1)?;
    numbers.split_whitespace().nth(2)?.parse::<u64>().ok()?.checked_sub(1)
}

/// The fast configuration of nginx's own documentation: one worker per CPU and pinned, no logs, no
/// limit on requests per connection. The body is that of this project's server.
fn nginx_configuration(kind: Kind, address: SocketAddr, cpus: &[usize]) -> String {
    let work = match kind {
        Kind::NginxBusy => "set $text \"$request_uri$remote_addr$request_method$http_host\"; ".repeat(BUSY_STEPS),
        _ => String::new(),
    };
    let masks: Vec<String> = cpus.iter().map(|cpu| format!("{:b}", 1u64 << cpu)).collect();
    format!(
        "daemon off;
worker_processes {workers};
worker_cpu_affinity {masks};
worker_rlimit_nofile 20000;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 18000; use epoll; }}
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
        workers = cpus.len(),
        masks = masks.join(" "),
        status = if has_stub_status() { "location = /status { stub_status; }" } else { "" },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_counts_without_the_question() {
        let reply =
            "HTTP/1.1 200 OK\r\n\r\nActive connections: 1 \nserver accepts handled requests\n 3 3 1001 \nReading: 0";
        assert_eq!(nginx_requests(reply), Some(1000));
        assert_eq!(nginx_requests("HTTP/1.1 404 Not Found"), None);
    }
}
