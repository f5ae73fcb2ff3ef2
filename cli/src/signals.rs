//! SIGTERM, SIGINT and SIGHUP as messages. Each signal is a byte in a pipe. No error ends the thread that reads it,
//! because a program that cannot be asked to end has to be killed.

use std::ffi::c_int;
use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};
use lab::signals::hang_up;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// How long to wait after a read that failed for lack of a resource.
const REST: Duration = Duration::from_millis(100);

/// Sends one `message` for each SIGTERM and SIGINT from now on, but only one for all SIGHUPs together: both a closing
/// terminal and its shell send one. Two signals that arrive before the first is read count as one (signal(7)).
///
/// # Errors
/// The error of socketpair(2), sigaction(2) or of starting a thread.
pub(crate) fn received<T: Copy + Send + 'static>(message: T) -> io::Result<Receiver<T>> {
    let (sender, received) = unbounded();
    listen(&[SIGTERM, SIGINT], usize::MAX, message, sender.clone())?;
    if let Some(hang_up) = hang_up() {
        listen(&[hang_up], 1, message, sender)?;
    }
    Ok(received)
}

/// Sends a message for each of the first `times_max` of `signals`, and ignores the others.
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
