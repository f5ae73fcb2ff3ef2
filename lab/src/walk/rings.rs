//! Runs into the limits of the table of an io_uring.

use rustix::process::{Resource, getrlimit};

use crate::walk::record::{Errno, Met, number};

/// Slots of any ring at most (IORING_MAX_FIXED_FILES, io_uring/rsrc.c of Linux 6.18).
const SLOTS_MAX: u64 = 1 << 20;

pub(super) fn table() -> Met {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).min(SLOTS_MAX);
    if let Err(reason) = has_rings() {
        return Met::NotHit { reason };
    }
    hit(limit, "io_uring_register(2)", sys::uring::register_slots(limit as u32 + 1))
}

pub(super) fn slots() -> Met {
    const SLOTS: u32 = 2;
    if let Err(reason) = has_rings() {
        return Met::NotHit { reason };
    }
    hit(SLOTS.into(), "a socket of the ring", sys::uring::overfill_slots(SLOTS))
}

fn has_rings() -> Result<(), String> {
    server::probe_io_uring().map_err(|unavailable| unavailable.to_string())
}

fn hit(at: u64, call: &str, ended: std::io::Result<()>) -> Met {
    match ended {
        Err(error) => Met::Hit { at, call: call.to_owned(), errno: Errno::of_error(&error), seen: vec![] },
        Ok(()) => Met::NotHit { reason: format!("this kernel let {call} go beyond {}", number(at)) },
    }
}
