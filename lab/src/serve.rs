//! `c10m serve`: runs a server until a signal drains it.

use std::io::Write;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use crossbeam::channel::{Receiver, unbounded};
use serde_json::{Value, json};
use server::{Balance, Options, Order, Report, Scheduling, Server, Variant, Workload};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Arguments of `c10m serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// What to serve.
    workload: WorkloadArg,
    /// Address and port; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// epoll, mio, io_uring, or auto, which says what it chose and why.
    #[arg(long, default_value = "epoll")]
    backend: String,
    /// epoll: level, edge. mio: edge. io_uring: multishot, oneshot. The first is the default.
    #[arg(long)]
    variant: Option<String>,
    /// Event loops, each a thread with its own listener [default: one per CPU].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    reactors: Option<u16>,
    /// CPUs for the reactors, in turn, like 0,2-3 [default: all].
    #[arg(long, value_name = "LIST", value_parser = cpu_list)]
    cpus: Option<CpuList>,
    /// Who chooses the reactor of a new connection.
    #[arg(long, value_enum, default_value_t = BalanceArg::Hash)]
    balance: BalanceArg,
    /// How the scheduler treats the reactors.
    #[arg(long, value_enum, default_value_t = SchedulingArg::Normal)]
    scheduling: SchedulingArg,
    /// Most connections per reactor [default: what the fd limit allows].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    max_connections: Option<u32>,
    /// Close a connection without requests after this time; 0s never.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    idle_timeout: Duration,
    /// Longest time for a request head to arrive; 0s has no limit.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    header_timeout: Duration,
    /// Close when a body or a reply makes no progress for this time; 0s never.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    stall_timeout: Duration,
    /// Longest time for a drain; then connections are cut off and the exit code is 3.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    drain_timeout: Duration,
    /// Longest HTTP request body in bytes; longer ones are answered 413.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    max_body: u32,
    /// Print JSON lines on stdout: one when ready, one with all counters at the end.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum WorkloadArg {
    /// Every byte comes back.
    Echo,
    /// HTTP/1.1: GET /, GET /bytes/N, POST /echo.
    Http,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BalanceArg {
    /// The kernel's hash of addresses and ports.
    Hash,
    /// The CPU that handles the SYN; on loopback that is the client's.
    Cpu,
    /// Each reactor in turn; needs CAP_BPF.
    RoundRobin,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchedulingArg {
    /// As any thread.
    Normal,
    /// Waking up interrupts nobody: for many reactors on each CPU.
    Batch,
}

/// CPUs in the order they were given; a bare `Vec` would make clap expect several arguments.
#[derive(Debug, Clone)]
struct CpuList(Vec<usize>);

fn cpu_list(text: &str) -> Result<CpuList, loadgen::LoadError> {
    Ok(CpuList(loadgen::parse_cpus(text)?.into_iter().map(|cpu| cpu as usize).collect()))
}

/// Runs a server until it is drained.
pub(crate) fn run(args: ServeArgs) -> anyhow::Result<u8> {
    let variant = match (args.backend.as_str(), &args.variant) {
        ("auto", None) => {
            let choice = server::choose();
            eprintln!("c10m: chose {}: {}", choice.variant, choice.reason);
            choice.variant
        }
        ("auto", Some(_)) => return usage("--variant goes with a backend; --backend auto chooses both"),
        (backend, variant) => match Variant::named(backend, variant.as_deref()) {
            Ok(variant) => variant,
            Err(message) => return usage(&message),
        },
    };
    let json = args.json;
    let options = options(args, variant);
    // Before the first reactor: a signal that arrives while starting must not kill half a server.
    let orders = orders().context("cannot catch signals")?;
    let server = Server::start(options.clone())?;
    announce(json, &server, &options);
    let report = server.supervise(&orders);
    let code = report.exit_code();
    conclude(json, &report, code);
    match report.reactors.iter().find_map(|reactor| reactor.error.as_deref()) {
        Some(error) => anyhow::bail!("a reactor failed: {error}"),
        None => Ok(code),
    }
}

fn usage(message: &str) -> anyhow::Result<u8> {
    eprintln!("c10m: {message}");
    Ok(2)
}

fn options(args: ServeArgs, variant: Variant) -> Options {
    let workload = match args.workload {
        WorkloadArg::Echo => Workload::Echo,
        WorkloadArg::Http => Workload::Http,
    };
    let mut options = Options::new(workload);
    options.variant = variant;
    options.listen = vec![args.listen.into()];
    options.reactors = args.reactors.map_or(options.reactors, usize::from);
    options.cpus = args.cpus.map_or(vec![], |list| list.0);
    options.balance = match args.balance {
        BalanceArg::Hash => Balance::Hash,
        BalanceArg::Cpu => Balance::Cpu,
        BalanceArg::RoundRobin => Balance::RoundRobin,
    };
    options.scheduling = match args.scheduling {
        SchedulingArg::Normal => Scheduling::Normal,
        SchedulingArg::Batch => Scheduling::Batch,
    };
    options.connections_max = args.max_connections.unwrap_or(0);
    options.idle_timeout = args.idle_timeout;
    options.header_timeout = args.header_timeout;
    options.stall_timeout = args.stall_timeout;
    options.drain_timeout = args.drain_timeout;
    options.http.body_len_max = args.max_body;
    options
}

/// The first SIGTERM or SIGINT drains, the next one stops.
fn orders() -> std::io::Result<Receiver<Order>> {
    let (sender, orders) = unbounded();
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for _ in signals.forever() {
            if sender.send(Order::Drain).is_err() {
                return;
            }
        }
    })?;
    Ok(orders)
}

fn announce(json: bool, server: &Server, options: &Options) {
    let (address, variant) = (&server.endpoints()[0], options.variant);
    if json {
        return line(&json!({
            "event": "ready",
            "address": address.to_string(),
            "workload": options.workload,
            "backend": variant.backend(),
            "variant": variant.variant(),
            "reactors": options.reactors,
            "balance": options.balance,
            "scheduling": options.scheduling,
            "connections_max_per_reactor": server.connections_max(),
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
        }));
    }
    let workload = match options.workload {
        Workload::Echo => "echo on tcp",
        Workload::Http => "http on http",
    };
    eprintln!(
        "c10m: serving {workload}://{address} with {variant}, {} reactor{} balanced by {}, at most {} connections each; Ctrl-C drains",
        options.reactors,
        if options.reactors == 1 { "" } else { "s" },
        options.balance,
        server.connections_max(),
    );
}

fn conclude(json: bool, report: &Report, code: u8) {
    if json {
        let mut event = json!({"event": "exit", "code": code});
        if let (Value::Object(event), Ok(Value::Object(report))) = (&mut event, serde_json::to_value(report)) {
            event.extend(report);
        }
        return line(&event);
    }
    let totals = &report.totals;
    eprintln!(
        "c10m: served {} requests over {} connections, {} bytes in, {} bytes out, {} system calls",
        totals.requests, totals.accepts, totals.bytes_in, totals.bytes_out, totals.syscalls
    );
    if let Some(spread) = &report.spread {
        eprintln!(
            "c10m:   spread by {} over {} reactor{}: the busiest took {:.2} of the mean, coefficient of variation {:.3}",
            report.balance,
            report.reactors.len(),
            if report.reactors.len() == 1 { "" } else { "s" },
            spread.accepts_max_over_mean,
            spread.accepts_coefficient_of_variation,
        );
    }
    for (reason, count) in server::CloseReason::all().map(|reason| (reason.name(), totals.closed_for(reason))) {
        if count > 0 {
            eprintln!("c10m:   closed {count} for {reason}");
        }
    }
}

/// One JSON line. A reader that is gone is no reason to stop serving.
fn line(value: &Value) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{value}").and_then(|()| stdout.flush());
}
