//! Makes the sockets that engines and other clients connect.

use crate::plan::ports::PortRange;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use std::net::SocketAddr;
use std::time::Duration;

/// A socket of a family, bound to `source` but to no port yet; connect(2) chooses one of `ports`.
pub(crate) fn new_socket(
    family: AddressFamily,
    source: Option<SocketAddr>,
    flags: SocketFlags,
    ports: Option<PortRange>,
    resets: bool,
) -> Result<OwnedFd, Errno> {
    let socket = socket_with(family, SocketType::STREAM, flags | SocketFlags::CLOEXEC, None)?;
    if family == AddressFamily::UNIX {
        // A unix socket has no segments, no TIME-WAIT and no ports.
        return Ok(socket);
    }
    // A batch is one send; delaying its last segment until an ACK would only add latency.
    sockopt::set_tcp_nodelay(&socket, true)?;
    if resets {
        // A time of zero makes close(2) send RST instead of FIN (socket(7), SO_LINGER).
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    }
    if let Some(source) = source {
        sys::socket::choose_port_late(&socket)?;
        bind(&socket, &source)?;
    }
    if let Some(PortRange { first, last }) = ports {
        sys::socket::bound_ports(&socket, first, last)?;
    }
    Ok(socket)
}
