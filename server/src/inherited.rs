//! Listening sockets that somebody else bound: a service manager (LISTEN_FDS, sd_listen_fds(3)) or a predecessor.
//! Checks what they are.

use std::env;
use std::os::fd::{AsFd, OwnedFd};

use listenfd::ListenFd;
use socket2::{SockRef, Type};

use crate::endpoint::Endpoint;
use crate::unavailable::Unavailable;

/// Most sockets that a service manager may pass. Its own limit is RLIMIT_NOFILE; nobody listens at more places.
const SOCKETS_MAX: usize = 1024;

/// The places that a server inherits.
#[derive(Debug)]
pub struct Inherited {
    pub(crate) places: Vec<InheritedPlace>,
    pub(crate) origin: Origin,
}

/// Sockets that listen at the same place.
#[derive(Debug)]
pub(crate) struct InheritedPlace {
    pub(crate) endpoint: Endpoint,
    pub(crate) sockets: Vec<OwnedFd>,
}

/// Who uses the same sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A service manager, which only holds them.
    Environment,
    /// A server, which accepts from them at the same time.
    Predecessor,
}

impl Inherited {
    /// What LISTEN_FDS and LISTEN_PID announce to this process, if they do; unsets both, so that no child takes them for
    /// its own. Call it before anything else is opened.
    ///
    /// # Errors
    /// When something else than listening sockets of TCP or unix streams was passed.
    pub fn from_environment() -> Result<Option<Inherited>, Unavailable> {
        let refusal = |cause: String| Unavailable::Environment { cause };
        let Some(text) = env::var_os("LISTEN_FDS") else { return Ok(None) };
        // Without a process the variables are those of an ancestor (sd_listen_fds(3)).
        let process = env::var("LISTEN_PID").ok().and_then(|text| text.parse().ok());
        if process != Some(std::process::id()) {
            return Ok(None);
        }
        let count = text.to_str().and_then(|text| text.parse::<usize>().ok());
        let count = count.ok_or_else(|| refusal(format!("LISTEN_FDS is {text:?}, which is no number")))?;
        if count > SOCKETS_MAX {
            return Err(refusal(format!("LISTEN_FDS is {count}, and at most {SOCKETS_MAX} are taken")));
        }
        let mut passed = ListenFd::from_env();
        let mut places: Vec<InheritedPlace> = Vec::new();
        for index in 0..count {
            let number = index + 3;
            let tcp = passed.take_tcp_listener(index).ok().flatten().map(OwnedFd::from);
            let socket = match tcp {
                Some(socket) => socket,
                None => match passed.take_unix_listener(index) {
                    Ok(Some(socket)) => socket.into(),
                    Ok(None) => return Err(refusal(format!("descriptor {number} was not passed"))),
                    Err(error) => return Err(refusal(format!("descriptor {number} cannot be used: {error}"))),
                },
            };
            let endpoint = place_of(&socket).map_err(|cause| refusal(format!("descriptor {number} {cause}")))?;
            match places.iter_mut().find(|place| place.endpoint == endpoint) {
                Some(place) => place.sockets.push(socket),
                None => places.push(InheritedPlace { endpoint, sockets: vec![socket] }),
            }
        }
        if places.is_empty() {
            return Err(refusal("LISTEN_FDS is 0".into()));
        }
        Ok(Some(Inherited { places, origin: Origin::Environment }))
    }

    /// Where the sockets listen.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.places.iter().map(|place| place.endpoint.clone()).collect()
    }

    /// Whether a service manager keeps them, too.
    pub(crate) fn is_passed(&self) -> bool {
        self.origin == Origin::Environment
    }

    /// Most sockets of one place.
    pub(crate) fn sockets_max(&self) -> usize {
        self.places.iter().map(|place| place.sockets.len()).max().unwrap_or(0)
    }

    /// Makes accept wait, or not. Whether it waits is a property of the socket, not of the descriptor (fcntl(2)), so
    /// a predecessor that accepts from it must want the same.
    pub(crate) fn set_blocking(&self, is_blocking: bool) -> Result<(), Unavailable> {
        for socket in self.places.iter().flat_map(|place| &place.sockets) {
            let flags = rustix::fs::fcntl_getfl(socket).map_err(Unavailable::kernel("fcntl(2) of a listener"))?;
            let is_set = !flags.contains(rustix::fs::OFlags::NONBLOCK);
            if is_set == is_blocking {
                continue;
            }
            if self.origin == Origin::Predecessor {
                return Err(Unavailable::Loop { is_uring: is_blocking });
            }
            rustix::io::ioctl_fionbio(socket, !is_blocking).map_err(Unavailable::kernel("ioctl(2) of a listener"))?;
        }
        Ok(())
    }
}

/// Where a socket listens, or what is wrong with it.
pub(crate) fn place_of(socket: &OwnedFd) -> Result<Endpoint, String> {
    let reference = SockRef::from(socket);
    let failed = |error: std::io::Error| format!("cannot be asked what it is: {error}");
    if reference.r#type().map_err(failed)? != Type::STREAM {
        return Err("is no stream socket".into());
    }
    if !rustix::net::sockopt::socket_acceptconn(socket.as_fd()).map_err(|error| failed(error.into()))? {
        return Err("does not listen".into());
    }
    let address = reference.local_addr().map_err(failed)?;
    match (address.as_socket(), address.as_pathname()) {
        (Some(address), _) => Ok(Endpoint::Tcp(address)),
        (None, Some(path)) => Ok(Endpoint::Unix(path.to_owned())),
        (None, None) => Err("listens neither at an address of TCP nor at the path of a unix socket".into()),
    }
}
