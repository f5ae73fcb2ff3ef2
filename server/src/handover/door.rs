//! The predecessor's side: a thread that waits at the path for successors, offers what the server has, and tells the
//! supervisor when one is ready. It decides nothing: only the supervisor knows whether a drain has begun.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam::channel::Sender;
use protocol::Workload;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use socket2::{Domain, SockAddr, Socket, Type};

use super::leaving::Leaving;
use super::message::{self, Message, Offer, OfferedPlace, Silence, VERSION};
use crate::endpoint::Endpoint;
use crate::unix_socket::SocketFile;

/// Longest start of a successor, from its offer to its word that it is ready. Table sizes and reactors make it longer,
/// but not by much; after it, it is refused, and this server serves on.
const START_MAX: Duration = Duration::from_secs(60);
/// Rest after an accept that failed for want of something.
const REST: Duration = Duration::from_millis(100);
/// Successors that may wait for their turn.
const BACKLOG: i32 = 8;

/// What became of a successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandoverNews {
    /// Its process.
    pub successor: u32,
    /// Why it did not take over; `None` if it did.
    pub failure: Option<String>,
}

/// What the thread tells the supervisor.
#[derive(Debug)]
pub(crate) enum DoorNews {
    /// One is ready, and the thread has ended.
    Ready(Knocker),
    /// One was refused or gave up.
    Failed(HandoverNews),
    /// The predecessor accepts no more.
    PredecessorLeft,
}

/// A successor that waits for a word. Dropping this tells it that there is none; or after the word, that nobody here accepts
/// any more.
#[derive(Debug)]
pub(crate) struct Knocker {
    pub(crate) process: u32,
    peer: OwnedFd,
}

impl Knocker {
    /// Tells it that the listeners are its own from now on; an error if it is gone.
    pub(crate) fn say_yours(&self) -> Result<(), String> {
        message::say(&self.peer, &Message::Yours).map_err(|silence| silence.to_string())
    }
}

/// Where successors knock, and what they get.
#[derive(Debug)]
pub(crate) struct Door {
    socket: OwnedFd,
    file: SocketFile,
    workload: Workload,
    places: Vec<(Endpoint, Vec<Arc<OwnedFd>>)>,
}

/// A door with its thread.
#[derive(Debug)]
pub(crate) struct Watched {
    thread: JoinHandle<Door>,
    doorbell: Arc<OwnedFd>,
}

/// The bound path. Nobody is let in before there is a server behind it.
#[derive(Debug)]
pub(crate) struct Threshold {
    socket: OwnedFd,
    file: SocketFile,
}

impl Threshold {
    /// Binds the path, for this user alone: whoever connects gets the listeners.
    pub(super) fn bind(path: &Path) -> io::Result<Threshold> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        // Before it is bound, so that the file never has other permissions (`unix_bind`).
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let file = SocketFile::at(path)?;
        socket.listen(BACKLOG)?;
        Ok(Threshold { socket: socket.into(), file })
    }

    /// The one that a predecessor leaves at the path.
    pub(super) fn take_over(path: &Path, socket: OwnedFd) -> io::Result<Threshold> {
        Ok(Threshold { socket, file: SocketFile::at(path)? })
    }

    /// Leaves everything to the predecessor.
    pub(crate) fn leave(self) {
        self.file.leave();
    }

    pub(crate) fn door(self, workload: Workload, places: Vec<(Endpoint, Vec<Arc<OwnedFd>>)>) -> Door {
        Door { socket: self.socket, file: self.file, workload, places }
    }
}

impl Door {
    /// Starts to let successors in, once the predecessor has left.
    pub(crate) fn watch(self, leaving: Option<Leaving>, news: Sender<DoorNews>) -> io::Result<Watched> {
        let doorbell = Arc::new(sys::doorbell::open()?);
        let rung = doorbell.clone();
        let thread = Builder::new().name("handover".into()).spawn(move || {
            // If the supervisor is gone, nobody needs the news.
            if let Some(leaving) = leaving {
                leaving.wait(&rung);
                let _ = news.send(DoorNews::PredecessorLeft);
            }
            while let Some(told) = self.next(&rung) {
                let is_last = matches!(told, DoorNews::Ready(_));
                if news.send(told).is_err() || is_last {
                    break;
                }
            }
            self
        })?;
        Ok(Watched { thread, doorbell })
    }

    /// Leaves the path to a successor.
    pub(crate) fn leave(self) {
        self.file.leave();
    }

    /// What becomes of the next successor; `None` when the doorbell rings.
    fn next(&self, doorbell: &OwnedFd) -> Option<DoorNews> {
        loop {
            match message::wait(&self.socket, Duration::from_secs(3600), Some(doorbell)) {
                Ok(()) => {}
                Err(Silence::Called) => return None,
                Err(_) => continue,
            }
            match accept_with(&self.socket, SocketFlags::CLOEXEC) {
                Ok(peer) => return Some(self.meet(peer, doorbell)),
                // The successor before the last shares this socket, or the peer is gone again.
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
                // Short of something: the peer stays queued.
                Err(_) => std::thread::sleep(REST),
            }
        }
    }

    fn meet(&self, peer: OwnedFd, doorbell: &OwnedFd) -> DoorNews {
        let process = match own_user(&peer) {
            Ok(process) => process,
            Err((successor, cause)) => {
                // Whether it hears that or not, it gets nothing.
                let _ = message::say(&peer, &Message::Refusal { cause: cause.clone() });
                return DoorNews::Failed(HandoverNews { successor, failure: Some(cause) });
            }
        };
        match self.offer(&peer).and_then(|()| message::hear(&peer, START_MAX, Some(doorbell))) {
            Ok(Message::Ready) => DoorNews::Ready(Knocker { process, peer }),
            Ok(Message::Refusal { cause }) => {
                DoorNews::Failed(HandoverNews { successor: process, failure: Some(cause) })
            }
            Ok(_) => failed(process, &Silence::Garbled),
            Err(silence) => failed(process, &silence),
        }
    }

    fn offer(&self, peer: &OwnedFd) -> Result<(), Silence> {
        let offered = |(place, sockets): &(Endpoint, Vec<Arc<OwnedFd>>)| OfferedPlace {
            place: place.to_string(),
            sockets: sockets.len(),
        };
        let places = self.places.iter().map(offered).collect();
        let offer = Offer { version: VERSION, pid: std::process::id(), workload: self.workload, places };
        message::say(peer, &Message::Offer(offer))?;
        let sockets = self.places.iter().flat_map(|(_, sockets)| sockets.iter().map(|socket| socket.as_fd()));
        let all: Vec<_> = std::iter::once(self.socket.as_fd()).chain(sockets).collect();
        message::give(peer, &all)
    }
}

impl Watched {
    /// Ends the thread, which waits for nothing else then.
    pub(crate) fn end(self) -> Option<Door> {
        // It cannot fail while the doorbell is open.
        let _ = sys::doorbell::ring(&self.doorbell);
        self.thread.join().ok()
    }
}

fn failed(process: u32, silence: &Silence) -> DoorNews {
    DoorNews::Failed(HandoverNews { successor: process, failure: Some(silence.to_string()) })
}

/// The peer's process, if it is of this process's user; otherwise the process and why it is refused. Permissions of the
/// file do not keep out root of another user namespace, nor a descriptor that was passed on.
pub(super) fn own_user(peer: &OwnedFd) -> Result<u32, (u32, String)> {
    let theirs = rustix::net::sockopt::socket_peercred(peer)
        .map_err(|error| (0, format!("the user of the other side cannot be asked: {error}")))?;
    let process = theirs.pid.as_raw_nonzero().get().unsigned_abs();
    let ours = rustix::process::geteuid();
    if theirs.uid == ours {
        return Ok(process);
    }
    Err((process, format!("the other side runs as user {}, this one as {}", theirs.uid.as_raw(), ours.as_raw())))
}
