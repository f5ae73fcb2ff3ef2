//! SIGTERM, SIGINT and SIGHUP as messages. A signal is a byte in a pipe; the thread that waits for it has no failure that
//! ends it, because a program that cannot be told to end has to be killed.

use std::ffi::c_int;
use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};
use lab::signals::hang_up;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// How long to rest after a read that failed for want of something.
const REST: Duration = Duration::from_millis(100);

/// One `message` for each SIGTERM and SIGINT from now on, and one for all SIGHUPs together: a terminal that goes sends
/// one, and the shell on it another. Two signals that come before the first is looked at are one (signal(7)).
///
/// # Errors
/// What socketpair(2), sigaction(2) and the start of a thread say.
pub(crate) fn received<T: Copy + Send + 'static>(message: T) -> io::Result<Receiver<T>> {
    let (sender, received) = unbounded();
    listen(&[SIGTERM, SIGINT], usize::MAX, message, sender.clone())?;
    if let Some(hang_up) = hang_up() {
        listen(&[hang_up], 1, message, sender)?;
    }
    Ok(received)
}

/// Sends a message for each of the first `times_max` of `signals`; the others are read and forgotten.
fn listen<T: Copy + Send + 'static>(
    signals: &[c_int],
    times_max: usize,
    message: T,
    sender: Sender<T>,
) -> io::Result<()> {
    let (mut arrived, writer) = UnixStream::pair()?;
    for signal in signals {
        pipe::register(*signal, writer.try_clone()?)?;
    }
    thread::Builder::new().name("signals".into()).spawn(move || {
        let (mut byte, mut times) = ([0], 0);
        loop {
            match arrived.read(&mut byte) {
                Ok(1) if times == times_max => {}
                Ok(1) if sender.send(message).is_ok() => times += 1,
                Ok(_) => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => thread::sleep(REST),
            }
        }
    })?;
    Ok(())
}
