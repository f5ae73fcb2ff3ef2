//! `c10m report`: renders the report of runs again from their records, and prints its tables.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use results::record::Record;
use results::{report, run as run_directory};
use serde_json::json;

use crate::bench;

/// Arguments of `c10m report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Directories of runs, as `c10m bench` writes them.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Write the report below this directory instead of into the run; with several runs, each into a directory of its name.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write nothing, and print the block of results for a README.
    #[arg(long, conflicts_with_all = ["out", "json"])]
    readme: bool,
    /// Print what was written as one JSON document on stdout instead of tables.
    #[arg(long)]
    json: bool,
}

/// A run, rendered.
struct Rendered {
    files: Vec<(String, String)>,
    tables: Vec<report::Table>,
}

/// Renders every run, or none when one of them cannot be read.
pub(crate) fn run(args: ReportArgs) -> anyhow::Result<u8> {
    if let Some(missing) = args.runs.iter().find(|run| !run.join("record.json").is_file()) {
        say!(
            "c10m: {} is no run: it has no record.json; name a directory that `c10m bench` wrote, as in results/runs/",
            missing.display()
        );
        return Ok(2);
    }
    if args.readme {
        return print_readme(&args.runs);
    }
    let rendered: Vec<Rendered> = args.runs.iter().map(|run| render(run)).collect::<anyhow::Result<_>>()?;
    let mut written = Vec::new();
    for (run, rendered) in args.runs.iter().zip(&rendered) {
        let directory = place(&args, run);
        write(&directory, &rendered.files)?;
        let names: Vec<&str> = rendered.files.iter().map(|(name, _)| name.as_str()).collect();
        written.push(json!({ "run": run, "directory": directory, "files": names }));
        if !args.json {
            bench::print(&bench::terminal(rendered.tables.iter().cloned()))?;
            say!("c10m: wrote {} files into {}", names.len(), directory.display());
        }
    }
    if args.json {
        bench::print(&(serde_json::to_string(&json!({ "runs": written }))? + "\n"))?;
    }
    Ok(0)
}

fn render(directory: &Path) -> anyhow::Result<Rendered> {
    if let Some((document, tables)) = bench::render_special(directory)? {
        return Ok(Rendered { files: report::files(&document), tables });
    }
    let run = run_directory::open(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let files = report::render(&run.record, &run.curves, &run.points);
    Ok(Rendered { files, tables: tables(&run.record) })
}

/// The tables of a report that a terminal has room for.
pub(crate) fn tables(record: &Record) -> Vec<report::Table> {
    let overview = report::overview_table(record).into_iter();
    let rest = report::agreement_table(record).into_iter().chain(report::memory_table(record));
    report::table_rows(record).into_iter().chain(report::ratio_tables(record)).chain(overview).chain(rest).collect()
}

/// Where the report of a run belongs.
fn place(args: &ReportArgs, run: &Path) -> PathBuf {
    match &args.out {
        None => run.to_owned(),
        Some(out) if args.runs.len() == 1 => out.clone(),
        Some(out) => out.join(name(run)),
    }
}

/// The name of a run's directory, also of `.`.
fn name(run: &Path) -> String {
    let whole = fs::canonicalize(run).unwrap_or_else(|_| run.to_owned());
    whole.file_name().map_or("run".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Each file appears whole or not at all, and replaces that of the earlier report.
fn write(directory: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    for (name, text) in files {
        let temporary = directory.join(format!(".{name}.{}", std::process::id()));
        let result = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, directory.join(name)));
        if result.is_err() {
            // The first error is the one to report; it may never have been made.
            let _ = fs::remove_file(&temporary);
        }
        result.with_context(|| format!("cannot write {}", directory.join(name).display()))?;
    }
    Ok(())
}

fn print_readme(runs: &[PathBuf]) -> anyhow::Result<u8> {
    for run in runs {
        let record = match run_directory::read(run) {
            Ok(record) => record,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                bail!("{} holds no comparison of arms, so there is no block for a README: {error}", run.display())
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", run.display())),
        };
        bench::print(&report::readme_block(&record, run.to_string_lossy().trim_end_matches('/')))?;
    }
    Ok(0)
}
