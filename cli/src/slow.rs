//! `c10m slow`: clients that misbehave by being slow, and what the server does about them.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use loadgen::LoadError;
use loadgen::slow::{Kind, Options, Record};
use results::report::count;

use crate::given::Given;
use crate::load::{self, EXIT_INTERRUPTED};

/// Time between two bytes unless given: what usual timeouts take for progress, and one thread bears for many.
const INTERVAL: Duration = Duration::from_secs(1);
/// The same for segments, which are to be many.
const INTERVAL_OF_SEGMENTS: Duration = Duration::from_millis(10);

const EXAMPLES: &str = "\
Examples:
  1,000 clients that never finish the head of their request (slowloris):
    c10m slow heads http://127.0.0.1:8080/ -c 1000
  bodies that arrive a byte every 5 s, after 32 KiB at once:
    c10m slow bodies http://127.0.0.1:8080/echo --interval 5s --ahead 32k
  clients that do not read what they asked for, and come back when they are
  closed:
    c10m slow unread http://127.0.0.1:8080/bytes/10000000 -c 100 --reopen

What the others notice shows an ordinary load beside it (c10m load).

Exit codes: 0 done, 1 failed or interrupted, 2 usage.";

/// Arguments of `c10m slow`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SlowArgs {
    #[command(flatten)]
    given: Given,
    /// What the clients do
    #[arg(value_parser = kind_parser())]
    kind: Kind,
    /// What they connect to: http://HOST:PORT/PATH; idle clients connect to tcp://HOST:PORT, too
    target: String,
    /// Connections at the same time
    #[arg(short = 'c', long, default_value_t = 100, value_name = "N", value_parser = crate::count::between(1, u32::MAX))]
    connections: u32,
    /// How long they stay
    #[arg(short = 'd', long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Time between two bytes of a connection, at least 100us [default: 1s; 10ms with segments]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    interval: Option<Duration>,
    /// Connects started per second at most
    #[arg(long, default_value = "1000", value_name = "R", value_parser = crate::count::rate)]
    connect_rate: f64,
    /// How long a connect may take
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = humantime::parse_duration)]
    connect_timeout: Duration,
    /// Open a connection again that the server has closed
    #[arg(long)]
    reopen: bool,
    /// Length that each body announces (Content-Length)
    #[arg(long, default_value = "64k", value_name = "BYTES", value_parser = crate::size::small)]
    body_len: u32,
    /// Bytes of each body that are sent at once
    #[arg(long, default_value = "0", value_name = "BYTES", value_parser = crate::size::small)]
    ahead: u32,
    /// CPU of the one thread
    #[arg(long, value_name = "N")]
    cpu: Option<u32>,
    /// Source addresses to connect from
    #[arg(long = "source", value_delimiter = ',', value_name = "ADDR,…")]
    sources: Vec<IpAddr>,
    /// Print the record as one JSON document on stdout
    #[arg(long)]
    json: bool,
    /// Allow a target in a private address range
    #[arg(long)]
    allow_private: bool,
    /// Allow this public host; repeat the name of the target's host here
    #[arg(long, value_name = "HOST")]
    i_own: Option<String>,
}

fn kind_parser() -> impl TypedValueParser<Value = Kind> {
    let words = PossibleValuesParser::new(Kind::ALL.map(|kind| PossibleValue::new(kind.name()).help(kind.what())));
    words.try_map(|name| Kind::named(&name).ok_or("no such kind"))
}

impl SlowArgs {
    /// Refuses options without effect.
    fn check_effects(&self) -> Result<(), LoadError> {
        let bodies = |name, flag| (self.given.has(name) && self.kind != Kind::Bodies).then_some((flag, "bodies"));
        let interval = self.given.has("interval") && !self.kind.has_interval();
        let stray = [
            interval.then_some(("--interval", "heads, bodies or segments")),
            bodies("body_len", "--body-len"),
            bodies("ahead", "--ahead"),
        ];
        let Some((flag, needs)) = stray.into_iter().flatten().next() else { return Ok(()) };
        Err(LoadError::Usage(format!("{flag} has no effect on {}: it needs {needs}", self.kind)))
    }

    fn into_options(self) -> Options {
        let usual = if self.kind == Kind::Segments { INTERVAL_OF_SEGMENTS } else { INTERVAL };
        Options {
            kind: self.kind,
            target: self.target,
            connections: self.connections,
            connect_rate: self.connect_rate,
            connect_timeout: self.connect_timeout,
            interval: self.interval.unwrap_or(usual),
            duration: self.duration,
            reopens: self.reopen,
            body_len: self.body_len,
            ahead_len: self.ahead,
            cpu: self.cpu,
            sources: self.sources,
            allow_private: self.allow_private,
            i_own: self.i_own,
        }
    }
}

/// Drives the clients and prints what became of them. Returns the exit code.
///
/// # Errors
/// When stdout or the signal handlers fail. Errors of the clients are printed here.
pub(crate) fn run(args: SlowArgs) -> anyhow::Result<u8> {
    let json = args.json;
    if let Err(error) = args.check_effects() {
        return Ok(load::refuse(&error));
    }
    let options = args.into_options();
    if let Err(error) = load::check_memory(&options.as_load()) {
        return Ok(load::refuse(&error));
    }
    let stop = load::stop_on_signals()?;
    let record = match loadgen::slow::run(&options, &stop) {
        Ok(record) => record,
        Err(error) => return Ok(load::refuse(&error)),
    };
    load::print(|stdout| {
        if json {
            return load::write_json(stdout, &record);
        }
        stdout.extend_from_slice(text(&record).as_bytes());
        Ok(())
    })?;
    Ok(if record.interrupted { EXIT_INTERRUPTED } else { 0 })
}

/// What became of the clients, for people.
fn text(record: &Record) -> String {
    let number = |number: u64| count(number as f64);
    let seconds = |us: u64| format!("{:.1} s", us as f64 / 1e6);
    let names = |names: &mut dyn Iterator<Item = (String, u64)>| {
        let parts = names.map(|(name, times)| format!("{name} {}", number(times)));
        parts.collect::<Vec<_>>().join(", ")
    };
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name:<22}{value}");
    };
    line("target", record.target.clone());
    line("clients", format!("slow {}, {} at the same time", record.kind, number(u64::from(record.connections))));
    let early = if record.interrupted { ", interrupted" } else { "" };
    line("time", format!("{}{early}", seconds(record.duration_us)));
    line("connections opened", format!("{}, at most {} at a time", number(record.opened), number(record.open_max)));
    if !record.failed.is_empty() {
        line("connects failed", names(&mut record.failed.clone().into_iter()));
    }
    line("closed by the server", number(record.closed_by_server));
    line("reset by the server", number(record.reset));
    if !record.lost.is_empty() {
        line("ended otherwise", names(&mut record.lost.clone().into_iter()));
    }
    line("open at the end", number(record.open_at_end));
    if let (Some(median), Some(max)) = (record.held_us.p50, record.held_us.max) {
        line("ended by the server", format!("after {} (median), {} at most", seconds(median), seconds(max)));
    }
    if !record.statuses.is_empty() {
        let mut statuses = record.statuses.iter().map(|(status, times)| (status.to_string(), *times));
        line("replies by status", names(&mut statuses));
    }
    line("bytes", format!("{} sent, {} read", number(record.sent_bytes), number(record.received_bytes)));
    text
}
