//! The successor's side: finds out who is at the path, takes what is offered, and says when it is ready.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::Type;

use super::door::{self, Threshold};
use super::leaving::Leaving;
use super::message::{self, Message, Offer, Silence, VERSION};
use crate::endpoint::Endpoint;
use crate::inherited::{self, Inherited, InheritedPlace, Origin};
use crate::options::Options;
use crate::unavailable::Unavailable;
use crate::unix_socket::{self, Room};

/// Longest wait for an answer. A predecessor answers at once, unless another successor is before this one.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// What there is at the path.
pub(crate) enum Found {
    /// Nobody: this is the first.
    Nobody(Threshold),
    /// A server, and what it gives.
    Predecessor(Predecessor, Inherited),
}

/// A server that waits for the word of this one.
pub(crate) struct Predecessor {
    path: PathBuf,
    peer: OwnedFd,
    threshold: Threshold,
    process: u32,
}

/// Looks who is at the path of `options`.
pub(crate) fn look(path: &Path, options: &Options) -> Result<Found, Unavailable> {
    let refusal = |(cause, fix): (String, String)| Unavailable::Handover { path: path.to_owned(), cause, fix };
    match unix_socket::make_room(path, Type::SEQPACKET).map_err(refusal)? {
        Room::Made => Threshold::bind(path).map(Found::Nobody).map_err(|error| {
            let fix = "choose a path in a directory that exists and that this user may write to";
            refusal((error.to_string(), fix.into()))
        }),
        Room::Taken(None) => Err(refusal(("too many successors wait there".into(), "start one at a time".into()))),
        Room::Taken(Some(peer)) => take(path, peer, options).map_err(refusal),
    }
}

/// Takes the offer of whoever listens at the path. Cause and fix where that is not possible.
fn take(path: &Path, peer: OwnedFd, options: &Options) -> Result<Found, (String, String)> {
    let process = door::own_user(&peer).map_err(|(_, cause)| (cause, "start it as that user".to_owned()))?;
    let silent = |silence: Silence| {
        (
            format!("process {process} listens there, but {silence}"),
            "if it is no server with this --handover, choose another path, else look what keeps it".to_owned(),
        )
    };
    let offer = match message::hear(&peer, ANSWER_MAX, None).map_err(silent)? {
        Message::Offer(offer) => offer,
        Message::Refusal { cause } => {
            return Err((format!("process {process} refuses: {cause}"), "mend that, or end it first".to_owned()));
        }
        Message::Ready | Message::Yours => return Err(silent(Silence::Garbled)),
    };
    let process = offer.pid;
    // Comes first: what is left unread when this side closes would reset what it says.
    let count = 1 + offer.places.iter().map(|place| place.sockets).sum::<usize>();
    let mut sockets = message::take(&peer, count, ANSWER_MAX).map_err(silent)?.into_iter();
    let endpoints = agreed(&offer, options).map_err(|(cause, fix)| {
        // It may know before this process has ended.
        let _ = message::say(&peer, &Message::Refusal { cause: cause.clone() });
        (format!("process {process} serves there, but {cause}"), fix)
    })?;
    let own = sockets.next().ok_or_else(|| silent(Silence::Garbled))?;
    let mut places = Vec::with_capacity(endpoints.len());
    for (endpoint, offered) in endpoints.into_iter().zip(&offer.places) {
        let sockets: Vec<OwnedFd> = sockets.by_ref().take(offered.sockets).collect();
        let listens = |socket| inherited::place_of(socket).is_ok_and(|place| place.to_string() == offered.place);
        if sockets.is_empty() || !sockets.iter().all(listens) {
            return Err(silent(Silence::Garbled));
        }
        places.push(InheritedPlace { endpoint, sockets });
    }
    let threshold = Threshold::take_over(path, own)
        .map_err(|error| (error.to_string(), "leave its file alone during a hand-over".to_owned()))?;
    let predecessor = Predecessor { path: path.to_owned(), peer, threshold, process };
    Ok(Found::Predecessor(predecessor, Inherited { places, origin: Origin::Predecessor }))
}

/// The places of the offer, if they are those that `options` ask for; else why not, and what to do.
fn agreed(offer: &Offer, options: &Options) -> Result<Vec<Endpoint>, (String, String)> {
    if offer.version != VERSION {
        return Err((
            format!("its hand-over is of version {}, this one of {VERSION}", offer.version),
            "end it first, and start anew".into(),
        ));
    }
    if offer.workload != options.workload {
        return Err((
            format!("it serves {}, and this one is to serve {}", offer.workload, options.workload),
            "start the same workload, or choose another path".into(),
        ));
    }
    let is_same = |(asked, offered): (&Endpoint, &str)| match asked.tcp() {
        // Any port will do, so the one it has.
        Some(address) if address.port() == 0 => {
            offered.parse::<SocketAddr>().is_ok_and(|there| there.ip() == address.ip())
        }
        _ => asked.to_string() == offered,
    };
    let theirs: Vec<&str> = offer.places.iter().map(|place| place.place.as_str()).collect();
    if options.listen.len() != theirs.len() || !options.listen.iter().zip(theirs.iter().copied()).all(is_same) {
        let asked: Vec<String> = options.listen.iter().map(Endpoint::to_string).collect();
        return Err((
            format!("it listens on {}, and this one is to listen on {}", theirs.join(","), asked.join(",")),
            format!("use --listen {}, or end it first", theirs.join(",")),
        ));
    }
    Ok(options
        .listen
        .iter()
        .zip(theirs)
        .map(|(asked, there)| there.parse().map_or_else(|_| asked.clone(), Endpoint::Tcp))
        .collect())
}

impl Predecessor {
    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// Says that everything is ready, and waits for its leave. If that does not come in time, it cannot come later.
    pub(crate) fn take_over(self) -> Result<(Threshold, Leaving), Unavailable> {
        let Predecessor { path, peer, threshold, process } = self;
        let said = message::say(&peer, &Message::Ready).and_then(|()| message::hear_or_refuse(&peer, ANSWER_MAX));
        let cause = match said {
            Ok(Message::Yours) => return Ok((threshold, Leaving::of(peer))),
            Ok(Message::Refusal { cause }) => cause,
            Ok(_) => Silence::Garbled.to_string(),
            Err(silence) => silence.to_string(),
        };
        threshold.leave();
        Err(Unavailable::Handover {
            path,
            cause: format!("process {process} did not hand over: {cause}"),
            fix: "if it is draining or gone, start again".into(),
        })
    }

    /// Tells why this server does not start. The predecessor serves on.
    pub(crate) fn give_up(self, cause: String) {
        // It sees the end in any case.
        let _ = message::say(&self.peer, &Message::Refusal { cause });
        self.threshold.leave();
    }
}
