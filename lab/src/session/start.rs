//! What every experiment needs at its start: the seed, the flag that signals set, and warnings about this build.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use anyhow::Context;

use crate::built;
use crate::session::request::Request;

/// The seed asked for, or one that differs from run to run.
pub(crate) fn seed(request: &Request) -> u64 {
    request.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.as_nanos() as u64 ^ u64::from(std::process::id()) << 32
    })
}

/// Becomes true with SIGINT, SIGTERM or SIGHUP.
pub(crate) fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let signals = [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM];
    for signal in signals.into_iter().chain(crate::session::signals::hang_up()) {
        signal_hook::flag::register(signal, stop.clone()).context("cannot catch signals")?;
    }
    Ok(stop)
}

/// Warns about a build whose figures mean nothing, or whose record is in doubt.
pub(crate) fn warn_of_build() {
    if cfg!(debug_assertions) {
        say!("c10m: this is a debug build, its numbers mean nothing; use `cargo run --release`");
    }
    if let Some(doubt) = built::doubt() {
        say!("c10m: WARNING: {doubt}");
    }
}

pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The command line without paths of this machine: those of the program and of its output.
pub(crate) fn command_line() -> Vec<String> {
    // A file name need not be UTF-8, and `args` panics if it is not.
    without_out(std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()))
}

fn without_out(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut command = vec!["c10m".to_owned()];
    let mut is_place = false;
    for argument in arguments {
        let follows_out = std::mem::replace(&mut is_place, argument == "--out");
        if !follows_out && !is_place && !argument.starts_with("--out=") {
            command.push(argument);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_command_names_no_place() {
        for (arguments, expected) in [
            ("bench quick --seed 1", "c10m bench quick --seed 1"),
            ("bench --out here quick --json", "c10m bench quick --json"),
            ("bench quick --out=/there", "c10m bench quick"),
            ("bench quick --out", "c10m bench quick"),
        ] {
            let command = without_out(arguments.split(' ').map(str::to_owned));
            assert_eq!(command.join(" "), expected);
        }
    }
}
