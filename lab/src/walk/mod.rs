//! `bench fd-limit --explain`: a walk along the limits on descriptors. Each is hit for real where that harms nobody.

mod descriptors;
mod generators;
mod meet;
mod record;
mod rings;
mod table;
mod user;
mod walker;
mod watches;
mod words;

pub use record::Wall;

use anyhow::Context;
use rustix::termios::tcgetwinsize;

use crate::session::local::Local;
use crate::session::terminal;

/// Width where stdout is no terminal.
const WIDTH: usize = 80;

/// Walks along all of them and prints what was met. Returns the exit code.
///
/// # Errors
/// When a process of this program failed, or nothing can be printed.
pub(crate) fn explain(json: bool) -> anyhow::Result<u8> {
    let walk = walker::walk(&Local)?;
    let text = if json {
        serde_json::to_string_pretty(&walk).context("the walk as JSON")? + "\n"
    } else {
        let width = tcgetwinsize(std::io::stdout()).map_or(WIDTH, |size| usize::from(size.ws_col));
        words::text(&walk, if width == 0 { WIDTH } else { width })
    };
    terminal::print(&text)?;
    Ok(0)
}

/// Runs into one of them, in this process, which is of no use afterwards, and prints what was met as a line of JSON.
///
/// # Errors
/// When something else came in between.
pub fn run_into(wall: Wall) -> anyhow::Result<u8> {
    let met = meet::meet(wall)?;
    terminal::print(&(serde_json::to_string(&met).context("what was met as JSON")? + "\n"))?;
    Ok(0)
}
