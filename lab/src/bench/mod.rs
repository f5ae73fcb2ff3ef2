//! `c10m bench`: experiments. One file for each; this one chooses, runs, prints and writes.

mod agreement;
mod baseline;
mod child;
mod commit;
mod generator;
mod generators;
mod memory;
mod omission;
mod peers;
mod plan;
mod proc;
mod quick;
mod runner;
mod servers;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};
use results::{report, run as run_directory, utc};
use server::Workload;

use plan::Experiment;

/// Every experiment.
const EXPERIMENTS: [fn() -> Experiment; 5] =
    [quick::experiment, baseline::experiment, generator::experiment, agreement::experiment, peers::experiment];

/// Arguments of `c10m bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Which experiment; `list` explains each.
    #[arg(default_value = "quick")]
    experiment: String,
    /// Where the run's directory is made.
    #[arg(long, value_name = "DIR", default_value = "results/runs")]
    out: PathBuf,
    /// Repeats of every arm [default: the experiment's].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeats: Option<u32>,
    /// Seconds of each measured interval [default: the experiment's].
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<f64>,
    /// Seed of the schedules; random when absent, and recorded either way.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print the record as one JSON document on stdout instead of tables.
    #[arg(long)]
    json: bool,
}

/// Runs an experiment, or lists them.
pub(crate) fn run(args: BenchArgs) -> anyhow::Result<u8> {
    if args.experiment == "list" {
        list();
        return Ok(0);
    }
    if args.experiment == omission::NAME {
        return omission::run(&args);
    }
    let Some(mut experiment) = EXPERIMENTS.iter().map(|make| make()).find(|made| made.name == args.experiment) else {
        let names: Vec<&str> = EXPERIMENTS.iter().map(|make| make().name).chain([omission::NAME]).collect();
        eprintln!(
            "c10m: there is no experiment {:?}; there are {} (see `c10m bench list`)",
            args.experiment,
            names.join(", ")
        );
        return Ok(2);
    };
    experiment.repeats = args.repeats.unwrap_or(experiment.repeats);
    experiment.seconds = args.seconds.unwrap_or(experiment.seconds);
    let seed = seed(&args);
    fs::create_dir_all(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    let stop = stop_flag()?;
    warn_of_debug_build();
    eprintln!("c10m: {}: {} runs of {} s, seed {seed}", experiment.name, experiment.run_count(), experiment.seconds);
    // Asked before the run: whoever edits meanwhile does not change the program that is running.
    let source = commit::current();
    let outcome = runner::run(experiment, seed, command_line(), source.as_ref(), &stop)?;
    let (commit, dirty) = source.unwrap_or_default();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let date = utc::date(SystemTime::now());
    let name = run_directory::name(&date, host.trim(), &commit, dirty, &outcome.record.experiment);
    let report = report::markdown(&outcome.record);
    let directory = run_directory::write(&args.out, &name, &outcome.record, &report, &outcome.histograms)
        .with_context(|| format!("cannot write below {}", args.out.display()))?;
    if args.json {
        print(&(serde_json::to_string(&outcome.record)? + "\n"))?;
    } else {
        let tables = report::table_rows(&outcome.record)
            .into_iter()
            .chain(report::agreement_table(&outcome.record))
            .chain(report::memory_table(&outcome.record));
        print(&terminal(tables))?;
    }
    eprintln!("c10m: wrote {}", directory.display());
    let unusable = outcome.record.cells.iter().flat_map(|cell| &cell.runs);
    if unusable.clone().count() > 0
        && unusable.clone().all(|run| run.verdict.state == results::record::VerdictState::Invalid)
    {
        bail!("no run was valid; the report says why");
    }
    Ok(0)
}

/// The seed asked for, or one that differs from run to run.
fn seed(args: &BenchArgs) -> u64 {
    args.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.as_nanos() as u64 ^ u64::from(std::process::id()) << 32
    })
}

/// Becomes true with SIGINT or SIGTERM.
fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.clone()).context("cannot catch signals")?;
    }
    Ok(stop)
}

fn warn_of_debug_build() {
    if cfg!(debug_assertions) {
        eprintln!("c10m: this is a debug build, its numbers mean nothing; use `cargo run --release`");
    }
}

fn list() {
    for make in EXPERIMENTS {
        let experiment = make();
        let minutes = experiment.run_count() as f64 * (experiment.seconds + 0.4) / 60.0;
        println!("{:<10} {}", experiment.name, experiment.question);
        println!("{:10} {} runs, about {minutes:.0} min", "", experiment.run_count());
    }
    let (runs, minutes) = omission::extent();
    println!("{:<10} {}\n{:10} {runs} runs, about {minutes:.0} min", omission::NAME, omission::QUESTION, "");
}

/// Columns a narrow terminal has to do without; the report has all of them.
const DISPENSABLE: [&str; 3] = ["p99.9 µs", "system µs", "client µs"];
/// Width in columns that the whole table needs.
const WIDTH_OF_ALL: u16 = 112;

/// Tables of a report, for a terminal of any width.
fn terminal(tables: impl IntoIterator<Item = report::Table>) -> String {
    let mut text = String::new();
    for data in tables {
        let mut table = Table::new();
        let line = LineStyle::none().fill('─').junction('─');
        table.load_style(TableStyle::new().top_border(line).header_separator(line).bottom_border(line));
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let narrow = table.width().is_some_and(|width| width < WIDTH_OF_ALL);
        table.set_header(&data.header);
        data.rows.iter().for_each(|row| {
            table.add_row(row);
        });
        let last = data.header.len() - 1;
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 1));
            if index != 0 && index != last {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if narrow && DISPENSABLE.contains(&data.header[index].as_str()) {
                column.set_constraint(ColumnConstraint::Hidden);
            }
        }
        text.push_str(&format!("\n{}\n{table}\n", data.title));
    }
    text
}

/// A reader that has seen enough, as in `| head`, is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("writing to stdout"),
        _ => Ok(()),
    }
}

/// The command line without the place of the program on this machine.
fn command_line() -> Vec<String> {
    std::iter::once("c10m".to_owned()).chain(std::env::args().skip(1)).collect()
}

/// The word of a workload in flags, records and file names.
fn word(workload: Workload) -> &'static str {
    match workload {
        Workload::Echo => "echo",
        Workload::Http => "http",
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("write a number of seconds between 0.1 and 3600".to_owned()),
    }
}
