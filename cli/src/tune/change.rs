//! `c10m tune diff`, `apply` and `revert`: shows a change of this host's settings, makes it, takes it back. Without
//! `--write` nothing is opened for writing.

mod page;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use host::Facts;
use tuning::change::{
    ByHand, Disk, Draft, Journal, Local, Profile, Refusal, SYSCTL_FILE, Stage, apply, recover, revert, tidy, unit_file,
};
use tuning::knowledge::{Goal, Variables};
use tuning::lint::{self, Lint, Place};

use super::layout::{shown, terminal_width, wrapped};
use super::rules::{RulesArgs, SideName, goal};
use page::{FileState, Overridden, Shown, ShownFile};

const EXAMPLES: &str = "\
Examples:
  what a server for a million connections would get here:
    c10m tune diff c1m
  the same, written, with LimitNOFILE= for a service:
    c10m tune apply c1m --unit c10m-serve --write
  a file in the syntax of sysctl.conf, on a copy of a host:
    c10m tune apply --file mine.conf --root /srv/copy --write";

/// What is to be applied, and where.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct WantedArgs {
    /// What the host is for: c10k, c1m, c10m, conn-rate, tail or throughput.
    #[arg(value_parser = goal, required_unless_present = "file", conflicts_with = "file")]
    profile: Option<Goal>,
    /// Settings as `name = value` lines, instead of a profile.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// At which end of the connections this host is.
    #[arg(long, value_enum, default_value_t = SideName::Server, conflicts_with = "file")]
    side: SideName,
    /// Give this unit of systemd the LimitNOFILE= that the profile wants, by a drop-in.
    #[arg(long, value_name = "UNIT", conflicts_with = "file", value_parser = unit)]
    unit: Option<String>,
    /// Leave out what cannot be set from here, and name it, instead of refusing everything.
    #[arg(long)]
    partial: bool,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    rules: RulesArgs,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

/// Arguments of `c10m tune apply`.
#[derive(Debug, clap::Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    wanted: WantedArgs,
    /// Write it. Without this it is shown only.
    #[arg(long)]
    write: bool,
}

/// Arguments of `c10m tune revert`.
#[derive(Debug, clap::Args)]
pub(super) struct RevertArgs {
    /// Write it. Without this it is shown only.
    #[arg(long)]
    write: bool,
    /// Restore the old values even where somebody has changed the new ones since.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: PlaceArgs,
    /// Print one JSON document instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct PlaceArgs {
    /// Work on a copy of a host: a directory with proc/sys and etc in it.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

fn unit(name: &str) -> Result<String, String> {
    let words = "expected the name of a unit that starts processes, such as c10m-serve or nginx.service";
    unit_file(name).map(|_| name.to_owned()).ok_or_else(|| words.to_owned())
}

impl PlaceArgs {
    fn disk(&self) -> anyhow::Result<Local> {
        Local::new(&self.root).with_context(|| format!("cannot use {} as a root", self.root.display()))
    }
}

/// The text of `c10m tune diff`, and the exit code.
pub(super) fn diff(args: &WantedArgs) -> anyhow::Result<(String, u8)> {
    let disk = args.place.disk()?;
    let interrupted = interrupted(&disk)?;
    let (shown, _) = draft(args, &disk)?;
    text(args, Shown { recovered: interrupted, ..shown })
}

/// The text of `c10m tune apply`, and the exit code.
pub(super) fn apply_profile(args: &ApplyArgs) -> anyhow::Result<(String, u8)> {
    if !args.write {
        return diff(&args.wanted);
    }
    let disk = args.wanted.place.disk()?;
    // Refused before the lock, whose directory would be the first thing written.
    let (shown, draft_before) = draft(&args.wanted, &disk)?;
    if !draft_before.refusals.is_empty() {
        return text(&args.wanted, shown);
    }
    let _lock = disk.lock(Path::new(Journal::DIRECTORY))?;
    let recovered = recover(&disk)?.map(|journal| journal.what);
    let (shown, draft) = draft(&args.wanted, &disk)?;
    let applied = apply(&disk, &draft);
    // Where nothing was changed the lock's directory goes, too.
    tidy(&disk)?;
    applied?;
    text(&args.wanted, Shown { written: true, recovered, ..shown })
}

/// The text of `c10m tune revert`, and the exit code.
pub(super) fn revert_last(args: &RevertArgs) -> anyhow::Result<(String, u8)> {
    let disk = args.place.disk()?;
    let journal = if args.write {
        // A call that was killed may have left no more than a directory.
        if !disk.is_directory(Path::new(Journal::OUTER_DIRECTORY)) {
            return nothing_to_revert(args);
        }
        let _lock = disk.lock(Path::new(Journal::DIRECTORY))?;
        let undone = match recover(&disk)? {
            Some(journal) => Some(journal),
            None => revert(&disk, args.force)?,
        };
        tidy(&disk)?;
        undone
    } else {
        Journal::read(&disk)?
    };
    let Some(journal) = journal else { return nothing_to_revert(args) };
    if args.json {
        let value = serde_json::json!({ "written": args.write, "journal": journal });
        return Ok((serde_json::to_string_pretty(&value)? + "\n", 0));
    }
    let width: usize = terminal_width().into();
    let state = match (args.write, journal.stage) {
        (true, _) => "taken back",
        (false, Stage::Applied) => "applied; `--write` takes it back",
        (false, _) => "interrupted; `--write` undoes what was done",
    };
    let mut out = wrapped(&format!("{}: {state}.", journal.what), "", width);
    for each in &journal.settings {
        out.push_str(&format!("  {} = {}\n", each.name, shown(each.before.trim())));
    }
    for file in &journal.files {
        let what = if file.before.is_some() { "as it was" } else { "removed" };
        out.push_str(&format!("  {} {what}\n", file.path.display()));
    }
    Ok((out, 0))
}

fn nothing_to_revert(args: &RevertArgs) -> anyhow::Result<(String, u8)> {
    let text = match args.json {
        true => "{\n  \"written\": false,\n  \"journal\": null\n}\n",
        false => "Nothing was applied, so there is nothing to take back.\n",
    };
    Ok((text.to_owned(), 0))
}

/// What was interrupted, and would be undone first.
fn interrupted(disk: &dyn Disk) -> anyhow::Result<Option<String>> {
    let journal = Journal::read(disk)?.filter(|journal| journal.stage != Stage::Applied);
    Ok(journal.map(|journal| journal.what))
}

fn profile(args: &WantedArgs) -> anyhow::Result<Profile> {
    if let Some(path) = &args.file {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = format!("Settings of {}", path.file_name().unwrap_or(path.as_os_str()).to_string_lossy());
        return Profile::of_file(&name, &text).with_context(|| path.display().to_string());
    }
    let Some(goal) = args.profile else { bail!("give a profile or --file") };
    let knowledge = args.rules.knowledge()?;
    let facts = match args.place.root == Path::new("/") {
        true => Facts::of_this_host(),
        // The copy's memory and tables, as far as it has them.
        false => Facts::read(&args.place.root, host::OpenFilesLimit { soft: None, hard: None }),
    };
    let variables = Variables::of(&facts).with_goal(goal);
    Ok(Profile::of_goal(&knowledge, goal, args.side.side(), &variables))
}

/// What would change, without what is left out.
fn draft(args: &WantedArgs, disk: &Local) -> anyhow::Result<(Shown, Draft)> {
    let mut profile = profile(args)?;
    let unit = args.unit.as_deref().and_then(unit_file);
    let mut first = Draft::new(disk, &profile, unit.as_deref());
    name_reasons(args, &mut first.refusals)?;
    // A profile is for many hosts, and a kernel need not have all of it; a file is meant as it is.
    let leaves_out = |refusal: &Refusal| args.partial || (refusal.is_absent && args.file.is_none());
    let left_out: Vec<Refusal> = first.refusals.iter().filter(|refusal| leaves_out(refusal)).cloned().collect();
    profile.settings.retain(|wanted| !left_out.iter().any(|refusal| refusal.name == wanted.name));
    let mut draft = Draft::new(disk, &profile, unit.as_deref());
    name_reasons(args, &mut draft.refusals)?;
    let file = |file: &tuning::change::FileChange| ShownFile {
        path: file.path.clone(),
        state: match &file.before {
            None => FileState::New,
            Some(before) if *before == file.after => FileState::Same,
            Some(_) => FileState::Changes,
        },
        text: String::from_utf8_lossy(&file.after.bytes).into_owned(),
    };
    let shown = Shown {
        what: profile.name.clone(),
        written: false,
        recovered: None,
        settings: draft.settings.clone(),
        files: draft.files.iter().map(file).collect(),
        refusals: draft.refusals.clone(),
        left_out,
        by_hand: by_hand(profile, unit.is_some()),
        overridden: overridden(args, &draft)?,
    };
    Ok((shown, draft))
}

/// Where the files and settings are.
fn place(args: &WantedArgs) -> Place {
    let root = &args.place.root;
    let has_systemd = root.join("run/systemd/system").is_dir();
    let facts = Facts::read(root, host::OpenFilesLimit { soft: None, hard: None });
    Place::of(&facts, host::namespace(), has_systemd, rustix::process::geteuid().is_root(), vec![])
}

/// Tells why settings are not there: a module that is not loaded is no misspelling.
fn name_reasons(args: &WantedArgs, refusals: &mut [Refusal]) -> anyhow::Result<()> {
    if refusals.iter().all(|refusal| !refusal.is_absent) {
        return Ok(());
    }
    let (knowledge, place) = (args.rules.knowledge()?, place(args));
    for refusal in refusals.iter_mut().filter(|refusal| refusal.is_absent) {
        refusal.why = lint::reach(&args.place.root, &knowledge, &place, &refusal.name).words();
    }
    Ok(())
}

/// What is set again by files that are read after the drop-in, to other values.
fn overridden(args: &WantedArgs, draft: &Draft) -> anyhow::Result<Vec<Overridden>> {
    let lint = Lint::of(&args.place.root, &args.rules.knowledge()?, &place(args));
    let own = Path::new(SYSCTL_FILE).file_name();
    // /etc/sysctl.conf is the last one that sysctl(8) reads; others go by their names, whatever their directory.
    let is_later = |file: &str| file == "/etc/sysctl.conf" || Path::new(file).file_name() > own;
    let mut found = Vec::new();
    for change in &draft.settings {
        let dotted = change.name.replace('/', ".");
        let values = lint.values.iter().filter(|value| value.key == dotted);
        let lines = values.flat_map(|value| &value.assignments).filter(|line| line.at_boot || line.by_sysctl);
        for line in lines.filter(|line| is_later(&line.file)) {
            let value = line.value.split_whitespace().collect::<Vec<_>>().join(" ");
            if value != change.after {
                found.push(Overridden { name: change.name.clone(), file: line.file.clone(), line: line.line, value });
            }
        }
    }
    Ok(found)
}

/// What people have to do, with the descriptors where no unit gets them.
fn by_hand(profile: Profile, has_unit: bool) -> Vec<ByHand> {
    let limit = profile.open_files.filter(|_| !has_unit).map(|count| ByHand {
        name: "RLIMIT_NOFILE".to_owned(),
        kind: tuning::knowledge::Kind::Rlimit,
        value: Some(count.to_string()),
        because: "the server's descriptors: `--unit NAME` writes LimitNOFILE= for a service".to_owned(),
    });
    limit.into_iter().chain(profile.by_hand).collect()
}

/// The text, and the exit code: 1 where it is refused.
fn text(args: &WantedArgs, shown: Shown) -> anyhow::Result<(String, u8)> {
    let code = u8::from(!shown.refusals.is_empty());
    let text = match args.json {
        true => serde_json::to_string_pretty(&shown)? + "\n",
        false => page::render(&shown, terminal_width()),
    };
    Ok((text, code))
}
