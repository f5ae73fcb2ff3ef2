//! Whether a hang-up should end this program.

use std::ffi::c_int;

use signal_hook::consts::SIGHUP;

/// SIGHUP, unless it was ignored when this program was started: with `nohup` the user asked for that (nohup(1)).
pub fn hang_up() -> Option<c_int> {
    (!host::process::ignores(SIGHUP)).then_some(SIGHUP)
}
