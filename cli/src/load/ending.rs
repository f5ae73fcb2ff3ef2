//! How a load ends: its exit code, and what it prints on stdout.

use std::io::{self, Write};

use anyhow::Context;
use loadgen::LoadError;
use results::visible::visible;

/// Exit code of a run whose measurement is invalid.
pub(crate) const EXIT_INVALID: u8 = 4;
/// Exit code of a run that did not meet its SLO.
pub(super) const EXIT_SLO_BREACHED: u8 = 3;
/// Exit code of a run that ended early. Whatever it found, it did not do what was asked.
pub(crate) const EXIT_INTERRUPTED: u8 = 1;

/// Says what went wrong. Returns the exit code.
pub(crate) fn refuse(error: &LoadError) -> u8 {
    say!("c10m: {error}");
    error.exit_code()
}

pub(crate) fn write_json(output: &mut impl Write, document: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *output, document)?;
    writeln!(output)
}

/// Prints on stdout. If the reader stops early, as in `| head`, that is not an error. Makes terminal control
/// characters visible, even in JSON.
pub(crate) fn print(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> anyhow::Result<()> {
    let mut text = Vec::new();
    write(&mut text)?;
    let mut stdout = io::stdout().lock();
    match stdout.write_all(visible(&String::from_utf8_lossy(&text)).as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(()),
    }
}
