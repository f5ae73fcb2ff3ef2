//! A cable with the faults of a long one: what is sent into one end arrives at the other after a while, or not at all.
//!
//! Both ends are TUN devices, and a thread of this program carries packets from one to the other. Kernels without netem
//! have nothing else that delays or loses packets, and where netem is, it delays them in the receiver's own queue. Packets
//! keep their virtio_net_hdr, so a large one crosses uncut. The thread needs about as much CPU time as both ends' system calls.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use random::Random;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::time::Timespec;
use sys::tun::{self, Interface};

/// A packet of 65,535 bytes behind a virtio_net_hdr of 10 (linux/virtio_net.h).
const PACKET_LEN_MAX: usize = 65_535 + 10;
/// Packets that wait in a device to be read, and on the way. Beyond that they are lost, as in any queue.
const QUEUE_LEN: u16 = 10_000;
/// Longest time until the end is noticed.
const LOOK: Duration = Duration::from_millis(20);

/// What a cable does to what is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wire {
    /// From one end to the other.
    pub(crate) delay: Duration,
    /// Packets of 10,000 that are lost in each direction.
    pub(crate) lost_per_10000: u32,
    /// Of the losses.
    pub(crate) seed: u64,
}

/// One end: a device in the namespace of the thread that made it.
#[derive(Debug)]
pub(crate) struct End(OwnedFd);

impl End {
    /// Makes the interface `name` in the calling thread's namespace. It is gone when the end is dropped.
    ///
    /// # Errors
    /// Without /dev/net/tun or CAP_NET_ADMIN.
    pub(crate) fn make(name: &std::ffi::CStr) -> anyhow::Result<End> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let device = open("/dev/net/tun", flags, Mode::empty())
            .context("cannot open /dev/net/tun: `modprobe tun` loads it; in a container the device must be allowed")?;
        tun::make_device(&device, name).context("cannot make a TUN device")?;
        tun::accept_offloads(&device).context("cannot let a TUN device take large packets")?;
        Interface::named(name)?.set_queue_len(QUEUE_LEN).context("cannot set the queue of a TUN device")?;
        Ok(End(device))
    }
}

/// Packets on their way, the next to arrive first.
struct Way {
    wire: Wire,
    losses: Random,
    packets: VecDeque<(Instant, Vec<u8>)>,
}

impl Way {
    fn new(wire: Wire, seed: u64) -> Way {
        Way { wire, losses: Random::new(seed), packets: VecDeque::new() }
    }

    /// Takes what an end has sent.
    fn take(&mut self, from: &End, buffer: &mut [u8]) -> Result<(), Errno> {
        loop {
            match read(&from.0, &mut *buffer) {
                Ok(0) => return Ok(()),
                Ok(len) => {
                    let is_lost = self.losses.index(10_000) < self.wire.lost_per_10000 as usize;
                    if !is_lost && self.packets.len() < usize::from(QUEUE_LEN) {
                        self.packets.push_back((Instant::now() + self.wire.delay, buffer[..len].to_vec()));
                    }
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                // The interface is down: what is sent is lost.
                Err(Errno::IO) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Delivers what is due.
    fn deliver(&mut self, to: &End, now: Instant) -> Result<(), Errno> {
        while self.packets.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, packet)) = self.packets.pop_front() else { break };
            match write(&to.0, &packet) {
                // A device whose interface is down loses packets, and so does one without room.
                Ok(_) | Err(Errno::IO | Errno::AGAIN | Errno::INTR | Errno::INVAL) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Carries packets between two ends until `stop`.
///
/// # Errors
/// When a device cannot be read or written any more.
pub(crate) fn carry(wire: Wire, ends: &[End; 2], stop: &AtomicBool) -> anyhow::Result<()> {
    let mut ways = [Way::new(wire, wire.seed), Way::new(wire, !wire.seed)];
    let mut buffer = vec![0; PACKET_LEN_MAX];
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        let next = ways.iter().filter_map(|way| way.packets.front()).map(|(due, _)| due.saturating_duration_since(now));
        let wait = next.min().map_or(LOOK, |wait| wait.min(LOOK));
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        let mut polled = ends.each_ref().map(|end| PollFd::from_borrowed_fd(end.0.as_fd(), PollFlags::IN));
        match poll(&mut polled, Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for packets"),
        }
        let now = Instant::now();
        for (index, way) in ways.iter_mut().enumerate() {
            way.take(&ends[index], &mut buffer).context("cannot read packets")?;
            way.deliver(&ends[1 - index], now).context("cannot write packets")?;
        }
    }
    Ok(())
}
