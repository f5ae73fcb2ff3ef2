//! `c10m report`: renders the reports of runs again from their records, prints their tables, and lists runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use results::run::NamedFile;
use results::visible::visible_line;
use results::{named_file, report, run as run_directory};
use serde_json::json;

use lab::record_file::{Kind, RecordFile};
use lab::{Refusal, terminal};

const NOTES: &str = "\
Exit codes: 0 done, 1 a record is damaged or a report cannot be written, 2 usage:
the run is not one of `c10m bench`, or a newer c10m wrote it, or --out holds
another report.";

/// Arguments of `c10m report`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct ReportArgs {
    /// Directories of runs that `c10m bench` wrote, or the record.json in them.
    #[arg(required_unless_present = "list", value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Write no report, but the list of the runs in a directory, DIR/README.md, from their records. `c10m bench` keeps
    /// an existing list up to date.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["runs", "out", "readme"])]
    list: Option<PathBuf>,
    /// Write the report into this directory instead of the run's. The directory must not hold another report. With
    /// several runs, each gets a directory in it with the name of the run, numbered if two have the same name.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write nothing; print the block of results for a README.
    #[arg(long, conflicts_with_all = ["out", "json"])]
    readme: bool,
    /// Print what was written as one JSON document on stdout instead of tables.
    #[arg(long)]
    json: bool,
}

/// A rendered run.
struct Rendered {
    files: Vec<NamedFile>,
    tables: Vec<report::Table>,
}

/// A run that the user named.
struct Named {
    record: RecordFile,
    directory: PathBuf,
}

/// Renders all runs, or none if one of them cannot be read.
pub(crate) fn run(args: ReportArgs) -> anyhow::Result<u8> {
    if let Some(directory) = &args.list {
        return list(directory, args.json);
    }
    let named: Result<Vec<Named>, Refusal> = args.runs.iter().map(|run| open(run)).collect();
    let named = match named {
        Ok(named) => named,
        Err(refusal) => return Ok(refuse(&refusal)),
    };
    let places = places(&args, &named);
    let directories: Vec<PathBuf> = named.iter().map(|run| run.directory.clone()).collect();
    if args.readme {
        return print_readme(named);
    }
    let rendered: Result<Vec<Rendered>, Refusal> = named.into_iter().map(render).collect();
    let rendered = match rendered {
        Ok(rendered) => rendered,
        Err(refusal) => return Ok(refuse(&refusal)),
    };
    if args.out.is_some()
        && let Some(refusal) =
            directories.iter().zip(&places).zip(&rendered).find_map(|((directory, place), rendered)| {
                unusable(place).or_else(|| occupied(directory, place, rendered))
            })
    {
        return Ok(refuse(&refusal));
    }
    let mut written = Vec::new();
    for ((run, directory), rendered) in args.runs.iter().zip(&places).zip(&rendered) {
        write(directory, &rendered.files)?;
        let names: Vec<&str> = rendered.files.iter().map(|(name, _)| name.as_str()).collect();
        // A path that is not UTF-8 has no other form in JSON: `json!` would panic.
        let (run, place) = (run.display().to_string(), directory.display().to_string());
        if !args.json {
            terminal::print(&terminal::terminal(rendered.tables.iter().cloned()))?;
            say!("c10m: wrote {} files into {}", names.len(), visible_line(&place));
        }
        written.push(json!({ "run": run, "directory": place, "files": names }));
    }
    if args.json {
        terminal::print(&(serde_json::to_string(&json!({ "runs": written }))? + "\n"))?;
    }
    Ok(0)
}

/// Writes the list of the runs in a directory.
fn list(directory: &Path, is_json: bool) -> anyhow::Result<u8> {
    match lab::write_list(directory) {
        Ok(list) if is_json => {
            let document = json!({ "list": list.path.display().to_string(), "runs": list.run_count });
            terminal::print(&(document.to_string() + "\n"))?;
            Ok(0)
        }
        Ok(list) => {
            say!("c10m: wrote {}, with {} runs", visible_line(&list.path.display().to_string()), list.run_count);
            Ok(0)
        }
        Err(error) => Ok(refuse(&error.downcast::<Refusal>()?)),
    }
}

/// Opens a run of `bench`; other runs have no report.
fn open(run: &Path) -> Result<Named, Refusal> {
    let record = RecordFile::open(run)?;
    if !matches!(record.kind, Kind::Comparison | Kind::Scenario(_)) {
        return Err(Refusal::usage(format!(
            "{} is a record of `{}`, which has no report: `c10m report` is for runs of `c10m bench`, and `c10m compare` \
             puts two loads side by side",
            record.path.display(),
            record.kind.command()
        )));
    }
    let directory = record.directory()?;
    Ok(Named { record, directory })
}

fn render(named: Named) -> Result<Rendered, Refusal> {
    let path = named.record.path.clone();
    let rendered = lab::render(named.record, &named.directory).map_err(damaged)?;
    let (document, tables) =
        rendered.ok_or_else(|| Refusal::failed(format!("{} is no run of `c10m bench`", path.display())))?;
    Ok(Rendered { files: report::files(&document), tables })
}

/// What is wrong with a record, including the causes, which quote the record.
fn damaged(error: anyhow::Error) -> Refusal {
    Refusal::failed(format!("{error:#}"))
}

fn refuse(refusal: &Refusal) -> u8 {
    say!("c10m: {refusal}");
    refusal.code
}

/// The directory for the report of each run: that of its record, or a separate one below --out.
fn places(args: &ReportArgs, runs: &[Named]) -> Vec<PathBuf> {
    let Some(out) = &args.out else { return runs.iter().map(|run| run.directory.clone()).collect() };
    if runs.len() == 1 {
        return vec![out.clone()];
    }
    let mut places: Vec<PathBuf> = Vec::new();
    for run in runs {
        let name = name(&run.directory);
        let mut place = out.join(&name);
        let mut number = 2;
        while places.contains(&place) {
            place = out.join(format!("{name}-{number}"));
            number += 1;
        }
        places.push(place);
    }
    places
}

/// Why a directory below --out cannot be used.
fn unusable(place: &Path) -> Option<Refusal> {
    lab::out::check(place).err().map(Refusal::usage)
}

/// Why a report may not be written into a directory below --out: it has a file of another report. Writing the same
/// report again, or a new one beside its own record, loses nothing.
fn occupied(run: &Path, place: &Path, rendered: &Rendered) -> Option<Refusal> {
    let whole = |path: &Path| fs::canonicalize(path).ok();
    if whole(run).is_some_and(|run| Some(run) == whole(place)) {
        return None;
    }
    let is_same = |name: &str, content: &[u8]| {
        named_file::bytes(&place.join(name), content.len() as u64).is_ok_and(|found| found == content)
    };
    let own = rendered.files.iter().map(|(name, content)| (name.as_str(), content.as_slice()));
    // What a link points to does not matter, because the link itself would be replaced.
    let is_there = |name: &str| fs::symlink_metadata(place.join(name)).is_ok();
    let record = is_there("record.json").then_some("record.json");
    let found = record.or_else(|| {
        own.into_iter().find(|(name, content)| is_there(name) && !is_same(name, content)).map(|own| own.0)
    })?;
    Some(Refusal::usage(format!(
        "--out {}: there is a {found} of another run or report; name another directory, or leave out --out to write the \
         report beside its record",
        place.display()
    )))
}

/// The name of a run's directory, even for `.`.
fn name(run: &Path) -> String {
    let whole = fs::canonicalize(run).unwrap_or_else(|_| run.to_owned());
    whole.file_name().map_or("run".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Each file appears whole or not at all, and replaces the one of the earlier report.
fn write(directory: &Path, files: &[NamedFile]) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    for (name, content) in files {
        run_directory::replace_file(directory, name, content)
            .with_context(|| format!("cannot write {}", directory.join(name).display()))?;
    }
    Ok(())
}

fn print_readme(runs: Vec<Named>) -> anyhow::Result<u8> {
    for Named { record, directory } in runs {
        if record.kind != Kind::Comparison {
            bail!("{} holds no comparison of arms, so there is no block for a README", directory.display());
        }
        let comparison =
            match run_directory::of_json(record.document).and_then(|read| run_directory::beside(read, &directory)) {
                Ok(comparison) => comparison,
                Err(error) => {
                    let path = record.path.display();
                    return Ok(refuse(&Refusal::failed(format!("cannot read the record {path}: {error:#}"))));
                }
            };
        terminal::print(&report::readme_block(&comparison.record, directory.to_string_lossy().trim_end_matches('/')))?;
    }
    Ok(0)
}
