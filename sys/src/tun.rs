//! The ioctls that make and configure a TUN device and other interfaces (netdevice(7)).

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;

/// A route as SIOCADDRT takes it (linux/route.h); libc defines it only for other C libraries.
#[repr(C)]
struct Route {
    padding_1: libc::c_ulong,
    destination: libc::sockaddr_in,
    gateway: libc::sockaddr_in,
    mask: libc::sockaddr_in,
    flags: libc::c_ushort,
    padding_2: libc::c_short,
    padding_3: libc::c_ulong,
    padding_4: usize,
    metric: libc::c_short,
    device: *const c_char,
    mtu: libc::c_ulong,
    window: libc::c_ulong,
    initial_round_trip: libc::c_ushort,
}

/// Makes a device that carries IPv4 packets, each after a virtio_net_hdr of 10 bytes, to and from `tun`, an
/// open /dev/net/tun. The device disappears when `tun` is closed.
pub fn make_device(tun: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    let mut request = request(name);
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    ioctl(tun.as_fd(), libc::TUNSETIFF, &mut request)
}

/// Tells the kernel that packets read from the device may lack checksums and be larger than the MTU.
pub fn accept_offloads(tun: &OwnedFd) -> Result<(), Errno> {
    let offloads = libc::c_ulong::from(libc::TUN_F_CSUM | libc::TUN_F_TSO4);
    // SAFETY: TUNSETOFFLOAD takes a number, no pointer.
    let result = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETOFFLOAD, offloads) };
    checked(result)
}

/// A network interface of the calling thread's namespace (netdevice(7)).
pub struct Interface<'a> {
    socket: OwnedFd,
    name: &'a CStr,
}

impl<'a> Interface<'a> {
    /// An interface by its name.
    ///
    /// # Errors
    /// EMFILE and friends: the requests go through a socket. Only they find out whether the interface exists.
    pub fn named(name: &'a CStr) -> Result<Interface<'a>, Errno> {
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        Ok(Interface { socket, name })
    }

    /// Sets how many packets may wait to be read before the kernel drops more.
    pub fn set_queue_len(&self, packets: u16) -> Result<(), Errno> {
        let mut request = request(self.name);
        request.ifr_ifru.ifru_metric = libc::c_int::from(packets);
        ioctl(self.socket.as_fd(), libc::SIOCSIFTXQLEN, &mut request)
    }

    /// Gives a point-to-point interface its address on this side.
    pub fn set_address(&self, address: Ipv4Addr) -> Result<(), Errno> {
        let mut request = request(self.name);
        request.ifr_ifru.ifru_addr = generic(address);
        ioctl(self.socket.as_fd(), libc::SIOCSIFADDR, &mut request)
    }

    /// Lets packets through.
    ///
    /// # Errors
    /// Those of netdevice(7).
    pub fn set_up(&self) -> Result<(), Errno> {
        let mut request = request(self.name);
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        ioctl(self.socket.as_fd(), libc::SIOCSIFFLAGS, &mut request)
    }

    /// Lets no packets through any more.
    ///
    /// # Errors
    /// Those of netdevice(7).
    pub fn set_down(&self) -> Result<(), Errno> {
        let mut request = request(self.name);
        request.ifr_ifru.ifru_flags = 0;
        ioctl(self.socket.as_fd(), libc::SIOCSIFFLAGS, &mut request)
    }

    /// Routes a network through the interface.
    pub fn add_route(&self, network: Ipv4Addr, mask: Ipv4Addr) -> Result<(), Errno> {
        let mut route = Route {
            padding_1: 0,
            destination: socket_address(network),
            gateway: socket_address(Ipv4Addr::UNSPECIFIED),
            mask: socket_address(mask),
            flags: libc::RTF_UP,
            padding_2: 0,
            padding_3: 0,
            padding_4: 0,
            metric: 0,
            device: self.name.as_ptr(),
            mtu: 0,
            window: 0,
            initial_round_trip: 0,
        };
        ioctl(self.socket.as_fd(), libc::SIOCADDRT, &mut route)
    }
}

fn request(name: &CStr) -> libc::ifreq {
    // SAFETY: `ifreq` consists of integers and pointers the kernel does not follow for the requests here,
    // for which zeroes are valid.
    let mut request = unsafe { MaybeUninit::<libc::ifreq>::zeroed().assume_init() };
    // Leave one byte, so that a zero follows.
    for (to, from) in request.ifr_name[..libc::IFNAMSIZ - 1].iter_mut().zip(name.to_bytes()) {
        *to = *from as c_char;
    }
    request
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: address.to_bits().to_be() },
        sin_zero: [0; 8],
    }
}

/// The same address as a `sockaddr`: two bytes of port, four of address, eight of nothing.
fn generic(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    for (to, from) in data[2..6].iter_mut().zip(address.octets()) {
        *to = from as c_char;
    }
    libc::sockaddr { sa_family: libc::AF_INET as libc::sa_family_t, sa_data: data }
}

/// An ioctl on `argument`. Private to this file, which gives each request the type it takes.
fn ioctl<T>(descriptor: BorrowedFd<'_>, number: libc::Ioctl, argument: &mut T) -> Result<(), Errno> {
    // SAFETY: the callers above pair each request with the structure it reads and may write back
    // (netdevice(7), linux/if_tun.h), which is valid for the length of the call.
    let result = unsafe { libc::ioctl(descriptor.as_raw_fd(), number, std::ptr::from_mut(argument)) };
    checked(result)
}

fn checked(result: libc::c_int) -> Result<(), Errno> {
    if result >= 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}
