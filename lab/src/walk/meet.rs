//! Runs into one wall, in a process made for it. Changes no setting of the host, and nobody else is short of anything.

use anyhow::Context;

use crate::session::terminal;
use crate::walk::record::{Met, Wall};
use crate::walk::{descriptors, rings, watches};

/// Runs into one of them, in this process, which is of no use afterwards, and prints what was met as a line of JSON.
///
/// # Errors
/// When something else came in between.
pub fn run_into(wall: Wall) -> anyhow::Result<u8> {
    let met = meet(wall)?;
    terminal::print(&(serde_json::to_string(&met).context("what was met as JSON")? + "\n"))?;
    Ok(0)
}

/// Runs into a wall and tells what came of it.
fn meet(wall: Wall) -> anyhow::Result<Met> {
    match wall {
        Wall::Soft => descriptors::soft(),
        Wall::Hard => descriptors::hard(),
        Wall::NrOpen => descriptors::nr_open(),
        Wall::FileMax => Ok(descriptors::file_max()),
        Wall::EpollWatches => watches::meet(),
        Wall::RingTable => Ok(rings::table()),
        Wall::RingSlots => Ok(rings::slots()),
    }
}
