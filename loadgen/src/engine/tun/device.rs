//! A TUN device: a network interface whose other side is this process. Moves packets and does not look into
//! them.

use crate::LoadError;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::time::Timespec;
use std::ffi::CString;
use std::net::Ipv4Addr;
use sys::tun::{self, Interface};
use tcp::client::Block;
use tcp::wire::{CHECKSUM_OFFSET, Checksums, IP_HEADER_LEN};

/// Bytes in front of each packet: a virtio_net_hdr (linux/virtio_net.h).
const HEADER_LEN: usize = 10;
/// Flags in its first byte: the checksum is left to the other side, or the other side has verified it.
const NEEDS_CHECKSUM: u8 = 1;
const DATA_VALID: u8 = 2;
/// The largest packet: with segmentation offload the kernel hands over uncut segments.
const PACKET_LEN_MAX: usize = 65_535;
/// Packets of the server that wait to be read. 500, the default, overflow in a burst of SYN-ACKs.
const QUEUE_LEN: u16 = 32_768;

/// Segment size of a link with the MTU of Ethernet, which is what a new TUN device has.
pub(super) const MSS: u16 = 1460;
/// A buffer that any packet fits.
pub(super) const BUFFER_LEN: usize = HEADER_LEN + PACKET_LEN_MAX;

/// An open device, which the kernel removes when this is dropped.
#[derive(Debug)]
pub(super) struct Device {
    tun: OwnedFd,
}

impl Device {
    /// Makes the device `c10m<number>`, routes `block` through it, and gives it `address` if there is one.
    pub(super) fn open(number: usize, block: Block, address: Option<Ipv4Addr>) -> Result<Device, LoadError> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let tun = open("/dev/net/tun", flags, Mode::empty()).map_err(no_device)?;
        let name = format!("c10m{number}");
        let terminated = CString::new(name.as_str()).unwrap_or_default();
        tun::make_device(&tun, &terminated).map_err(|errno| no_name(errno, &name))?;
        let configure = || {
            tun::accept_offloads(&tun)?;
            let interface = Interface::named(&terminated)?;
            interface.set_queue_len(QUEUE_LEN)?;
            if let Some(address) = address {
                interface.set_address(address)?;
            }
            interface.set_up()?;
            interface.add_route(block.network(), Block::MASK)
        };
        configure().map_err(|errno| LoadError::Setup { what: "configure a TUN device", source: errno.into() })?;
        Ok(Device { tun })
    }

    /// The header of each packet written: the TCP checksum is left to the kernel, which does not compute it
    /// either, because the packet never leaves the host.
    pub(super) fn prefix() -> [u8; HEADER_LEN] {
        let mut prefix = [0; HEADER_LEN];
        prefix[0] = NEEDS_CHECKSUM;
        // Numbers are in host byte order, unless TUNSETVNETBE is set.
        prefix[6..8].copy_from_slice(&(IP_HEADER_LEN as u16).to_ne_bytes());
        prefix[8..10].copy_from_slice(&(CHECKSUM_OFFSET as u16).to_ne_bytes());
        prefix
    }

    /// Reads a packet and says who verifies its checksum. EAGAIN: there is no packet.
    #[inline]
    pub(super) fn read<'b>(&self, buffer: &'b mut [u8]) -> Result<(&'b [u8], Checksums), Errno> {
        let len = read(&self.tun, &mut *buffer)?;
        let (header, packet) = buffer[..len].split_at(HEADER_LEN.min(len));
        let is_offloaded = header.first().is_some_and(|flags| flags & (NEEDS_CHECKSUM | DATA_VALID) != 0);
        Ok((packet, if is_offloaded { Checksums::Offloaded } else { Checksums::Ours }))
    }

    /// Hands a packet with its prefix to the kernel, which runs it through its whole receive path before this
    /// returns.
    #[inline]
    pub(super) fn write(&self, packet: &[u8]) -> Result<(), Errno> {
        write(&self.tun, packet).map(|_| ())
    }

    /// Waits until a packet can be read, or for so long.
    pub(super) fn wait(&self, timeout: &Timespec) {
        // The one error that can happen is EINTR, and then there may be no packet.
        let _ = poll(&mut [PollFd::new(&self.tun, PollFlags::IN)], Some(timeout));
    }
}

fn no_device(errno: Errno) -> LoadError {
    LoadError::Refused(match errno {
        Errno::NOENT | Errno::NODEV | Errno::NXIO => format!(
            "engine tun needs /dev/net/tun, which is not there ({errno}): load it with `modprobe tun`, and in a \
             container pass it in (--device /dev/net/tun)"
        ),
        Errno::ACCESS | Errno::PERM => {
            format!("engine tun may not open /dev/net/tun ({errno}): run as root, or with `chmod 666 /dev/net/tun`")
        }
        errno => format!("engine tun cannot open /dev/net/tun ({errno}): `ls -l /dev/net/tun` shows what is there"),
    })
}

fn no_name(errno: Errno, name: &str) -> LoadError {
    LoadError::Refused(match errno {
        Errno::PERM => format!(
            "engine tun may not make a network device ({errno}): it needs CAP_NET_ADMIN in this network namespace; \
             as root, or in namespaces of your own: `unshare --user --map-root-user --net`"
        ),
        Errno::BUSY => format!(
            "device {name} exists ({errno}): another load with --engine tun runs in this network namespace; give this \
             one its own with `unshare --net`"
        ),
        errno => format!("engine tun cannot make the device {name} ({errno}): does the kernel have CONFIG_TUN?"),
    })
}
