//! Runs into one wall, in a process made for it. Changes no setting of the host, and nobody else is short of anything.

use crate::walk::record::{Met, Wall};
use crate::walk::{descriptors, rings, watches};

/// Runs into a wall and tells what came of it.
///
/// # Errors
/// When something else came in between.
pub(super) fn meet(wall: Wall) -> anyhow::Result<Met> {
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
