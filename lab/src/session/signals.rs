//! Whether a hang-up is to end this program.

use std::ffi::c_int;

use signal_hook::consts::SIGHUP;

/// SIGHUP, unless it was ignored when this program was started: who wrote `nohup` wants it to stay (nohup(1)).
pub fn hang_up() -> Option<c_int> {
    (!host::process::ignores(SIGHUP)).then_some(SIGHUP)
}
