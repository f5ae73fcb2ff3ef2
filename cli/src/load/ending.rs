//! How a load ends: its exit code, and what it prints on stdout.

use std::io::{self, Write};

use anyhow::Context;
use loadgen::LoadError;
use results::visible::visible;

/// Exit code of a run whose measurement is invalid.
pub(super) const EXIT_INVALID: u8 = 4;
/// Exit code of a run that did not meet its SLO.
pub(super) const EXIT_SLO_BREACHED: u8 = 3;
/// Exit code of a run that was ended before its time: it did not do what it was asked for, whatever it found.
pub(super) const EXIT_INTERRUPTED: u8 = 1;

/// Says what went wrong; the value is the exit code.
pub(super) fn refuse(error: &LoadError) -> u8 {
    say!("c10m: {error}");
    error.exit_code()
}

pub(super) fn write_json(output: &mut impl Write, document: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *output, document)?;
    writeln!(output)
}

/// Prints on stdout. A reader that has seen enough, as in `| head`, is no error. What would act on a terminal is made
/// visible, in JSON, too.
pub(super) fn print(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> anyhow::Result<()> {
    let mut text = Vec::new();
    write(&mut text)?;
    let mut stdout = io::stdout().lock();
    match stdout.write_all(visible(&String::from_utf8_lossy(&text)).as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(()),
    }
}
