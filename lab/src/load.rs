//! `c10m load`: options of one load run, its progress bar, and its record as a table or as JSON.

use anyhow::Context;
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use loadgen::record::{Record, State, Summary};
use loadgen::{Engine, LoadError, Options, Phase, Process, Snapshot};
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Exit code of a run whose measurement is invalid.
const EXIT_INVALID: u8 = 4;

/// Loads a server, open or closed loop, and judges the measurement.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoadArgs {
    /// What to load: tcp://HOST:PORT (echo) or http://HOST:PORT/PATH
    target: String,
    /// Connections to hold
    #[arg(short = 'c', long, default_value_t = 10, value_name = "N")]
    connections: u32,
    /// Worker threads
    #[arg(short = 't', long, default_value_t = 1, value_name = "T")]
    threads: u32,
    /// Length of the measured window
    #[arg(short = 'd', long, default_value = "10s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Load before the window: verified, not recorded
    #[arg(long, default_value = "500ms", value_parser = humantime::parse_duration, value_name = "DURATION")]
    warmup: Duration,
    /// Requests per second in total; absent: closed loop; 0: hold the connections idle
    #[arg(short = 'r', long, value_name = "R")]
    rate: Option<f64>,
    /// How arrivals are spaced when there is a rate
    #[arg(long, value_enum, default_value_t = ScheduleName::Poisson)]
    schedule: ScheduleName,
    /// Seed of the schedule; random when absent, and printed either way
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Requests written in one send (closed loop only)
    #[arg(long, default_value_t = 1, value_name = "N")]
    pipeline: u32,
    /// How long a reply may take
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    timeout: Duration,
    /// How long a connect may take
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    connect_timeout: Duration,
    /// Size of an echo message, 1 to 65,536
    #[arg(long, default_value_t = 64, value_name = "BYTES")]
    payload: u32,
    /// HTTP method
    #[arg(long, default_value = "GET")]
    method: String,
    /// HTTP header, as often as needed
    #[arg(long = "header", value_parser = parse_header, value_name = "'K: V'")]
    headers: Vec<(String, String)>,
    /// HTTP request body
    #[arg(long, default_value = "", value_name = "STRING", hide_default_value = true)]
    body: String,
    /// What the body of every 2xx reply must be
    #[arg(long, value_name = "STRING")]
    expect_body: Option<String>,
    /// Pin worker i to the i-th of these CPUs, for example 0,2-3
    #[arg(long, value_parser = parse_cpus, value_name = "LIST")]
    cpus: Option<Cpus>,
    /// Source addresses to connect from
    #[arg(long = "source", value_delimiter = ',', value_name = "ADDR,…")]
    sources: Vec<IpAddr>,
    /// How to do the I/O
    #[arg(long, value_enum, default_value_t = EngineName::Epoll)]
    engine: EngineName,
    /// Permit a target in a private address range
    #[arg(long)]
    allow_private: bool,
    /// Sample the CPU time of this process over the window
    #[arg(long, value_name = "PID")]
    watch_pid: Option<u32>,
    /// Sample the busy time of these CPUs over the window
    #[arg(long, value_parser = parse_cpus, value_name = "LIST")]
    watch_cpus: Option<Cpus>,
    /// Print the record as one JSON document on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EngineName {
    Epoll,
    #[value(name = "io_uring")]
    IoUring,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScheduleName {
    Poisson,
    Constant,
}

/// A list in one argument: a bare `Vec` would make clap expect several.
#[derive(Debug, Clone)]
struct Cpus(Vec<u32>);

fn parse_cpus(text: &str) -> Result<Cpus, LoadError> {
    loadgen::parse_cpus(text).map(Cpus)
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write 'Name: value'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

impl LoadArgs {
    fn into_options(self) -> Options {
        Options {
            target: self.target,
            connections: self.connections,
            threads: self.threads,
            duration: self.duration,
            warmup: loadgen::WarmUp::Fixed(self.warmup),
            rate: self.rate,
            process: match self.schedule {
                ScheduleName::Poisson => Process::Poisson,
                ScheduleName::Constant => Process::Constant,
            },
            seed: self.seed,
            pipeline: self.pipeline,
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            payload_len: self.payload,
            method: self.method,
            headers: self.headers,
            body: self.body,
            expect_body: self.expect_body,
            cpus: self.cpus.map_or_else(Vec::new, |cpus| cpus.0),
            sources: self.sources,
            engine: match self.engine {
                EngineName::Epoll => Engine::Epoll,
                EngineName::IoUring => Engine::IoUring,
            },
            allow_private: self.allow_private,
            watch_pid: self.watch_pid,
            watch_cpus: self.watch_cpus.map_or_else(Vec::new, |cpus| cpus.0),
            ..Options::default()
        }
    }
}

/// Runs the load and prints its record; the value is the exit code.
///
/// # Errors
/// When standard output or the signal handlers fail; what goes wrong with the load is printed here.
pub(crate) fn run(args: LoadArgs) -> anyhow::Result<u8> {
    let json = args.json;
    let options = args.into_options();
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second signal ends the program at once, should the first not be enough.
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))
            .context("cannot handle signals")?;
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot handle signals")?;
    }
    let progress = Progress::new(&options);
    let outcome = loadgen::run(&options, &stop, |snapshot| progress.show(&snapshot));
    progress.finish();
    let record = match outcome {
        Ok(outcome) => outcome.record,
        Err(error) => {
            eprintln!("c10m: {error}");
            return Ok(error.exit_code());
        }
    };
    let mut output = std::io::stdout().lock();
    if json {
        serde_json::to_writer(&mut output, &record).context("cannot write the record")?;
        writeln!(output).context("cannot write the record")?;
    } else {
        print_tables(&mut output, &record).context("cannot write the tables")?;
    }
    Ok(if record.verdict.state == State::Invalid { EXIT_INVALID } else { 0 })
}

/// A bar on stderr; hidden when stderr is no terminal.
struct Progress {
    bar: ProgressBar,
    connections: u32,
}

impl Progress {
    fn new(options: &Options) -> Progress {
        let total = options.duration;
        let bar = ProgressBar::with_draw_target(Some(total.as_millis() as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {msg}") {
            bar.set_style(style);
        }
        Progress { bar, connections: options.connections }
    }

    fn show(&self, snapshot: &Snapshot<'_>) {
        let (name, position) = match snapshot.phase {
            Phase::Connecting => ("connecting", Duration::ZERO),
            Phase::WarmingUp => ("warming up", snapshot.elapsed),
            Phase::Measuring => ("measuring", snapshot.elapsed),
            Phase::Finishing => ("finishing", self.bar.duration()),
        };
        self.bar.set_position(position.as_millis() as u64);
        let Snapshot { connections_open, completed, failed, .. } = snapshot;
        self.bar.set_message(format!(
            "{name}: {connections_open}/{} open, {completed} done, {failed} failed",
            self.connections
        ));
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn print_tables(output: &mut impl Write, record: &Record) -> std::io::Result<()> {
    writeln!(
        output,
        "{}\n{}, {} on {} connections, {:.1} s, seed {}",
        record.target,
        if record.mode == "idle" { "held idle".into() } else { format!("{} loop", record.mode) },
        record.workload,
        record.connections.established,
        record.duration_us as f64 / 1e6,
        record.seed
    )?;
    writeln!(output, "{}", counts(record))?;
    if record.requests.scheduled > 0 {
        writeln!(output, "{}", times(record))?;
    }
    if let ("idle", Some(bytes)) = (record.mode.as_str(), record.memory.per_connection_bytes) {
        writeln!(output, "the generator's own memory: {bytes:.0} bytes per connection")?;
    }
    for (what, errors) in [("requests", &record.requests.errors), ("connections", &record.connections.errors)] {
        for (name, count) in errors {
            writeln!(output, "{what} lost to {name}: {count}")?;
        }
    }
    writeln!(output, "verdict {}", record.verdict.state.name())?;
    for check in record.verdict.checks.iter().filter(|check| check.state != State::Valid) {
        let found = format!("{} {} {}: {}", check.state.name(), check.id, check.title, check.value);
        for (text, indent) in [(&found, "  "), (&check.why, "     ")] {
            let options = textwrap::Options::new(width()).initial_indent(indent).subsequent_indent("     ");
            textwrap::wrap(text, options).iter().try_for_each(|line| writeln!(output, "{line}"))?;
        }
    }
    Ok(())
}

/// Width of the terminal, or 80 columns when there is none.
fn width() -> usize {
    Table::new().width().map_or(80, usize::from)
}

/// A table of numbers behind a first column of names, no wider than the terminal.
fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width() as u16);
    table.set_header(header.iter().copied());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn counts(record: &Record) -> Table {
    let (requests, cpu) = (&record.requests, &record.cpu);
    let mut table = table(&["requests/s", "completed", "failed", "timed out", "censored", "unsent", "CPU us/req"]);
    let cpu_us = match cpu.requests_completed_in_window {
        0 => "-".into(),
        count => format!("{:.2}", (cpu.user_us + cpu.system_us) as f64 / count as f64),
    };
    table.add_row([
        tuning::thousands(record.requests_per_second as u64),
        tuning::thousands(requests.completed),
        requests.failed.to_string(),
        requests.timed_out.to_string(),
        requests.censored.to_string(),
        requests.unsent.to_string(),
        cpu_us,
    ]);
    table
}

/// Four digits are more than a measurement is good for.
fn micros(value: f64) -> String {
    if value < 1000.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn times(record: &Record) -> Table {
    let mut table = table(&["us", "p50", "p90", "p99", "p99.9", "p99.99", "max"]);
    let mut add = |name: &str, summary: &Summary| {
        let quantiles = [summary.p50, summary.p90, summary.p99, summary.p99_9, summary.p99_99, summary.max];
        let cells = quantiles.iter().map(|value| value.map_or("-".into(), micros));
        table.add_row(std::iter::once(name.to_owned()).chain(cells));
    };
    add("response", &record.response_us);
    if record.mode == "open" {
        add("service", &record.service_us);
        add("lateness", &record.lateness_us);
        add("back-pressure", &record.back_pressure_us);
    }
    add("connect", &record.connect_us);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        assert_eq!(parse_header("A: b:c"), Ok(("A".into(), "b:c".into())));
        assert!(parse_header("A").is_err());
    }
}
