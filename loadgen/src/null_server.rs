//! The simplest possible server: one thread that answers every request with the least work. Load generators
//! are calibrated against it. It can also stall on schedule, which shows whether a generator counts the
//! requests that a stall delays.
//!
//! It has no parser, no limits and no timeouts: it is only for peers of this project.

mod event;
mod late;
mod serve;
mod shared;
mod speech;
mod stall;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use shared::{PastStall, Shared};

pub use event::{Event, Exit};
pub use late::Late;
pub use shared::Config;
pub use speech::{HTTP_REPLY, Speech, SpeechKind};
pub use stall::Stall;

/// Connections that may wait for the server while it stalls; net.core.somaxconn bounds it further.
const BACKLOG: i32 = 65_535;

/// A null server in a thread of this process. Dropping it ends it.
#[derive(Debug)]
pub struct NullServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl NullServer {
    /// Starts listening, and serving in a new thread.
    ///
    /// # Errors
    /// `InvalidInput` when the configuration contradicts itself; otherwise what listening, starting a
    /// thread or pinning it met with.
    pub fn start(config: Config) -> io::Result<NullServer> {
        config.speech.check()?;
        config.stall.map_or(Ok(()), |stall| stall.check())?;
        config.late.map_or(Ok(()), |late| late.check())?;
        let listener = TcpListener::bind(config.listen)?;
        listener.set_nonblocking(true)?;
        // The standard library uses a backlog of 128, which a burst of connects overruns; calling again is
        // allowed (listen(2)).
        rustix::net::listen(&listener, BACKLOG)?;
        let address = listener.local_addr()?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared {
            requests: AtomicU64::new(0),
            late_replies: AtomicU64::new(0),
            stalls: Mutex::new(Vec::new()),
            wake,
        });
        let (ready, is_ready) = mpsc::sync_channel(1);
        let thread = {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("null-server".into()).spawn(move || {
                match serve::prepare(&config, listener, shared) {
                    Ok(server) => {
                        // The owner waits for this message; it cannot be gone.
                        let _ = ready.send(Ok(()));
                        server.run()
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                        Ok(())
                    }
                }
            })?
        };
        let mut server = NullServer { address, shared, thread: Some(thread) };
        match is_ready.recv() {
            Ok(Ok(())) => Ok(server),
            Ok(Err(error)) => Err(error),
            Err(mpsc::RecvError) => server.stop().and(Err(io::Error::other("the null server died at its start"))),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a load generator connects to.
    pub fn target(&self, speech: Speech) -> String {
        match speech {
            Speech::Http => format!("http://{}/", self.address),
            Speech::Echo { .. } | Speech::Sockperf { .. } => format!("tcp://{}", self.address),
        }
    }

    /// Requests answered so far.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Replies that were held back so far.
    pub fn late_replies(&self) -> u64 {
        self.shared.late_replies.load(Ordering::Relaxed)
    }

    /// The finished stalls: from the moment the server stopped serving to the moment it resumed, in ns of
    /// CLOCK_MONOTONIC. These are actual times; a stall may be shorter or later than planned.
    pub fn stalls(&self) -> Vec<(u64, u64)> {
        self.past_stalls().iter().map(|stall| (stall.start, stall.end)).collect()
    }

    /// For each stall whose backlog is gone: from its end to the moment when no request was left to read. If
    /// the next stall came too soon, there is no such moment.
    pub fn backlogs(&self) -> Vec<(u64, u64)> {
        self.past_stalls().iter().filter_map(|stall| Some((stall.end, stall.caught_up?))).collect()
    }

    fn past_stalls(&self) -> MutexGuard<'_, Vec<PastStall>> {
        self.shared.stalls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the server, even during a stall, and closes its connections. Calling it again is harmless.
    ///
    /// # Errors
    /// Why the server ended early.
    pub fn stop(&mut self) -> io::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        // EAGAIN, the one possible error, means that it is readable already (eventfd(2)).
        let _ = rustix::io::write(&self.shared.wake, &1u64.to_ne_bytes());
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the null server's thread panicked")))
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        // Callers who need the error call `stop`.
        let _ = self.stop();
    }
}

/// The offset that puts a stall `ahead` from now.
///
/// Stalls are counted from zero of CLOCK_MONOTONIC, which all processes of a host share.
pub fn stall_offset(every: Duration, ahead: Duration) -> Duration {
    let now = Duration::from_nanos(sys::clock::now_ns());
    let period_ns = every.as_nanos().max(1);
    Duration::from_nanos(((now + ahead).as_nanos() % period_ns) as u64)
}

#[cfg(test)]
mod tests;
