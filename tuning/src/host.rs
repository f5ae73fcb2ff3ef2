//! What a plan must know about a host beyond the facts of the audit: sizes of kernel objects, threads,
//! and the memory a cgroup leaves.

use std::path::Path;

use ::host::Room;

use crate::slabs::Slabs;

/// The host of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub(crate) slabs: Slabs,
    pub(crate) room: Room,
}

impl Host {
    /// The machine this process runs on.
    pub fn of_this_host() -> Host {
        Host::read(Path::new("/"), rustix::param::page_size() as u64)
    }

    /// A host about which only the facts are known, with the measured sizes of kernel objects.
    pub(crate) fn unseen() -> Host {
        Host { slabs: Slabs::measured(), room: Room::default() }
    }

    /// The host below `root`, which holds `proc` and `sys`, with pages of `page_bytes`.
    pub fn read(root: &Path, page_bytes: u64) -> Host {
        let room = Room::read(root);
        Host { slabs: Slabs::read(root, page_bytes, room.charges_memory), room }
    }

    /// Sizes of kernel objects.
    pub fn slabs(&self) -> &Slabs {
        &self.slabs
    }
}
