//! How the pool stops: whoever sleeps wakes up.

use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError};

/// Nothing is ever sent by it: it ends when the pool stops, which wakes whoever sleeps.
pub(super) type Stop = Receiver<()>;

/// Sleeps, unless the pool stops.
pub(super) fn sleep(stop: &Stop, duration: Duration) {
    if !duration.is_zero() {
        // Either is an end of the sleep.
        let (Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) | Ok(())) = stop.recv_timeout(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::bounded;
    use std::thread;
    use std::time::Instant;

    #[test]
    fn a_stop_wakes_whoever_sleeps() {
        let (sender, stop) = bounded(0);
        let start = Instant::now();
        sleep(&stop, Duration::from_millis(20));
        assert!(start.elapsed() >= Duration::from_millis(20));
        let sleeper = thread::spawn(move || sleep(&stop, Duration::from_secs(600)));
        drop(sender);
        sleeper.join().expect("no panic");
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}
