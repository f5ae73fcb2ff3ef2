//! Runs into the limit on what one user may watch by epoll, as a user that has no other process.

use std::os::fd::OwnedFd;

use anyhow::{Context, anyhow, bail};
use host::{Facts, Meminfo};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::Errno as Number;
use rustix::process::{Resource, getrlimit};

use crate::walk::record::{Errno, Met, number};
use crate::walk::user;

/// Kernel memory of a watch of an eventfd or a socket: struct epitem 128 B, struct eppoll_entry 64 B and a share of the
/// head (Linux 6.18, /proc/slabinfo).
const WATCH_BYTES: u64 = 208;
/// Most kernel memory that the walk takes, and its share of what is available.
const BYTES_MAX: u64 = 2 << 30;
const MEMORY_SHARE: u64 = 4;
/// Descriptors that this process has besides, and the most that it uses.
const DESCRIPTORS_SPARE: u64 = 50;
const DESCRIPTORS_MAX: u64 = 65_536;
/// Most sets: each further one makes every watch slower (reverse_path_check of fs/eventpoll.c).
const SETS_MAX: u64 = 1000;

pub(super) fn meet() -> anyhow::Result<Met> {
    let limit = Facts::of_this_host().files.epoll_watches_max.context("fs.epoll.max_user_watches cannot be read")?;
    if let Err(reason) = affordable(limit, Meminfo::read().available.unwrap_or(0), group_left()) {
        return Ok(Met::NotHit { reason });
    }
    let table = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).min(DESCRIPTORS_MAX);
    let Some(watched) = watched_for(limit, table) else {
        let reason = format!("{} descriptors are too few for {} watches", number(table), number(limit));
        return Ok(Met::NotHit { reason });
    };
    // A thread that changes its user loses its tie to the parent process (prctl(2), PR_SET_PDEATHSIG), so the first one
    // stays as it is.
    std::thread::scope(|scope| {
        let ordinary = scope.spawn(|| match user::become_ordinary() {
            Ok(user) => hit(user, watched),
            Err(reason) => Ok(Met::NotHit { reason }),
        });
        ordinary.join().unwrap_or_else(|_| Err(anyhow!("the thread of the other user panicked")))
    })
}

/// How many descriptors to watch, so that they and as many sets as it takes fit into the table.
fn watched_for(limit: u64, table: u64) -> Option<u64> {
    let left = table.saturating_sub(DESCRIPTORS_SPARE);
    let sets = (1..SETS_MAX.min(left)).find(|sets| sets * (left - sets) > limit)?;
    Some(left - sets)
}

fn hit(user: u32, watched: u64) -> anyhow::Result<Met> {
    let watched: Result<Vec<OwnedFd>, Number> = (0..watched).map(|_| eventfd(0, EventfdFlags::CLOEXEC)).collect();
    let watched = watched.context("making descriptors to watch")?;
    let (sets, watches, error) = watch_all(&watched)?;
    let seen = vec![format!(
        "User {user} watched {} descriptors in {} sets: {} watches, some {} MiB of kernel memory, freed again. Nobody else \
         was short.",
        number(watched.len() as u64),
        sets.len(),
        number(watches),
        (watches * WATCH_BYTES) >> 20
    )];
    Ok(Met::Hit { at: watches, call: "epoll_ctl(2)".to_owned(), errno: Errno::of(error), seen })
}

/// Watches everything in one set after another until that fails.
fn watch_all(watched: &[OwnedFd]) -> anyhow::Result<(Vec<OwnedFd>, u64, Number)> {
    let (mut sets, mut watches) = (vec![], 0);
    loop {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC).context("making an epoll set")?;
        for (index, descriptor) in watched.iter().enumerate() {
            let data = epoll::EventData::new_u64(index as u64);
            match epoll::add(&set, descriptor, data, epoll::EventFlags::IN) {
                Ok(()) => watches += 1,
                Err(error @ (Number::NOSPC | Number::NOMEM)) => {
                    sets.push(set);
                    return Ok((sets, watches, error));
                }
                Err(error) => bail!("watching a descriptor failed: {}", Errno::of(error)),
            }
        }
        sets.push(set);
    }
}

/// Whether reaching the limit takes no more memory than it may.
fn affordable(limit: u64, available: u64, group_left: Option<u64>) -> Result<(), String> {
    let bytes = limit.saturating_mul(WATCH_BYTES);
    let may = BYTES_MAX.min(available / MEMORY_SHARE).min(group_left.map_or(u64::MAX, |left| left / MEMORY_SHARE));
    if bytes <= may {
        return Ok(());
    }
    Err(format!(
        "{} watches take some {} MiB of kernel memory, and the walk takes at most {} MiB here",
        number(limit),
        bytes >> 20,
        may >> 20
    ))
}

/// What the memory group of this process still allows.
fn group_left() -> Option<u64> {
    host::Room::read(std::path::Path::new("/")).cgroup_memory.map(|memory| memory.left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_what_they_watch_fit_the_table() {
        for (limit, table) in [(5_491_489, 20_000), (400_000, 4096), (1, 60)] {
            let watched = watched_for(limit, table).expect("it fits");
            let sets = limit / watched + 1;
            assert!(sets * watched > limit && sets + watched + DESCRIPTORS_SPARE <= table, "{limit}: {watched}");
        }
        assert_eq!(watched_for(5_491_489, 1024), None);
    }

    #[test]
    fn memory_is_bounded_before_anything_is_taken() {
        const GIB: u64 = 1 << 30;
        assert_eq!(affordable(5_000_000, 24 * GIB, None), Ok(()));
        for (limit, available, group) in
            [(5_000_000, 2 * GIB, None), (5_000_000, 24 * GIB, Some(GIB)), (50_000_000, 256 * GIB, None)]
        {
            let reason = affordable(limit, available, group).expect_err("too much");
            assert!(reason.contains("kernel memory"), "{reason}");
        }
    }
}
