//! `c10m load`: one load run, or a search for the rate that a server can bear. This file leads from flags to the exit
//! code. Other files display, print and write.

mod addresses;
mod args;
mod body;
mod condition;
mod display;
mod effects;
mod ending;
mod explain;
mod files;
mod headline;
mod knee;
mod layout;
mod memory;
mod probes;
mod reconnect;
#[cfg(test)]
mod sample;
mod self_test;
mod table;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use loadgen::record::{Record, State};
use loadgen::{LoadError, Options};

pub(crate) use args::LoadArgs;
use display::Display;
use ending::EXIT_SLO_BREACHED;
pub(crate) use ending::{EXIT_INTERRUPTED, EXIT_INVALID, print, refuse, write_json};
use files::Directory;
pub(crate) use memory::check as check_memory;

/// Runs the load and prints its record. Returns the exit code.
///
/// # Errors
/// When stdout, the signal handlers or the files fail. Errors of the load itself are printed here.
pub(crate) fn run(args: LoadArgs) -> anyhow::Result<u8> {
    let (condition, output) = (args.condition(), args.output.clone());
    let given = args.given().clone();
    if let Some(options) = args.self_test() {
        if let Err(error) = effects::check_self_test(&given) {
            return Ok(refuse(&error));
        }
        return self_test::run(&options, output.json, &*stop_on_signals()?);
    }
    if let Some(note) = args.note() {
        say!("c10m: {note}");
    }
    let options = args.into_options();
    // Checked before the directory is created, so that a refused run leaves nothing behind.
    let checked = options.check().and_then(|()| effects::check(&given, &options, condition.is_some()));
    if let Err(error) = checked.and_then(|()| memory::check(&options)) {
        return Ok(refuse(&error));
    }
    let directory = match output.out.as_deref().map(Directory::claim).transpose() {
        Ok(directory) => directory,
        Err(message) => {
            say!("c10m: {message}");
            return Ok(LoadError::Usage(message).exit_code());
        }
    };
    let stop = stop_on_signals()?;
    match condition {
        Some(condition) => probes::run(condition, options, &output, directory.as_ref(), &stop),
        None => run_once(&options, &output, directory.as_ref(), &stop),
    }
}

fn run_once(
    options: &Options,
    output: &args::OutputGroup,
    directory: Option<&Directory>,
    stop: &AtomicBool,
) -> anyhow::Result<u8> {
    let mut display = Display::new(options, None, output.quiet);
    let outcome = loadgen::load(options, stop, |snapshot| display.show(&snapshot, stop));
    display.finish();
    let mut outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return Ok(refuse(&error)),
    };
    outcome.record.commit = Some(lab::built::COMMIT.to_owned());
    let written = directory.map_or(Ok(()), |directory| directory.write(files::of_run(&outcome)?));
    let record = &outcome.record;
    // A record that could not be written is printed completely: it may have taken hours.
    let json = output.json || written.is_err();
    print(|stdout| {
        if !output.json {
            table::print(stdout, record, layout::width())?;
        }
        if json { write_json(stdout, record) } else { Ok(()) }
    })?;
    written?;
    Ok(exit_code(record))
}

/// An invalid measurement says nothing about the SLO, so it comes first. A run that was cut short says nothing about
/// the whole.
fn exit_code(record: &Record) -> u8 {
    if record.interrupted {
        return EXIT_INTERRUPTED;
    }
    match (record.verdict.state, &record.slo) {
        (State::Invalid, _) => EXIT_INVALID,
        (_, Some(slo)) if !slo.held => EXIT_SLO_BREACHED,
        _ => 0,
    }
}

/// A flag that SIGINT, SIGTERM and SIGHUP set.
pub(crate) fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second signal ends the program at once, in case the first is not enough.
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))
            .context("cannot handle signals")?;
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot handle signals")?;
    }
    // SIGHUP often comes twice, from the terminal and from its shell, so a second one must not end the program at
    // once.
    if let Some(hang_up) = lab::signals::hang_up() {
        signal_hook::flag::register(hang_up, Arc::clone(&stop)).context("cannot handle signals")?;
    }
    Ok(stop)
}
