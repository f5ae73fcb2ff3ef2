//! What a server announces when it is ready and when it ends: JSON for programs, sentences for people.

use std::time::Duration;

use host::SocketBounds;
use protocol::Workload;
use server::{
    Endpoint, Event, HandoverNews, InheritedFrom, KeepAlive, Options, Ready, Report, Server, SocketSizes, Unavailable,
};

/// A JSON line, with its fields sorted by name.
pub(super) fn line(event: &Event) -> String {
    serde_json::to_value(event).expect("its keys are strings").to_string()
}

/// The announcement of a server that is ready.
pub(super) fn ready(server: &Server, options: &Options, inherited: Option<InheritedFrom>, notes: Vec<String>) -> Event {
    let addresses: Vec<String> = server.endpoints().iter().map(Endpoint::to_string).collect();
    let sizes = server.socket_sizes();
    Event::Ready(Ready {
        address: addresses[0].clone(),
        addresses,
        workload: options.workload,
        variant: options.variant,
        reactors: options.reactors,
        balance: options.balance,
        scheduling: options.scheduling,
        connections_max_per_reactor: server.connections_max(),
        backlog: backlog(options, SocketBounds::of_this_process().backlog_max),
        receive_buffer_bytes: sizes.receive_buffer,
        send_buffer_bytes: sizes.send_buffer,
        buffer_memory_bytes_per_reactor: options.buffer_memory_max,
        admission: options.admission,
        handicap_ns: options.handicap_ns,
        hello_cost_ns: options.hello_cost_ns,
        inherited,
        notes,
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: lab::built::COMMIT.to_owned(),
    })
}

/// Whose sockets it listens with.
pub(super) fn origin_note(origin: InheritedFrom) -> String {
    match origin {
        InheritedFrom::Environment => "the sockets are those that LISTEN_FDS announced".into(),
        InheritedFrom::Predecessor { pid } => format!("the sockets are those of process {pid}, which drains now"),
    }
}

/// What of a hand-over failed too late to refuse it.
pub(super) fn shortcoming_note(shortcoming: &Unavailable) -> String {
    format!("taking over is not complete, and is not undone: {shortcoming}; start once more to mend it")
}

/// What became of a successor.
pub(super) fn handover_sentence(news: &HandoverNews) -> String {
    match &news.failure {
        None => format!("c10m: process {} has taken over the listeners; this one drains", news.successor),
        Some(cause) => {
            format!("c10m: process {} came to take over, and did not: {cause}; this one serves on", news.successor)
        }
    }
}

/// The announcement as a sentence.
pub(super) fn ready_sentence(server: &Server, options: &Options) -> String {
    // In the form in which `c10m load` accepts it.
    let workload = options.workload;
    let unix_scheme = match workload {
        Workload::Echo => "tcp+",
        Workload::Http => "",
    };
    let place = |endpoint: &Endpoint| match endpoint {
        Endpoint::Tcp(address) => format!("{}://{address}", workload.scheme()),
        Endpoint::Unix(_) => format!("{unix_scheme}{endpoint}"),
    };
    let places: Vec<String> = server.endpoints().iter().map(place).collect();
    format!(
        "c10m: serving {workload} on {} with {}, {} reactor{} balanced by {}, at most {} connections each; Ctrl-C drains",
        places.join(" and "),
        options.variant,
        options.reactors,
        if options.reactors == 1 { "" } else { "s" },
        options.balance,
        server.connections_max(),
    )
}

/// Notes where the kernel does not do what was asked, and about consequences of the options that they do not state.
pub(super) fn notes(
    options: &Options,
    endpoints: &[Endpoint],
    sizes: SocketSizes,
    bounds: &SocketBounds,
) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(ns) = options.handicap_ns {
        notes.push(format!("--handicap {ns}: each request costs {ns} ns of CPU time beyond its work; measure nothing but the finding of it"));
    }
    if let Some(ns) = options.hello_cost_ns {
        let cost = humantime::format_duration(Duration::from_nanos(ns.get().into()));
        notes.push(format!(
            "--hello-cost: the first request of each connection costs {cost} of CPU time beyond its work"
        ));
    }
    if options.blocking.as_ref().is_some_and(|blocking| blocking.lab_routes) {
        notes.push(
            "--lab-routes: whoever can connect can make a reactor sleep or work for 10 s at a time (/block/MS, /work/US)".into(),
        );
    }
    let asked = u64::from(options.socket.backlog);
    if let Some(most) = bounds.backlog_max.filter(|most| asked > *most)
        && options.socket.backlog != server::SocketOptions::BACKLOG
    {
        notes.push(format!(
            "--backlog {asked} is cut to {most} by net.core.somaxconn; `sysctl -w net.core.somaxconn={asked}` allows it"
        ));
    }
    let receive = (
        "--rcvbuf",
        options.socket.receive_buffer,
        sizes.receive_buffer,
        "net.core.rmem_max",
        bounds.receive_buffer_max,
    );
    let send = ("--sndbuf", options.socket.send_buffer, sizes.send_buffer, "net.core.wmem_max", bounds.send_buffer_max);
    for (option, asked, given, sysctl, most) in [receive, send] {
        notes.extend(asked.and_then(|asked| buffer_note(option, u64::from(asked), given as u64, sysctl, most)));
    }
    let unix: Vec<&Endpoint> = endpoints.iter().filter(|endpoint| endpoint.tcp().is_none()).collect();
    if options.idle_timeout.is_zero() && unix.len() < endpoints.len() {
        notes.push(format!(
            "without an idle timeout TCP keep-alive probes a peer after {} s of silence, and a dead one is dropped after {} s",
            KeepAlive::IDLE.as_secs(),
            KeepAlive::DEAD_AFTER.as_secs()
        ));
    }
    for endpoint in unix {
        notes.push(format!(
            "whoever may write to {endpoint} may connect; its permissions follow the umask{}; all reactors share its queue",
            mode(endpoint).map_or(String::new(), |mode| format!(", {mode:03o}"))
        ));
    }
    notes
}

/// The kernel allocates twice what was asked for, within its limits (socket(7)).
fn buffer_note(option: &str, asked: u64, given: u64, sysctl: &str, most: Option<u64>) -> Option<String> {
    if given == 2 * asked {
        return None;
    }
    Some(if given < 2 * asked {
        let most = most.map_or(String::new(), |most| format!(" = {most}"));
        format!(
            "{option} {asked} is cut by {sysctl}{most}: the kernel gives {given} bytes, bookkeeping included; `sysctl -w {sysctl}={asked}` allows it"
        )
    } else {
        format!("{option} {asked} is less than the kernel gives: {given} bytes, bookkeeping included")
    })
}

fn backlog(options: &Options, most: Option<u64>) -> u64 {
    let asked = u64::from(options.socket.backlog);
    most.map_or(asked, |most| asked.min(most))
}

/// The permissions of a unix socket's file.
fn mode(endpoint: &Endpoint) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let Endpoint::Unix(path) = endpoint else { return None };
    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

/// The account in sentences.
pub(super) fn exit_sentences(report: &Report) -> Vec<String> {
    let totals = &report.totals;
    let mut lines = vec![format!(
        "c10m: served {} requests over {} connections, {} bytes in, {} bytes out, {} system calls",
        totals.requests, totals.accepts, totals.bytes_in, totals.bytes_out, totals.syscalls
    )];
    if let Some(spread) = &report.spread {
        lines.push(format!(
            "c10m:   spread by {} over {} reactor{}: the busiest took {:.2} of the mean, coefficient of variation {:.3}",
            report.balance,
            report.reactors.len(),
            if report.reactors.len() == 1 { "" } else { "s" },
            spread.accepts_max_over_mean,
            spread.accepts_coefficient_of_variation,
        ));
    }
    if totals.jobs > 0 {
        lines.push(format!(
            "c10m:   {} requests waited for a job: {} found the queue full, {} came too late, {} failed, and for {} nobody waited any more",
            totals.jobs, totals.jobs_refused, totals.jobs_expired, totals.jobs_failed, totals.stale_messages
        ));
    }
    for (reason, count) in server::CloseReason::all().map(|reason| (reason.name(), totals.closed_for(reason))) {
        if count > 0 {
            lines.push(format!("c10m:   closed {count} for {reason}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    const BOUNDS: SocketBounds = SocketBounds {
        backlog_max: Some(4096),
        receive_buffer_max: Some(10_000),
        send_buffer_max: Some(10_000),
        unprivileged_port_start: Some(1024),
    };

    fn noted(change: impl FnOnce(&mut Options), sizes: (usize, usize)) -> String {
        let mut options = Options::new(Workload::Echo);
        change(&mut options);
        let sizes = SocketSizes { receive_buffer: sizes.0, send_buffer: sizes.1 };
        notes(&options, &options.listen.clone(), sizes, &BOUNDS).join("\n")
    }

    #[test]
    fn what_the_kernel_cuts_is_said_with_the_setting() {
        assert_eq!(noted(|_| {}, (131_072, 16_384)), "", "defaults need no word");
        let text = noted(|options| options.socket.backlog = 5000, (0, 0));
        assert!(text.contains("--backlog 5000 is cut to 4096") && text.contains("net.core.somaxconn=5000"), "{text}");
        assert_eq!(noted(|options| options.socket.backlog = 4096, (0, 0)), "");
        let text = noted(|options| options.socket.receive_buffer = Some(50_000), (20_000, 0));
        assert!(text.contains("--rcvbuf 50000 is cut by net.core.rmem_max = 10000"), "{text}");
        let text = noted(|options| options.socket.send_buffer = Some(1), (0, 4608));
        assert!(text.contains("--sndbuf 1 is less than the kernel gives: 4608 bytes"), "{text}");
        assert_eq!(noted(|options| options.socket.send_buffer = Some(5000), (0, 10_000)), "");
    }

    #[test]
    fn a_handicap_is_said() {
        let text = noted(|options| options.handicap_ns = NonZeroU32::new(15), (0, 0));
        assert!(text.contains("--handicap 15: each request costs 15 ns"), "{text}");
        let text = noted(|options| options.hello_cost_ns = NonZeroU32::new(1_500_000), (0, 0));
        assert!(text.contains("--hello-cost: the first request of each connection costs 1ms 500us"), "{text}");
    }

    #[test]
    fn keep_alive_is_said_where_it_is_all_there_is() {
        let text = noted(|options| options.idle_timeout = Duration::ZERO, (0, 0));
        assert!(text.contains("after 300 s of silence") && text.contains("after 450 s"), "{text}");
    }
}
