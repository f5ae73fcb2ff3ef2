//! Asks the kernel for the root queueing discipline of every interface. No file shows it, so this uses a netlink
//! socket (rtnetlink(7), RTM_GETQDISC). It changes nothing.

use rustix::io;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

use super::interfaces::Qdiscs;

/// Message types and flags of linux/netlink.h and linux/rtnetlink.h.
const RTM_NEWQDISC: u16 = 36;
const RTM_GETQDISC: u16 = 38;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// `struct nlmsghdr` and `struct tcmsg`. Every part of a message begins at a multiple of four.
const HEADER_LEN: usize = 16;
const TRAFFIC_CONTROL_LEN: usize = 20;

/// TC_H_ROOT of linux/pkt_sched.h, and the attribute that holds a discipline's name.
const ROOT: u32 = 0xFFFF_FFFF;
const TCA_KIND: u16 = 1;

/// The kernel sends at most 32 KiB at once (netlink_recvmsg, af_netlink.c).
const ANSWER_LEN_MAX: usize = 32 << 10;

/// Maximum number of answers to read, in case the kernel never announces the end.
const ANSWERS_MAX: usize = 256;

/// Interface index → root queueing discipline. Empty if netlink is not available.
pub(super) fn roots() -> Qdiscs {
    // If a filter forbids netlink, the disciplines are not known.
    ask().unwrap_or_default()
}

fn ask() -> io::Result<Qdiscs> {
    // `None` stands for the protocol NETLINK_ROUTE, which is zero.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    send(&socket, &request(), SendFlags::empty())?;
    let mut found = Qdiscs::new();
    let mut answer = vec![0; ANSWER_LEN_MAX];
    for _ in 0..ANSWERS_MAX {
        // The kernel answers while it accepts the request and while it is read from, so there is nothing to wait for.
        let (length, _) = recv(&socket, &mut answer[..], RecvFlags::DONTWAIT)?;
        if !read_answer(&answer[..length], &mut found) {
            break;
        }
    }
    Ok(found)
}

fn request() -> Vec<u8> {
    let length = HEADER_LEN + TRAFFIC_CONTROL_LEN;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&(length as u32).to_ne_bytes());
    bytes.extend_from_slice(&RTM_GETQDISC.to_ne_bytes());
    bytes.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    bytes.resize(length, 0);
    bytes
}

/// Reads root disciplines from one answer. Returns whether another answer follows.
fn read_answer(mut answer: &[u8], found: &mut Qdiscs) -> bool {
    while let (Some(length), Some(kind)) = (number_32(answer, 0), number_16(answer, 4)) {
        let length = length as usize;
        if matches!(kind, NLMSG_DONE | NLMSG_ERROR) || length < HEADER_LEN || length > answer.len() {
            return false;
        }
        if kind == RTM_NEWQDISC {
            found.extend(root_discipline(&answer[HEADER_LEN..length]));
        }
        answer = answer.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    true
}

/// Index and name, if the message is about a root discipline.
fn root_discipline(message: &[u8]) -> Option<(u64, String)> {
    let (index, parent) = (number_32(message, 4)?, number_32(message, 12)?);
    if parent != ROOT {
        return None;
    }
    let mut attributes = message.get(TRAFFIC_CONTROL_LEN..)?;
    loop {
        let (length, kind) = (number_16(attributes, 0)? as usize, number_16(attributes, 2)?);
        let value = attributes.get(4..length)?;
        if kind == TCA_KIND {
            let name = value.split(|byte| *byte == 0).next()?;
            return Some((index.into(), String::from_utf8(name.to_vec()).ok()?));
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn number_32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn number_16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message about one discipline, in the kernel's layout.
    fn message(kind: u16, index: u32, parent: u32, name: &str) -> Vec<u8> {
        let mut attribute = ((4 + name.len() + 1) as u16).to_ne_bytes().to_vec();
        attribute.extend_from_slice(&TCA_KIND.to_ne_bytes());
        attribute.extend_from_slice(name.as_bytes());
        attribute.resize((attribute.len() + 1).next_multiple_of(4), 0);
        let mut bytes = ((HEADER_LEN + TRAFFIC_CONTROL_LEN + attribute.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.resize(HEADER_LEN + 4, 0);
        bytes.extend_from_slice(&index.to_ne_bytes());
        bytes.resize(HEADER_LEN + 12, 0);
        bytes.extend_from_slice(&parent.to_ne_bytes());
        bytes.resize(HEADER_LEN + TRAFFIC_CONTROL_LEN, 0);
        bytes.extend_from_slice(&attribute);
        bytes
    }

    #[test]
    fn only_roots_are_kept() {
        let mut answer = message(RTM_NEWQDISC, 1, ROOT, "noqueue");
        answer.extend(message(RTM_NEWQDISC, 2, ROOT, "mq"));
        answer.extend(message(RTM_NEWQDISC, 2, 0x8001_0000, "fq_codel"));
        let mut found = Qdiscs::new();
        assert!(read_answer(&answer, &mut found), "no end was announced");
        assert!(!read_answer(&message(NLMSG_DONE, 0, 0, ""), &mut found));
        assert_eq!(found, Qdiscs::from([(1, "noqueue".to_owned()), (2, "mq".to_owned())]));
    }

    #[test]
    fn an_answer_cut_anywhere_is_no_trouble() {
        let answer = message(RTM_NEWQDISC, 1, ROOT, "noqueue");
        for length in 0..answer.len() {
            let mut found = Qdiscs::new();
            read_answer(&answer[..length], &mut found);
            assert!(found.is_empty(), "{length}");
        }
        // A length of zero must not cause an endless loop.
        assert!(!read_answer(&[0; 64], &mut Qdiscs::new()));
    }
}
