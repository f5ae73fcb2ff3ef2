//! The limits of a ring's table of direct descriptors, met on purpose. Small rings of their own that are gone afterwards.

use std::io;

use io_uring::types::DestinationSlot;
use io_uring::{IoUring, opcode};

/// Asks for a table of `slots` direct descriptors.
///
/// # Errors
/// What io_uring_register(2) returns: EMFILE above RLIMIT_NOFILE; or what io_uring_setup(2) does.
pub fn register_slots(slots: u32) -> io::Result<()> {
    IoUring::new(1)?.submitter().register_files_sparse(slots)
}

/// Makes one socket more than a table of direct descriptors has slots, and returns how the last one ended.
///
/// # Errors
/// ENFILE where the table is full; or what io_uring_setup(2), io_uring_register(2) or io_uring_enter(2) return.
pub fn overfill_slots(slots: u32) -> io::Result<()> {
    let mut ring = IoUring::new(1)?;
    ring.submitter().register_files_sparse(slots)?;
    for _ in 0..=slots {
        let slot = DestinationSlot::auto_target();
        let entry = opcode::Socket::new(libc::AF_INET, libc::SOCK_STREAM, 0).file_index(Some(slot)).build();
        // SAFETY: the entry holds no address.
        unsafe { ring.submission().push(&entry) }.map_err(io::Error::other)?;
        ring.submit_and_wait(1)?;
        let result = ring.completion().next().map_or(0, |completion| completion.result());
        if result < 0 {
            return Err(io::Error::from_raw_os_error(-result));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_says_so_with_another_number_than_one_too_large() {
        if let Err(error) = register_slots(1) {
            return eprintln!("skipped: no ring here: {error}");
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1 << 20);
        let error = register_slots(limit.min(1 << 20) as u32 + 1).expect_err("more than RLIMIT_NOFILE");
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        assert_eq!(overfill_slots(2).expect_err("three in two slots").raw_os_error(), Some(libc::ENFILE));
    }
}
