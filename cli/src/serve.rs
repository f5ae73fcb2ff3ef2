//! `c10m serve`: runs a server until a signal drains it.

mod admission;
mod announce;
mod args;
mod blocking;
mod cpus;
mod listen;
mod memory;
mod socket;
mod stats;

use std::io;
use std::net::SocketAddr;

use anyhow::Context;
use crossbeam::channel::Receiver;
use host::{Cgroup, SocketBounds};
use server::{
    Event, Exit, HandoverLine, HandoverNews, Inherited, InheritedFrom, Order, Report, Server, StatsLine, Told,
    Unavailable, setcap,
};

use crate::output_stream::Stream;
use crate::signals;
pub(crate) use args::ServeArgs;

/// Runs a server until it is drained.
pub(crate) fn run(args: ServeArgs) -> anyhow::Result<u8> {
    let (variant, chosen) = match args.variant() {
        Ok(choice) => choice,
        Err(message) => return usage(&message),
    };
    // Comes before anything is opened, and before a second thread runs.
    let inherited = Inherited::from_environment()?;
    // Comes before signals are caught: looking up a name may take long, and the user may interrupt it.
    let places = match places(&args, inherited.as_ref())? {
        Ok(places) => places,
        Err(message) => return usage(&message),
    };
    let endpoints = inherited.as_ref().map_or_else(|| places.endpoints(), Inherited::endpoints);
    if let Err(message) = args.check(&endpoints) {
        return usage(&message);
    }
    let group = Cgroup::of_this_process().memory_bytes;
    let (options, memory_note) = args.options(variant, endpoints, group).map_err(anyhow::Error::msg)?;
    // Comes before the first reactor: a signal during the start must not kill half a server. The first signal drains,
    // the next one stops.
    let orders = signals::received(Order::Drain).context("cannot catch signals")?;
    let mut voice = Voice::new(args.json).context("cannot start a thread")?;
    if let Some(reason) = chosen {
        voice.say(format!("c10m: chose {variant}: {reason}"));
    }
    let is_passed = inherited.is_some();
    let started = match inherited {
        Some(inherited) => Server::start_with(options.clone(), inherited),
        None => Server::start(options.clone()),
    };
    let server = match started {
        Ok(server) => server,
        Err(unavailable) => return Ok(voice.fail(&refusal(&unavailable), &orders)),
    };
    let mut notes = listen::notes(&places.places, server.endpoints());
    notes.extend(places.notes);
    notes.extend(memory_note);
    notes.extend(announce::notes(
        &options,
        server.endpoints(),
        server.socket_sizes(),
        &SocketBounds::of_this_process(),
    ));
    let origin = match server.predecessor() {
        Some(pid) => Some(InheritedFrom::Predecessor { pid }),
        None => is_passed.then_some(InheritedFrom::Environment),
    };
    notes.extend(origin.map(announce::origin_note));
    notes.extend(server.shortcomings().iter().map(announce::shortcoming_note));
    if args.json {
        voice.tell(announce::line(&announce::ready(&server, &options, origin, notes)));
    } else {
        voice.say(announce::ready_sentence(&server, &options));
        notes.iter().for_each(|note| voice.say(format!("c10m:   {note}")));
    }
    let report = server.supervise_with(&orders, args.stats, &mut |told| match told {
        Told::Stats(stats) => voice.stats(stats),
        Told::Handover(news) => voice.handover(news),
    });
    Ok(voice.conclude(&report, &orders))
}

/// The places that --listen stands for, unless a service manager has chosen.
fn places(args: &ServeArgs, inherited: Option<&Inherited>) -> anyhow::Result<Result<listen::Places, String>> {
    match inherited {
        Some(_) => Ok(args.check_inherited().map(|()| listen::Places::default())),
        None => listen::Places::of(&args.listen),
    }
}

fn usage(message: &str) -> anyhow::Result<u8> {
    say!("c10m: {message}");
    Ok(2)
}

/// Why the server cannot start, with the related facts about this host.
fn refusal(unavailable: &Unavailable) -> String {
    match unavailable {
        Unavailable::AddressInUse(address) => in_use(*address),
        Unavailable::BindDenied(address) => {
            denied(*address, SocketBounds::of_this_process().unprivileged_port_start, unavailable)
        }
        _ => unavailable.to_string(),
    }
}

/// For a port that the user may not bind: what would allow it. `start` is the first port that needs no capability.
fn denied(address: SocketAddr, start: Option<u64>, unavailable: &Unavailable) -> String {
    let port = address.port();
    let Some(start) = start else { return unavailable.to_string() };
    if u64::from(port) < start {
        return format!(
            "cannot listen on {address}: the port is below net.ipv4.ip_unprivileged_port_start = {start} and needs CAP_NET_BIND_SERVICE; run {} or `sysctl -w net.ipv4.ip_unprivileged_port_start={port}`, or choose a port from {start} on",
            setcap("cap_net_bind_service")
        );
    }
    format!(
        "cannot listen on {address}: bind(2) failed: permission denied, though ports from {start} on need no capability; let the security module or the seccomp profile of this host allow it, or choose another port"
    )
}

/// For an address in use: who uses it.
fn in_use(address: SocketAddr) -> String {
    let overlaps = |listening: &host::Listening| {
        let (theirs, ours) = (listening.address.ip().to_canonical(), address.ip());
        // An IPv6 wildcard may include IPv4 as well. /proc/net/tcp6 does not tell whether it does.
        theirs == ours || theirs.is_unspecified() || (ours.is_unspecified() && theirs.is_ipv4() == ours.is_ipv4())
    };
    let there: Vec<String> = host::listening(address.port())
        .iter()
        .filter(|listening| overlaps(listening))
        .map(|listening| match &listening.owner {
            Some((name, process)) => {
                // A process chooses its own name, so its control characters are made visible.
                let name = results::visible::visible_line(name);
                format!("{name} ({process}) listens on {}", listening.address)
            }
            None => format!("a process listens on {}", listening.address),
        })
        .collect();
    if there.is_empty() {
        return format!(
            "cannot listen on {address}: it is in use, apparently by a socket that does not listen; `ss -tanp 'sport = :{}'` shows it unless it is only bound; end its owner, or choose another port",
            address.port()
        );
    }
    format!(
        "cannot listen on {address}: it is in use, {}, and SO_REUSEPORT would share the connections; end that (`ss -ltnp 'sport = :{}'` shows it), or choose another port",
        there.join(", "),
        address.port()
    )
}

/// Both streams. stdout is for programs, stderr for people, and the account goes to one of them.
struct Voice {
    json: bool,
    stdout: Stream,
    stderr: Stream,
}

impl Voice {
    fn new(json: bool) -> io::Result<Voice> {
        let stderr = Stream::stderr()?;
        let stdout = Stream::stdout(Some(stderr.sender()))?;
        Ok(Voice { json, stdout, stderr })
    }

    fn say(&mut self, line: String) {
        self.stderr.offer(line);
    }

    fn tell(&mut self, line: String) {
        self.stdout.offer(line);
    }

    fn stats(&mut self, stats: &server::Stats) {
        if self.json {
            let line = StatsLine { lines_lost: self.stdout.lost(), stats: stats.clone() };
            self.tell(announce::line(&Event::Stats(line)));
        } else {
            self.say(stats::words(stats, self.stderr.lost()));
        }
    }

    fn handover(&mut self, news: &HandoverNews) {
        if self.json {
            let failure = news.failure.clone();
            let line = HandoverLine { successor_pid: news.successor, done: failure.is_none(), failure };
            self.tell(announce::line(&Event::Handover(line)));
        } else {
            self.say(announce::handover_sentence(news));
        }
    }

    /// Prints the last message of a server that never served.
    fn fail(self, message: &str, orders: &Receiver<Order>) -> u8 {
        // If the message cannot be printed, the exit code still tells.
        let _ = self.stderr.finish(vec![format!("c10m: {message}")], orders);
        1
    }

    /// Prints the account. Failing to print it is a failure, whatever the server did.
    fn conclude(self, report: &Report, orders: &Receiver<Order>) -> u8 {
        let code = report.exit_code();
        let mut words = Vec::new();
        let mut unwritten = false;
        if self.json {
            let exit = Exit { code, lines_lost: self.stdout.lost(), report: report.clone() };
            if let Err(cause) = self.stdout.finish(vec![announce::line(&Event::Exit(Box::new(exit)))], orders) {
                unwritten = true;
                words.push(format!("c10m: cannot write the account to stdout: {cause}"));
            }
        } else {
            words = announce::exit_sentences(report);
        }
        if let Some(error) = report.reactors.iter().find_map(|reactor| reactor.error.as_deref()) {
            words.push(format!("c10m: a reactor failed: {error}"));
        }
        let said = self.stderr.finish(words, orders);
        unwritten |= !self.json && said.is_err();
        if unwritten { 1 } else { code }
    }
}
