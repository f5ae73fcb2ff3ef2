//! What every experiment begins with: the seed, the flag that signals set, the header of its journal, and the reasons
//! why nothing can be measured here.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use anyhow::{Context, bail};

use crate::built;
use crate::refusal::Refusal;
use crate::session::journal::{self, Header};
use crate::session::request::{Profile, Request};
use crate::session::{namespace, orphans, out, source};

/// The header of a journal that begins now, of one run without length, arms and loads.
pub(crate) fn empty_header(request: &Request, name: &str, profile: Profile, source: Option<&(String, bool)>) -> Header {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Header {
        format: journal::FORMAT,
        experiment: name.to_owned(),
        profile: profile.word().to_owned(),
        seed: seed(request),
        repeats: 1,
        seconds: 0.0,
        commit: source::described(source),
        build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        host: host_name(),
        arms: vec![],
        loads: vec![],
        started_unix_ms: now.as_millis() as u64,
    }
}

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

/// For experiments without a journal.
pub(crate) fn ensure_running(stop: &AtomicBool) -> anyhow::Result<()> {
    if stop.load(Ordering::Relaxed) {
        bail!("interrupted; nothing was written");
    }
    Ok(())
}

/// Warns of a build whose figures mean nothing, or whose record is in doubt.
pub(crate) fn warn_of_build() {
    if cfg!(debug_assertions) {
        say!("c10m: this is a debug build, its numbers mean nothing; use `cargo run --release`");
    }
    if let Some(doubt) = built::doubt() {
        say!("c10m: WARNING: {doubt}");
    }
}

/// Refuses what cannot be measured here, whatever it is, before anything is made.
pub(crate) fn refused_here(request: &Request, needs_namespaces: bool) -> Result<(), Refusal> {
    let cannot_enter = needs_namespaces.then(|| namespace::check().err()).flatten();
    let unfit = cannot_enter.map(|error| format!("{} cannot be run here: {error:#}", request.experiment));
    unfit.or_else(orphans::refusal).map_or(Ok(()), |reason| Err(Refusal::failed(reason)))?;
    out::check(&request.out).map_err(Refusal::usage)
}

pub(crate) fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// The command line without the places of the program and of its output on this machine.
pub(crate) fn command_line() -> Vec<String> {
    // A name of a file need not be UTF-8, and `args` panics at one.
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
