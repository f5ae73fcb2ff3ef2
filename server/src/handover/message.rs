//! What predecessor and successor say to each other: packets of JSON, and packets that carry descriptors.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use protocol::Workload;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown, recvmsg, send, sendmsg, shutdown,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Of both sides; another one is refused.
pub(super) const VERSION: u32 = 1;

/// Longest packet.
const PACKET_LEN_MAX: usize = 64 << 10;
/// Descriptors of one packet; the kernel takes 253 (SCM_MAX_FD).
const DESCRIPTORS_PER_PACKET: usize = 128;
/// Longest wait for room: a queue holds net.unix.max_dgram_qlen packets, ten by default.
const ROOM_MAX: Duration = Duration::from_secs(10);

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "lowercase")]
pub(super) enum Message {
    /// The predecessor's first: what it has. Its descriptors follow, that of the hand-over socket first.
    Offer(Offer),
    /// The successor's reactors wait for a word.
    Ready,
    /// The predecessor accepts no more: go.
    Yours,
    /// Either side: it will not happen.
    Refusal {
        /// Why.
        cause: String,
    },
}

/// What a predecessor has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer {
    pub(super) version: u32,
    /// Whose it is: the kernel names the process that began to listen, which may be a predecessor's predecessor (unix(7),
    /// SO_PEERCRED).
    pub(super) pid: u32,
    pub(super) workload: Workload,
    /// In their order.
    pub(super) places: Vec<OfferedPlace>,
}

/// Sockets of one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OfferedPlace {
    /// As on the command line.
    pub(super) place: String,
    pub(super) sockets: usize,
}

/// Why no message came.
#[derive(Debug, Error)]
pub(super) enum Silence {
    #[error("the other side is gone, or waits no more")]
    Gone,
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("this server ends")]
    Called,
    #[error("what came is no message of a hand-over")]
    Garbled,
    #[error("{0}")]
    Kernel(#[from] Errno),
}

/// Sends one packet. It waits for nothing: a packet that finds no room is an error.
pub(super) fn say(peer: &OwnedFd, message: &Message) -> Result<(), Silence> {
    let text = serde_json::to_vec(message).map_err(|_| Silence::Garbled)?;
    send(peer, &text, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).map_err(unless_gone)?;
    Ok(())
}

/// What it means that nothing could be sent. That the other side has closed its end is seen by whoever reads or writes first.
fn unless_gone(error: Errno) -> Silence {
    match error {
        Errno::PIPE | Errno::CONNRESET => Silence::Gone,
        error => Silence::Kernel(error),
    }
}

/// Waits for one packet, or for the doorbell.
pub(super) fn hear(peer: &OwnedFd, patience: Duration, doorbell: Option<&OwnedFd>) -> Result<Message, Silence> {
    let mut bytes = vec![0; PACKET_LEN_MAX];
    let (len, _) = receive(peer, &mut bytes, patience, doorbell)?;
    serde_json::from_slice(&bytes[..len]).map_err(|_| Silence::Garbled)
}

/// Like `hear`, but at the end of its patience it closes its ears, and hears what was said before. So both sides always
/// know the same: what the other side has managed to say is heard, and what is too late cannot be said any more.
pub(super) fn hear_or_refuse(peer: &OwnedFd, patience: Duration) -> Result<Message, Silence> {
    match hear(peer, patience, None) {
        Err(Silence::Late(patience)) => {
            // From here on `say` fails on the other side with EPIPE. The kernel checks that under the same lock under which
            // it queues a packet (`unix_dgram_sendmsg`, `unix_shutdown` in net/unix/af_unix.c).
            shutdown(peer, Shutdown::Read)?;
            match hear(peer, Duration::ZERO, None) {
                Err(Silence::Gone) => Err(Silence::Late(patience)),
                heard => heard,
            }
        }
        heard => heard,
    }
}

/// Sends descriptors, several in a packet.
pub(super) fn give(peer: &OwnedFd, descriptors: &[BorrowedFd<'_>]) -> Result<(), Silence> {
    for some in descriptors.chunks(DESCRIPTORS_PER_PACKET) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_PER_PACKET))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(some)), "there is room for that many");
        // A packet without a byte would look like the end.
        await_event(peer, PollFlags::OUT, ROOM_MAX, None)?;
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(peer, &[IoSlice::new(b"d")], &mut control, flags).map_err(unless_gone)?;
    }
    Ok(())
}

/// Receives `count` descriptors.
pub(super) fn take(peer: &OwnedFd, count: usize, patience: Duration) -> Result<Vec<OwnedFd>, Silence> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let (_, some) = receive(peer, &mut [0; 1], patience, None)?;
        if some.is_empty() {
            return Err(Silence::Garbled);
        }
        taken.extend(some);
    }
    Ok(taken)
}

fn receive(
    peer: &OwnedFd,
    bytes: &mut [u8],
    patience: Duration,
    doorbell: Option<&OwnedFd>,
) -> Result<(usize, Vec<OwnedFd>), Silence> {
    wait(peer, patience, doorbell)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_PER_PACKET))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = match recvmsg(peer, &mut [IoSliceMut::new(bytes)], &mut control, flags) {
        // It closed without having read everything.
        Err(Errno::CONNRESET) => return Err(Silence::Gone),
        received => received?,
    };
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            descriptors.extend(some);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        // unix(7): the limit of descriptors cut them off.
        return Err(Silence::Kernel(Errno::MFILE));
    }
    match received.bytes {
        0 => Err(Silence::Gone),
        len => Ok((len, descriptors)),
    }
}

/// Waits until `socket` has something, an end included.
pub(super) fn wait(socket: &impl AsFd, patience: Duration, doorbell: Option<&OwnedFd>) -> Result<(), Silence> {
    await_event(socket, PollFlags::IN, patience, doorbell)
}

fn await_event(
    socket: &impl AsFd,
    event: PollFlags,
    patience: Duration,
    doorbell: Option<&OwnedFd>,
) -> Result<(), Silence> {
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut entries = vec![PollFd::new(socket, event)];
        entries.extend(doorbell.map(|doorbell| PollFd::new(doorbell, PollFlags::IN)));
        match poll(&mut entries, Some(&left)) {
            Ok(0) => return Err(Silence::Late(patience)),
            Ok(_) if entries.get(1).is_some_and(|entry| !entry.revents().is_empty()) => return Err(Silence::Called),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    const SOON: Duration = Duration::from_millis(50);

    #[test]
    fn messages_and_many_descriptors_arrive_in_order() {
        let (ours, theirs) = pair();
        let doorbells: Vec<OwnedFd> = (0..DESCRIPTORS_PER_PACKET + 3).map(|_| sys::doorbell::open().unwrap()).collect();
        let borrowed: Vec<BorrowedFd<'_>> = doorbells.iter().map(AsFd::as_fd).collect();
        say(&ours, &Message::Ready).unwrap();
        give(&ours, &borrowed).unwrap();
        assert_eq!(hear(&theirs, SOON, None).unwrap(), Message::Ready);
        let taken = take(&theirs, borrowed.len(), SOON).unwrap();
        sys::doorbell::ring(&doorbells[DESCRIPTORS_PER_PACKET + 1]).unwrap();
        let rung: Vec<bool> = taken.iter().map(|it| wait(it, Duration::ZERO, None).is_ok()).collect();
        assert_eq!(rung.iter().position(|it| *it), Some(DESCRIPTORS_PER_PACKET + 1));
        assert_eq!(rung.iter().filter(|it| **it).count(), 1);
    }

    #[test]
    fn what_was_said_in_time_is_heard_and_what_is_late_cannot_be_said() {
        let (ours, theirs) = pair();
        assert!(matches!(hear_or_refuse(&theirs, SOON), Err(Silence::Late(SOON))));
        assert!(say(&ours, &Message::Yours).is_err());
        let (ours, theirs) = pair();
        say(&ours, &Message::Yours).unwrap();
        assert_eq!(hear_or_refuse(&theirs, SOON).unwrap(), Message::Yours);
        let (ours, theirs) = pair();
        drop(ours);
        assert!(matches!(hear_or_refuse(&theirs, SOON), Err(Silence::Gone)));
    }

    /// Patience ends in the moment in which the word is said, sooner or later by some microseconds: both sides agree whose
    /// the listeners are.
    #[test]
    fn whoever_loses_the_race_both_sides_know_it() {
        let (mut heard, mut late) = (0, 0);
        for round in 0..3000_u32 {
            let (ours, theirs) = pair();
            let start = std::sync::Barrier::new(2);
            let (said, word) = std::thread::scope(|scope| {
                let speaker = scope.spawn(|| {
                    start.wait();
                    (0..round % 300).for_each(|_| std::hint::spin_loop());
                    say(&ours, &Message::Yours).is_ok()
                });
                start.wait();
                let word = hear_or_refuse(&theirs, Duration::ZERO);
                (speaker.join().unwrap(), word)
            });
            assert_eq!(said, word.is_ok(), "round {round}: {word:?}");
            *(if said { &mut heard } else { &mut late }) += 1;
        }
        assert!(heard > 0 && late > 0, "no race: {heard} heard, {late} late");
    }

    #[test]
    fn every_silence_has_its_name() {
        let (ours, theirs) = pair();
        assert!(matches!(hear(&theirs, SOON, None), Err(Silence::Late(_))));
        let doorbell = sys::doorbell::open().unwrap();
        sys::doorbell::ring(&doorbell).unwrap();
        assert!(matches!(hear(&theirs, SOON, Some(&doorbell)), Err(Silence::Called)));
        send(&ours, b"GET / HTTP/1.1", SendFlags::empty()).unwrap();
        assert!(matches!(hear(&theirs, SOON, None), Err(Silence::Garbled)));
        say(&ours, &Message::Ready).unwrap();
        assert!(matches!(take(&theirs, 1, SOON), Err(Silence::Garbled)), "a packet without a descriptor");
        drop(ours);
        assert!(matches!(hear(&theirs, SOON, None), Err(Silence::Gone)));
        assert!(matches!(say(&theirs, &Message::Yours), Err(Silence::Gone)));
        let descriptor = sys::doorbell::open().unwrap();
        assert!(matches!(give(&theirs, &[descriptor.as_fd()]), Err(Silence::Gone)));
    }
}
