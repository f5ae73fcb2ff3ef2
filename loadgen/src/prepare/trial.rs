//! Tries the addresses of a name before a run: one connect each, all at the same time. A successful connect is
//! reset at once, so that it leaves nothing for the run to count.

use crate::LoadError;
use crate::plan::{Answer, Attempt};
use crate::recording::causes::error_name;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use sys::clock::{duration_ns, now_ns, until};

/// How often the stop flag is looked at.
const LOOK_NS: u64 = 20_000_000;

/// A connect under way, or how it ended: the name of the error when it failed.
enum State {
    Open(OwnedFd),
    Done(Answer),
}

/// Which of the addresses answer within `patience`, in their order; a single one is left for the run to try.
///
/// # Errors
/// [`LoadError::Interrupted`] when a stop ended the wait for some of them.
pub(super) fn answers(attempts: &[Attempt], patience: Duration, stop: &AtomicBool) -> Result<Vec<Answer>, LoadError> {
    match attempts {
        [_] => Ok(vec![Ok(())]),
        several => ask(several, patience, stop),
    }
}

fn ask(attempts: &[Attempt], patience: Duration, stop: &AtomicBool) -> Result<Vec<Answer>, LoadError> {
    let deadline_ns = now_ns().saturating_add(duration_ns(patience));
    let mut states: Vec<State> = attempts.iter().map(|attempt| begin(*attempt)).collect();
    loop {
        let now = now_ns();
        if now >= deadline_ns
            || stop.load(Ordering::Relaxed)
            || !states.iter().any(|state| matches!(state, State::Open(_)))
        {
            break;
        }
        look(&mut states, now, deadline_ns);
    }
    let unanswered = |state| match state {
        State::Done(result) => Ok(result),
        State::Open(_) if stop.load(Ordering::Relaxed) => Err(LoadError::Interrupted),
        State::Open(_) => Ok(Err(name(Errno::TIMEDOUT))),
    };
    states.into_iter().map(unanswered).collect()
}

fn name(errno: Errno) -> String {
    error_name(errno.raw_os_error() as usize)
}

fn begin(attempt: Attempt) -> State {
    match start(attempt) {
        Ok((socket, Ok(()))) => {
            drop(socket);
            State::Done(Ok(()))
        }
        Ok((socket, Err(Errno::INPROGRESS))) => State::Open(socket),
        Ok((_, Err(errno))) | Err(errno) => State::Done(Err(name(errno))),
    }
}

fn start(Attempt { address, source }: Attempt) -> Result<(OwnedFd, Result<(), Errno>), Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    // A time of zero makes close(2) send RST instead of FIN (socket(7), SO_LINGER).
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    if let Some(source) = source {
        bind(&socket, &SocketAddr::new(source, 0))?;
    }
    let result = connect(&socket, &address);
    Ok((socket, result))
}

/// Waits a moment and takes the answers that came meanwhile.
fn look(states: &mut [State], now: u64, deadline_ns: u64) {
    let open: Vec<usize> = (0..states.len()).filter(|&index| matches!(states[index], State::Open(_))).collect();
    let ready: Vec<usize> = {
        let sockets = open.iter().filter_map(|&index| match &states[index] {
            State::Open(socket) => Some(PollFd::new(socket, PollFlags::OUT)),
            State::Done(_) => None,
        });
        let mut polled: Vec<PollFd<'_>> = sockets.collect();
        let timeout = until(deadline_ns.min(now + LOOK_NS), now);
        // The one error that can happen is EINTR, and then nothing is ready.
        if poll(&mut polled, Some(&timeout)).is_err() {
            return;
        }
        open.into_iter()
            .zip(&polled)
            .filter(|(_, polled)| !polled.revents().is_empty())
            .map(|(index, _)| index)
            .collect()
    };
    for index in ready {
        if let State::Open(socket) = &states[index] {
            let result = match sockopt::socket_error(socket) {
                Ok(Ok(())) => Ok(()),
                Ok(Err(errno)) | Err(errno) => Err(name(errno)),
            };
            states[index] = State::Done(result);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn those_that_listen_answer_and_the_others_say_why() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        let absent = SocketAddr::new([127, 0, 0, 2].into(), there.port());
        let attempts = |source| [there, absent].map(|address| Attempt { address, source });
        let stop = AtomicBool::new(false);
        for source in [None, Some([127, 0, 0, 3].into())] {
            let found = answers(&attempts(source), Duration::from_secs(60), &stop).unwrap();
            assert_eq!(found, [Ok(()), Err("ECONNREFUSED".to_owned())]);
        }
        // TEST-NET-1 is no address of this host: nothing leaves it.
        let found = answers(&attempts(Some([192, 0, 2, 1].into())), Duration::from_secs(60), &stop).unwrap();
        assert!(found.iter().all(|answer| answer == &Err("EADDRNOTAVAIL".to_owned())), "{found:?}");
    }

    #[test]
    fn a_stop_ends_the_wait() {
        // A listener whose accept queue is full drops further SYNs: those connects stay pending.
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let address = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
        let filling: Vec<OwnedFd> =
            (0..8).filter_map(|_| Some(start(Attempt { address, source: None }).ok()?.0)).collect();
        let attempts = [Attempt { address, source: None }];
        let error = ask(&attempts, Duration::from_secs(3600), &AtomicBool::new(true)).unwrap_err();
        assert!(matches!(error, LoadError::Interrupted), "{error}");
        assert_eq!(error.exit_code(), 1);
        let said = error.to_string();
        assert!(said.contains("interrupted") && said.contains("nothing was measured") && !said.contains('?'), "{said}");
        let found = ask(&attempts, Duration::ZERO, &AtomicBool::new(false)).unwrap();
        assert_eq!(found, [Err("ETIMEDOUT".to_owned())]);
        drop(filling);
    }
}
