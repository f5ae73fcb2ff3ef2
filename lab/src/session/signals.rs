//! Whether a hang-up is to end this program.

use std::ffi::c_int;
use std::fs;

use signal_hook::consts::SIGHUP;

/// SIGHUP, unless it was ignored when this program was started: who wrote `nohup` wants it to stay (nohup(1)).
pub fn hang_up() -> Option<c_int> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    (!is_ignored(&status, SIGHUP)).then_some(SIGHUP)
}

/// Whether a signal is in the set of ignored ones, a hexadecimal number (proc_pid_status(5)).
fn is_ignored(status: &str, signal: c_int) -> bool {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    set & 1 << (signal - 1) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_of_ignored_signals_is_understood() {
        for (status, expected) in [
            ("Name:\tc10m\nSigIgn:\t0000000000001001\n", true),
            ("SigIgn:\t0000000000001000\n", false),
            ("SigCgt:\t0000000000001001\n", false),
            ("", false),
        ] {
            assert_eq!(is_ignored(status, SIGHUP), expected, "{status:?}");
        }
    }
}
