//! SIGTERM and SIGINT as messages. A signal is a byte in a pipe; the thread that waits for it has no failure that
//! ends it, because a program that cannot be told to end has to be killed.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, unbounded};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// How long to rest after a read that failed for want of something.
const REST: Duration = Duration::from_millis(100);

/// One `message` for each SIGTERM and SIGINT from now on. Two that come before the first is looked at are one
/// (signal(7)).
///
/// # Errors
/// What socketpair(2), sigaction(2) and the start of a thread say.
pub(crate) fn received<T: Copy + Send + 'static>(message: T) -> io::Result<Receiver<T>> {
    let (sender, received) = unbounded();
    let (mut signals, writer) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT] {
        pipe::register(signal, writer.try_clone()?)?;
    }
    thread::Builder::new().name("signals".into()).spawn(move || {
        let mut byte = [0];
        loop {
            match signals.read(&mut byte) {
                Ok(1) if sender.send(message).is_ok() => {}
                Ok(_) => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => thread::sleep(REST),
            }
        }
    })?;
    Ok(received)
}
