//! Becomes a user that nobody is, for limits that belong to users.

use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;

use crate::walk::record::Errno;

/// Users that distributions give to nobody.
const USERS: std::ops::Range<u32> = 60_000..65_000;

/// Makes the calling thread one of a user that has no process, so that what it uses up is missing to nobody. Threads of
/// Linux have users of their own (credentials(7)); it cannot go back.
///
/// # Errors
/// Why this cannot be done here.
pub(super) fn become_ordinary() -> Result<u32, String> {
    let taken: Vec<u32> = host::process::all().into_iter().filter_map(host::process::owner).collect();
    let user = USERS.rev().find(|user| !taken.contains(user)).ok_or("every user has processes")?;
    let uid = Uid::from_raw(user);
    set_thread_res_uid(uid, uid, uid).map_err(|error| {
        let failed = Errno::of(error);
        format!("it takes another user, so that nobody misses anything, and becoming one failed with {failed}: run it as root")
    })?;
    Ok(user)
}
