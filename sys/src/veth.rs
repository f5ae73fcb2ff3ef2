//! Virtual Ethernet (veth(4)): two interfaces, each the other end of a cable, in two network namespaces; and addresses of
//! interfaces. Speaks rtnetlink(7), because ioctls make no such device and give an interface one address only.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage};
use netlink_packet_route::{AddressFamily as Family, RouteNetlinkMessage};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};
use std::io;
use std::net::{IpAddr, Ipv4Addr};

/// Longer than any acknowledgement, which repeats at most the request.
const REPLY_LEN_MAX: usize = 4096;

/// Makes a cable from an interface of the calling thread's namespace to one of another. Both are down, and both are gone
/// when either namespace is.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN in both namespaces, EEXIST when one has an interface of that name, EOPNOTSUPP when the
/// kernel has no veth.
pub fn connect(near: &str, far: &str, far_namespace: BorrowedFd<'_>) -> io::Result<()> {
    let mut peer = LinkMessage::default();
    peer.attributes = vec![LinkAttribute::IfName(far.to_owned()), LinkAttribute::NetNsFd(far_namespace.as_raw_fd())];
    let mut link = LinkMessage::default();
    link.attributes = vec![
        LinkAttribute::IfName(near.to_owned()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]),
    ];
    request(RouteNetlinkMessage::NewLink(link))
}

/// Gives an interface of the calling thread's namespace one more address, in a network of `prefix_len` bits.
///
/// # Errors
/// ENODEV without such an interface, EEXIST when it has the address, EPERM without CAP_NET_ADMIN.
pub fn add_address(interface: &str, address: Ipv4Addr, prefix_len: u8) -> io::Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut message = AddressMessage::default();
    message.header.family = Family::Inet;
    message.header.prefix_len = prefix_len;
    message.header.index = name_to_index(&socket, interface)?;
    let address = IpAddr::V4(address);
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    request(RouteNetlinkMessage::NewAddress(message))
}

/// Sends a request and waits for its acknowledgement.
fn request(message: RouteNetlinkMessage) -> io::Result<()> {
    // NETLINK_ROUTE is protocol 0, the default (linux/netlink.h).
    let socket: OwnedFd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    send(&socket, &bytes, SendFlags::empty())?;
    acknowledged(socket.as_fd())
}

/// Reads the kernel's answer to the only request on a socket.
fn acknowledged(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut reply = vec![0; REPLY_LEN_MAX];
    let (len, _) = recv(socket, &mut reply[..], RecvFlags::empty())?;
    let unknown = || io::Error::other("rtnetlink answered something unknown");
    let packet = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&reply[..len]).map_err(|_| unknown())?;
    match packet.payload {
        // Without a code it acknowledges (netlink(7)).
        NetlinkPayload::Error(answer) => answer.code.map_or(Ok(()), |_| Err(answer.to_io())),
        _ => Err(unknown()),
    }
}
