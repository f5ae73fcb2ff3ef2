//! Walks along the walls: a process of this program for each, because what one lowers it cannot raise again.

use anyhow::Context;
use host::Facts;
use rustix::termios::tcgetwinsize;

use crate::built;
use crate::session::host::Host;
use crate::session::local::Local;
use crate::session::process::Process;
use crate::session::terminal;
use crate::walk::record::{Met, Walk, Wall, WallRecord};
use crate::walk::table::{Known, known};
use crate::walk::{generators, words};

/// Width where stdout is no terminal.
const WIDTH: usize = 80;

/// Walks along all of them and prints what was met. Returns the exit code.
///
/// # Errors
/// When a process of this program failed, or nothing can be printed.
pub(crate) fn explain(json: bool) -> anyhow::Result<u8> {
    let walk = walk(&Local)?;
    let text = if json {
        serde_json::to_string_pretty(&walk).context("the walk as JSON")? + "\n"
    } else {
        let width = tcgetwinsize(std::io::stdout()).map_or(WIDTH, |size| usize::from(size.ws_col));
        words::text(&walk, if width == 0 { WIDTH } else { width })
    };
    terminal::print(&text)?;
    Ok(0)
}

/// Runs into every wall and asks every generator.
///
/// # Errors
/// When a process of this program failed.
fn walk(host: &dyn Host) -> anyhow::Result<Walk> {
    let facts = Facts::of_this_host();
    let mut walls = vec![];
    for wall in Wall::ALL {
        let known = known(wall);
        say!("c10m: {}", known.title);
        walls.push(record(wall, known, limit(wall, &facts), run_into(host, wall)?));
    }
    Ok(Walk {
        version: built::VERSION.to_owned(),
        commit: built::COMMIT.to_owned(),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        walls,
        generators: generators::ask(host),
    })
}

fn run_into(host: &dyn Host, wall: Wall) -> anyhow::Result<Met> {
    let mut process = Process::start_self(host, &["run-into".to_owned(), wall.name().to_owned()])?;
    let met = process.read("account of a wall").with_context(|| format!("running into {}", wall.name()))?;
    // What it made the kernel hold takes seconds to be given back.
    process.finish()?;
    Ok(met)
}

fn record(wall: Wall, known: Known, limit: Option<u64>, met: Met) -> WallRecord {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    WallRecord {
        wall,
        title: known.title.to_owned(),
        limit,
        how: known.how.to_owned(),
        met,
        fails: known.fails.to_owned(),
        server: known.server.to_owned(),
        counter: known.counter.to_owned(),
        mends: owned(known.mends),
        traps: owned(known.traps),
    }
}

/// What the limit is for programs started here.
fn limit(wall: Wall, facts: &Facts) -> Option<u64> {
    let files = &facts.files;
    match wall {
        Wall::Soft => files.limit.soft,
        Wall::Hard | Wall::RingTable | Wall::RingSlots => files.limit.hard,
        Wall::NrOpen => files.nr_open,
        Wall::FileMax => files.file_max,
        Wall::EpollWatches => files.epoll_watches_max,
    }
}
