//! Options of sockets, which guides recommend and `c10m tune prove` tries.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use server::{SocketOptions, Variant};

/// Arguments about sockets.
#[derive(Debug, Args)]
pub(super) struct SocketArgs {
    /// Let small pieces of replies wait for an acknowledgement of those before (Nagle's algorithm), as sockets do by
    /// themselves: leave TCP_NODELAY off.
    #[arg(long)]
    nagle: bool,
    /// Let a connection wait for its first bytes in the kernel, for about this time in whole seconds (TCP_DEFER_ACCEPT).
    #[arg(long, value_name = "TIME", value_parser = whole_seconds)]
    defer_accept: Option<NonZeroU32>,
    /// Poll the network card for so long before a receive waits, such as 50us (SO_BUSY_POLL); epoll does not look at it.
    #[arg(long, value_name = "TIME", value_parser = whole_microseconds)]
    busy_poll: Option<NonZeroU32>,
    /// The same before the wait for events of each reactor (EPIOCSPARAMS, Linux 6.9); epoll only.
    #[arg(long, value_name = "TIME", value_parser = whole_microseconds)]
    epoll_busy_poll: Option<NonZeroU32>,
}

impl SocketArgs {
    /// The options, with the kernel's own sizes.
    pub(super) fn options(&self) -> SocketOptions {
        SocketOptions {
            delays_small: self.nagle,
            defer_accept_s: self.defer_accept,
            busy_poll_us: self.busy_poll,
            epoll_busy_poll_us: self.epoll_busy_poll,
            ..SocketOptions::default()
        }
    }

    /// Refuses what the backend does not do. `None` is one that is chosen later.
    ///
    /// # Errors
    /// What, and what does it.
    pub(super) fn check(&self, variant: Option<Variant>) -> Result<(), String> {
        let is_epoll = variant.is_some_and(|variant| variant.is_epoll());
        match self.epoll_busy_poll {
            Some(_) if !is_epoll => {
                Err("--epoll-busy-poll goes with --backend epoll: no other waits in epoll_wait itself".into())
            }
            _ => Ok(()),
        }
    }
}

fn whole_seconds(text: &str) -> Result<NonZeroU32, String> {
    whole(text, Duration::from_secs(1), "1s to 255s", 255)
}

fn whole_microseconds(text: &str) -> Result<NonZeroU32, String> {
    // A second of polling is a second in which nobody else runs there.
    whole(text, Duration::from_micros(1), "1us to 1s", 1_000_000)
}

/// A duration as a whole number of `unit`s.
fn whole(text: &str, unit: Duration, range: &str, most: u32) -> Result<NonZeroU32, String> {
    let asked = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let is_whole = asked.as_nanos().is_multiple_of(unit.as_nanos());
    let count = u32::try_from(asked.as_nanos() / unit.as_nanos()).ok().filter(|count| *count <= most && is_whole);
    count.and_then(NonZeroU32::new).ok_or_else(|| format!("expected {range}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole() {
        let seconds = |text| whole_seconds(text).ok().map(NonZeroU32::get);
        let micros = |text| whole_microseconds(text).ok().map(NonZeroU32::get);
        assert_eq!((seconds("1s"), seconds("0s"), seconds("1500ms"), seconds("256s")), (Some(1), None, None, None));
        assert_eq!((micros("50us"), micros("1ms"), micros("2s"), micros("x")), (Some(50), Some(1000), None, None));
    }
}
