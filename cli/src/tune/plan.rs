//! `c10m tune plan`: the chain of limits, the memory and the commands for a number of connections, as a page of text
//! or as JSON. The crate `tuning` decides what they mean.

use std::time::Duration;

use clap::ValueEnum;
use comfy_table::{Cell, CellAlignment, Color, ColumnConstraint, Table, Width};
use host::Facts;
use protocol::Workload;
use server::Variant;
use tuning::budget;
use tuning::plan::{Backend, Host, Link, Owner, Plan, Request, Side, Unreadable, Verdict};
use tuning::{IoUring, bytes, thousands};

use super::count::{count, short};
use super::layout::{NAME_WIDTH, explanation, new_table, shown, terminal_width, wrapped};
use crate::workload;

const EXAMPLES: &str = "\
Examples:
  ten million idle connections, clients elsewhere:
    c10m tune plan --connections 10M
  both ends on this host, 60 event loops and 60 workers:
    c10m tune plan --connections 1M --side both --reactors 60
  five million with a heartbeat a minute, clients in user space:
    c10m tune plan --connections 5M --side tun --heartbeat 60s

Exit codes: 0 whenever a plan was made, also one that does not fit
(see `fit` and `first_wall` of --json); 2 usage.";

/// Arguments of `c10m tune plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PlanArgs {
    /// Connections open at the same time; accepts 10k, 2.5M and 1e6.
    #[arg(long, value_name = "N", value_parser = count)]
    connections: u64,
    /// What the server speaks.
    #[arg(long, default_value_t = Workload::Echo, value_parser = workload::parser(|workload| match workload {
        Workload::Echo => "Every byte comes back",
        Workload::Http => "HTTP/1.1",
    }))]
    workload: Workload,
    #[arg(long, default_value = "epoll", value_name = "BACKEND", value_parser = backend, help = backend_help())]
    backend: Backend,
    /// Period in which each connection sends once; absent: all are idle.
    #[arg(long, value_name = "DURATION", value_parser = heartbeat)]
    heartbeat: Option<Duration>,
    /// Which ends of the connections are on this host.
    #[arg(long, value_enum, default_value_t = SideName::Server)]
    side: SideName,
    /// The load generator on this host is `c10m load --engine io_uring`, with a receive armed on each connection.
    #[arg(long)]
    ring_clients: bool,
    /// Event loops of the server, and workers of a generator on this host [default: one per CPU, one worker].
    #[arg(long, value_name = "N", value_parser = crate::count::between(1_u64, budget::THREADS_MAX))]
    reactors: Option<u64>,
    /// Number of client addresses [default: those of loopback; elsewhere unknown].
    #[arg(long, value_name = "N", value_parser = count)]
    sources: Option<u64>,
    /// Print one JSON document instead of a page.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SideName {
    /// The server's; clients are on other hosts.
    Server,
    /// Both, over loopback: two kernel sockets per connection.
    Both,
    /// The server's in the kernel, the clients' in user space behind a TUN device.
    Tun,
}

fn backend_help() -> String {
    let names = Backend::ALL.map(Backend::name);
    let (last, others) = names.split_last().expect("there are backends");
    format!("{} or {last}", others.join(", "))
}

fn backend(name: &str) -> Result<Backend, String> {
    Backend::named(name).ok_or_else(|| {
        let names = Backend::ALL.map(Backend::name).join(", ");
        format!("expected one of {names}")
    })
}

fn heartbeat(text: &str) -> Result<Duration, String> {
    let period = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let is_sensible = period >= Duration::from_millis(1) && u64::try_from(period.as_millis()).is_ok();
    is_sensible.then_some(period).ok_or_else(|| "expected at least 1ms, such as 60s".to_owned())
}

impl PlanArgs {
    fn request(&self) -> Request {
        Request {
            connections: self.connections,
            workload: self.workload,
            backend: self.backend,
            side: match self.side {
                SideName::Server => Side::Server,
                SideName::Both => Side::Both,
                SideName::Tun => Side::Tun,
            },
            ring_clients: self.ring_clients,
            heartbeat_ms: self.heartbeat.map(|period| period.as_millis() as u64),
            reactors: self.reactors,
            sources: self.sources,
        }
    }
}

/// The text of a plan for this host. `io_uring` tells whether a ring can be set up here.
pub(super) fn text(args: &PlanArgs, io_uring: &IoUring) -> anyhow::Result<String> {
    let mut plan = Plan::new(&Facts::of_this_host(), &Host::of_this_host(), args.request(), io_uring);
    if variant(args.backend).is_err() {
        let name = args.backend.name();
        plan.commands.insert(0, format!("# c10m serve cannot do {name}: limits and memory are those of the kernel"));
    }
    Ok(match args.json {
        true => serde_json::to_string_pretty(&plan)? + "\n",
        false => render(&plan, terminal_width()),
    })
}

/// The server's name for it.
fn variant(backend: Backend) -> Result<Variant, String> {
    match backend.name().split_once(':') {
        Some((backend, variant)) => Variant::named(backend, Some(variant)),
        None => Variant::named(backend.name(), None),
    }
}

/// The whole page: the answer, the chain, an explanation for each link that does not hold, the parts of the memory,
/// the commands.
fn render(plan: &Plan, width: u16) -> String {
    let columns = width.into();
    let mut text = answer(plan, columns);
    text.push('\n');
    text.push_str(&chain(plan, width).trim_fmt());
    text.push_str("\n\n");
    for link in plan.chain.iter().filter(|link| link.verdict != Verdict::Holds) {
        let [now, need] =
            [link.limit, link.need].map(|value| value.map_or("unknown".to_owned(), |value| amount(link, value)));
        let words = [link.verdict.word(), link.id, link.title, &link.meaning, link.source];
        let values = format!("Now {now}, needed {need} ({}).", link.unit);
        text.push_str(&explanation([8, columns], words, Some(values), link.command.as_deref()));
    }
    text.push_str(&memory(plan, width).trim_fmt());
    text.push('\n');
    text.push_str(&wrapped(&format!("From {}.", plan.prediction.basis.sentence()), "", columns));
    text.push_str("\nCommands, in this order:\n");
    for command in &plan.commands {
        // Never wrapped, so that users can copy them.
        text.push_str(&format!("  {}\n", shown(command)));
    }
    text
}

fn answer(plan: &Plan, width: usize) -> String {
    let request = &plan.request;
    let workload = request.workload;
    let (side, whose) = match request.side {
        Side::Server => ("the server's side", "the server's side"),
        Side::Both => ("both sides on this host", "both sides"),
        Side::Tun => ("the server's side and clients in user space", "this host"),
    };
    let beat = request.heartbeat_ms.map_or("idle".to_owned(), |period| {
        format!("a heartbeat each {}", humantime::format_duration(Duration::from_millis(period)))
    });
    let connections = thousands(request.connections);
    let mut text = wrapped(
        &format!("{connections} connections: {workload}, {}, {side}, {beat}.", request.backend.name()),
        "",
        width,
    );
    let mut line = |sentence: &str| text.push_str(&wrapped(sentence, "", width));
    let needed = bytes(plan.needs.memory_bytes);
    line(&match plan.memory_bytes_available.zip(plan.memory_limit) {
        None => format!("Memory: needs {needed} for {whose}; cannot read how much this host has."),
        Some((available, limit)) => {
            let fits = plan.memory_fits.map_or(String::new(), |most| format!(": fits {}", thousands(most)));
            format!("Memory: needs {needed} for {whose}; {} {} to spare{fits}.", limit.has(), bytes(available))
        }
    });
    let needs = &plan.needs;
    let threads = |count: Option<u64>, what: &str| {
        count.map_or(format!("more {what} than there can be"), |n| format!("{} {what}", thousands(n)))
    };
    let mut parts = vec![threads(needs.reactors, "reactors")];
    if request.side.has_generator() {
        parts.push(threads(needs.workers, "workers"));
    }
    parts.extend(needs.addresses.map(|addresses| format!("{} client addresses", thousands(addresses))));
    line(&format!("Needs: {}.", parts.join(", ")));
    line(&verdict(plan));
    if let (Some(_), Some(most)) = (plan.first_wall, plan.fits_mended) {
        let hedge = if plan.unreadable.is_empty() { "" } else { "at most " };
        line(&format!("With the commands below {hedge}{} fit; no command makes the rest fit.", thousands(most)));
    } else if plan.first_wall.is_some() && plan.impossible.is_none() {
        let hedge = if plan.unreadable.is_empty() { "" } else { ", as far as readable," };
        line(&format!("With the commands below{hedge} all of them fit."));
    }
    if !plan.unreadable.is_empty() {
        line("Not readable, so whatever fits is an upper bound:");
        for Unreadable { what, how } in &plan.unreadable {
            text.push_str(&format!("  {}\n", shown(&format!("{what} ({how})"))));
        }
    }
    text
}

/// The answer that a reader looks for first.
fn verdict(plan: &Plan) -> String {
    let is_known = plan.unreadable.is_empty();
    if let Some(reason) = &plan.impossible {
        return format!("Impossible: {reason}.");
    }
    let unknown = if is_known { "any number" } else { "no limit that could be read" };
    let fits = plan.fits_now.map_or(unknown.to_owned(), thousands);
    match (plan.first_wall, is_known) {
        (Some(wall), true) => format!("First wall: {wall}. As things are, {fits} fit."),
        (Some(wall), false) => format!("First wall that is readable: {wall}. As things are, at most {fits} fit."),
        (None, true) => format!("No wall: they fit as things are; {fits} would."),
        (None, false) => format!("No wall as far as readable: whether they fit is not known. At most: {fits}."),
    }
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn chain(plan: &Plan, width: u16) -> Table {
    let mut table = new_table(width, ["verdict", "limit", "now", "need", "hit at"]);
    for link in &plan.chain {
        let amount = |value: Option<u64>| value.map_or("–".to_owned(), |value| amount(link, value));
        table.add_row([
            Cell::new(link.verdict.word()).fg(color(link.verdict)),
            Cell::new(link.id),
            right(amount(link.limit)),
            right(amount(link.need)),
            right(link.hit_at.map_or("–".to_owned(), short)),
        ]);
    }
    table.set_constraints([ColumnConstraint::ContentWidth, ColumnConstraint::Absolute(Width::Fixed(NAME_WIDTH))]);
    table
}

/// A value in the unit of its limit.
fn amount(link: &Link, value: u64) -> String {
    if link.unit == "bytes" { bytes(value) } else { short(value) }
}

fn color(verdict: Verdict) -> Color {
    match verdict {
        Verdict::Holds => Color::Green,
        Verdict::Unknown => Color::Cyan,
        Verdict::Slows => Color::Yellow,
        Verdict::Wall => Color::Red,
    }
}

fn memory(plan: &Plan, width: u16) -> Table {
    let mut table = new_table(width, ["memory of", "count", "each", "together"]);
    for part in &plan.prediction.parts {
        let name = match part.owner {
            Owner::Slab => format!("slab {}", part.name),
            Owner::Kernel | Owner::Server | Owner::Generator => part.name.to_owned(),
        };
        let each = part.bytes as f64 / part.count.max(1) as f64;
        let each = if each < 10_000.0 { format!("{each:.0} B") } else { bytes(each as u64) };
        table.add_row([Cell::new(name), right(short(part.count)), right(each), right(bytes(part.bytes))]);
    }
    let prediction = &plan.prediction;
    for (name, total) in [
        ("kernel, slabs", prediction.slab_bytes),
        ("  not seen by MemAvailable", prediction.reclaimable_bytes),
        ("kernel, all", prediction.kernel_bytes),
        ("server", prediction.server_bytes),
        ("generator", prediction.generator_bytes),
        ("everything", prediction.total_bytes),
    ] {
        if total > 0 {
            let each = format!("{:.0} B", total as f64 / plan.request.connections as f64);
            table.add_row([
                Cell::new(format!("= {name}")),
                right(short(plan.request.connections)),
                right(each),
                right(bytes(total)),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use host::OpenFilesLimit;

    use super::*;

    fn plan(connections: u64, side: Side, backend: Backend) -> Plan {
        // A root without files gives the longest page, because most limits are unknown.
        let nowhere = Path::new("/nonexistent");
        let facts = Facts::read(nowhere, OpenFilesLimit { soft: Some(1024), hard: Some(20_000) });
        let request = Request {
            connections,
            workload: Workload::Http,
            backend,
            side,
            ring_clients: false,
            heartbeat_ms: Some(60_000),
            reactors: None,
            sources: None,
        };
        Plan::new(&facts, &Host::read(nowhere, 4096), request, &IoUring::Unavailable("ENOSYS".to_owned()))
    }

    #[test]
    fn the_page_fits_its_terminal() {
        for connections in [1, 10_000_000, u64::MAX] {
            for backend in Backend::ALL {
                for side in [Side::Server, Side::Both, Side::Tun] {
                    let plan = plan(connections, side, backend);
                    for width in [80, 200] {
                        let text = render(&plan, width);
                        let copied = |line: &str| line.contains('→') || line.starts_with("  ");
                        for line in text.lines().filter(|line| !copied(line)) {
                            assert!(line.chars().count() <= width.into(), "{width}: {line:?}");
                        }
                        assert!(plan.chain.iter().all(|link| text.contains(link.id)), "a name was broken");
                        // Almost nothing of this host can be read.
                        let claims = ["any number", "they fit as things are", "below all of them fit"];
                        assert!(!claims.iter().any(|claim| text.contains(claim)), "{text}");
                        assert!(text.contains("  fs.file-max (as root: sysctl fs.file-max)"), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_backend_of_the_server_can_be_planned() {
        // Both receive as multishot does, so they cost the kernel the same.
        let tricks = [Variant::UringInline, Variant::UringGather];
        for known in Variant::ALL.into_iter().filter(|variant| !tricks.contains(variant)) {
            let planned = Backend::ALL.into_iter().any(|backend| {
                variant(backend).is_ok_and(|found| {
                    // Both variants of epoll cost the kernel the same.
                    found == known || found.backend() == known.backend() && !backend.is_uring()
                })
            });
            assert!(planned, "{known}");
        }
    }

    #[test]
    fn what_cannot_be_planned_is_refused() {
        assert_eq!(backend("io_uring"), Ok(Backend::UringMultishot));
        assert!(backend("kqueue").unwrap_err().contains("io_uring:poll"));
        assert_eq!(heartbeat("60s"), Ok(Duration::from_secs(60)));
        for text in ["0s", "999us", "", "60", "-1s", "18446744073709551615y"] {
            assert!(heartbeat(text).is_err(), "{text}");
        }
    }
}
