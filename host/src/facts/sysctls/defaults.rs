//! Computes the defaults that depend on the host: on its memory, its hash tables, its processors, the kernel's release
//! and build. Each function names the kernel code that it follows. Nothing is read here.

use super::default::Default;

/// The oldest release whose defaults were looked up. Older ones differ in more than this file covers.
const RELEASE_FIRST: Release = (5, 4);

/// The memory that the kernel counted at boot excludes what was still in use then, such as the initial file system,
/// and what it has reserved since. The difference is 0.1 to 0.5 % on a 24 GiB host, and several percent on a 1 GiB
/// host with a large initial file system.
const BOOT_MEMORY_TOLERANCE_PERCENT: f64 = 10.0;

/// Major and minor number.
type Release = (u64, u64);

/// The facts that defaults are computed from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::facts) struct Host {
    pub(in crate::facts) release: Option<Release>,
    pub(in crate::facts) page_bytes: u64,
    pub(in crate::facts) memory_bytes: Option<u64>,
    pub(in crate::facts) possible_count: Option<u64>,
    pub(in crate::facts) node_count: Option<u64>,
    /// Populated memory zones by name, over all nodes.
    pub(in crate::facts) zones: Vec<String>,
    /// Buckets of the connection table.
    pub(in crate::facts) bucket_count: Option<u64>,
    /// Whether some memory uses huge pages, by default or on request.
    pub(in crate::facts) huge_pages: Option<bool>,
    pub(in crate::facts) timer_hz: Option<u64>,
    pub(in crate::facts) congestion_control: Option<String>,
    pub(in crate::facts) qdisc: Option<String>,
    pub(in crate::facts) numa_balancing: Option<bool>,
}

impl Host {
    /// Whether the release is one whose defaults are known.
    pub(super) fn is_known(&self) -> bool {
        self.release.is_some_and(|release| release >= RELEASE_FIRST)
    }

    fn since(&self, release: Release) -> bool {
        self.release.is_some_and(|ours| ours >= release)
    }

    /// Pages that ordinary allocations can use: nr_free_buffer_pages(), mm/page_alloc.c. That function does not count
    /// a zone reserved for movable pages, whose size is not known here.
    fn buffer_pages(&self) -> Option<u64> {
        let movable = self.zones.iter().any(|zone| zone == "Movable");
        self.memory_bytes.filter(|_| !movable)?.checked_div(self.page_bytes)
    }
}

/// The two numbers at the beginning of `6.18.44-generic`.
pub(in crate::facts) fn release(text: &str) -> Option<Release> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn about(numbers: Vec<u64>) -> Default {
    Default::About { numbers, tolerance_percent: BOOT_MEMORY_TOLERANCE_PERCENT }
}

/// A function of the memory. Exact if the tolerance on memory makes no difference to the result.
fn of_memory(amount: Option<u64>, compute: impl Fn(u64) -> Vec<u64>) -> Default {
    let Some(amount) = amount else {
        return Default::Unknown;
    };
    let margin = (amount as f64 * BOOT_MEMORY_TOLERANCE_PERCENT / 100.0) as u64;
    let numbers = compute(amount);
    if compute(amount - margin) == numbers && compute(amount.saturating_add(margin)) == numbers {
        let words: Vec<String> = numbers.iter().map(u64::to_string).collect();
        return Default::OneOf(vec![words.join(" ")]);
    }
    about(numbers)
}

fn of_buckets(host: &Host, compute: impl Fn(u64) -> u64) -> Default {
    host.bucket_count.map_or(Default::Unknown, |buckets| Default::exactly(compute(buckets)))
}

fn by_release(host: &Host, release: Release, since: &str, before: &str) -> Default {
    Default::OneOf(vec![(if host.since(release) { since } else { before }).to_owned()])
}

/// A tenth of the memory in KiB, less what boot took: files_maxfiles_init().
pub(super) fn file_max(host: &Host) -> Default {
    of_memory(host.memory_bytes, |bytes| vec![(bytes / 1024 / 10).max(8192)])
}

/// A 25th of the memory over `sizeof(struct epitem) + sizeof(struct eppoll_entry)`, which is 184 on
/// 64-bit machines: eventpoll_init(). Builds with debugging have larger ones.
pub(super) fn epoll_watches(host: &Host) -> Default {
    let page = host.page_bytes;
    of_memory(host.memory_bytes, |bytes| vec![(bytes.checked_div(page).unwrap_or(0) / 25) * page / 184])
}

/// An eighth of the memory in stacks of 16 KiB: set_max_threads().
pub(super) fn threads_max(host: &Host) -> Default {
    const STACK_BYTES: u64 = 16 << 10;
    of_memory(host.memory_bytes, |bytes| vec![(bytes / (STACK_BYTES * 8)).clamp(20, 0x3fff_ffff)])
}

/// 1024 for each possible processor, at least 32768, at most 4 Mi: pid_idr_init().
pub(super) fn pid_max(host: &Host) -> Default {
    host.possible_count
        .map_or(Default::Unknown, |count| Default::exactly(count.saturating_mul(1024).clamp(32_768, 4 << 20)))
}

/// Off on one node, otherwise as built: check_numabalancing_enable().
pub(super) fn numa_balancing(host: &Host) -> Default {
    match (host.node_count, host.numa_balancing) {
        (Some(1), _) | (_, Some(false)) => Default::exactly(0),
        (Some(_), Some(true)) => Default::exactly(1),
        _ => Default::Unknown,
    }
}

/// The square root of sixteen times the memory in KiB, calculate_min_free_kbytes(). If huge pages are in use, it is
/// raised to eleven page blocks for each zone that takes ordinary pages: two, and nine for the pairs of migration
/// types, set_recommended_min_free_kbytes().
pub(super) fn min_free_kbytes(host: &Host) -> Default {
    let (Some(pages), Some(huge_pages)) = (host.buffer_pages(), host.huge_pages) else {
        return Default::Unknown;
    };
    if host.zones.is_empty() || host.page_bytes != 4096 {
        return Default::Unknown; // page blocks have other sizes elsewhere
    }
    const BLOCK_KIBIBYTES: u64 = 2048;
    let root_limit = if host.since((5, 14)) { 262_144 } else { 65_536 };
    let root = (pages * 4 * 16).isqrt().clamp(128, root_limit);
    let recommended = (host.zones.len() as u64 * 11 * BLOCK_KIBIBYTES).min(pages / 20 * 4);
    if huge_pages && recommended > root { Default::exactly(recommended) } else { about(vec![root]) }
}

/// Two jiffies: netdev_budget_usecs of net/core/hotdata.c.
pub(super) fn budget_usecs(host: &Host) -> Default {
    match host.timer_hz {
        Some(hz) if hz > 0 => Default::exactly(2_000_000 / hz),
        // The rates that kernel/Kconfig.hz offers.
        _ => Default::OneOf([100, 250, 300, 1000].map(|hz: u64| (2_000_000 / hz).to_string()).to_vec()),
    }
}

/// As built: CONFIG_DEFAULT_NET_SCH, without which it is pfifo_fast.
pub(super) fn qdisc(host: &Host) -> Default {
    match (&host.qdisc, host.timer_hz) {
        (Some(name), _) => Default::OneOf(vec![name.clone()]),
        (None, Some(_)) => Default::OneOf(vec!["pfifo_fast".to_owned()]),
        (None, None) => Default::Unknown,
    }
}

/// As built: CONFIG_DEFAULT_TCP_CONG.
pub(super) fn congestion_control(host: &Host) -> Default {
    host.congestion_control.as_ref().map_or(Default::Unknown, |name| Default::OneOf(vec![name.clone()]))
}

/// 4 MiB since 6.17, before it 256 of the smallest packets.
pub(super) fn socket_buffer_max(host: &Host) -> Default {
    by_release(host, (6, 17), "4194304", "212992")
}

/// 128 KiB since 6.8, before it room for control messages of 2560 words.
pub(super) fn ancillary_max(host: &Host) -> Default {
    by_release(host, (6, 8), "131072", "20480")
}

/// 4 MiB since 6.16, before it 1 MiB.
pub(super) fn limit_output(host: &Host) -> Default {
    by_release(host, (6, 16), "4194304", "1048576")
}

/// 64, or 128 in newer kernels and in those that adopted the change.
pub(super) fn deferred_max(_: &Host) -> Default {
    Default::OneOf(vec!["64".to_owned(), "128".to_owned()])
}

/// 1 MiB in pages.
pub(super) fn reserved_pages(host: &Host) -> Default {
    (1_u64 << 20).checked_div(host.page_bytes).map_or(Default::Unknown, Default::exactly)
}

/// One bucket for each 128 KiB, rounded up to a power of two, at most 524288: tcp_init(). With thash_entries= on its
/// command line the kernel takes that number instead, rounded up likewise, and the 524288 do not hold: such a host
/// differs from the default. Because of the rounding, the memory's tolerance only leaves a choice between neighbouring
/// powers. A namespace without its own table shows the first namespace's number as negative.
pub(super) fn hash_entries(host: &Host) -> Default {
    let Some(bytes) = host.memory_bytes else {
        return Default::Unknown;
    };
    let buckets = |bytes: u64| (bytes >> 17).max(1).next_power_of_two().min(512 << 10);
    let more = buckets(bytes + bytes / 10);
    let mut values = vec![buckets(bytes)];
    values.extend((more != values[0]).then_some(more));
    let shown = |sign: &str| values.iter().map(|value| format!("{sign}{value}")).collect::<Vec<_>>();
    Default::OneOf([shown(""), shown("-")].concat())
}

/// Half the buckets: tcp_set_hashinfo() for TIME_WAIT, tcp_init() for orphans.
pub(super) fn half_the_buckets(host: &Host) -> Default {
    of_buckets(host, |buckets| buckets / 2)
}

/// A bucket in 128, at least 128: tcp_set_hashinfo().
pub(super) fn syn_backlog(host: &Host) -> Default {
    of_buckets(host, |buckets| (buckets / 128).max(128))
}

/// A sixteenth of the memory, and three quarters and one and a half of that: tcp_init_mem().
pub(super) fn tcp_mem(host: &Host) -> Default {
    of_memory(host.buffer_pages(), |pages| {
        let limit = (pages / 16).max(128);
        vec![limit / 4 * 3, limit, limit / 4 * 3 * 2]
    })
}

/// One page, 128 KiB, and a 128th of the memory up to 32 MiB, before 6.16 up to 6 MiB: tcp_init().
pub(super) fn tcp_rmem(host: &Host) -> Default {
    let most: u64 = if host.since((6, 16)) { 32 << 20 } else { 6 << 20 };
    tcp_buffer(host, 131_072, 131_072, most)
}

/// One page, 16 KiB, and a 128th of the memory up to 4 MiB: tcp_init().
pub(super) fn tcp_wmem(host: &Host) -> Default {
    tcp_buffer(host, 16_384, 65_536, 4 << 20)
}

fn tcp_buffer(host: &Host, first: u64, least: u64, most: u64) -> Default {
    let page = host.page_bytes;
    of_memory(host.buffer_pages(), |pages| vec![page, first, pages.saturating_mul(page / 128).min(most).max(least)])
}

/// 262144 above 4 GiB and 65536 above 1 GiB: nf_conntrack_init_start(). Before 5.15 the table was a quarter of that
/// and the factor four, so the product is the same.
pub(super) fn conntrack_max(host: &Host) -> Default {
    of_memory(host.memory_bytes, |bytes| {
        let buckets = if bytes > 4 << 30 {
            262_144
        } else if bytes > 1 << 30 {
            65_536
        } else {
            (bytes / 16_384 / 8).max(1024)
        };
        vec![buckets]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The host on which these functions were checked: 24 GiB, 2 processors, Linux 6.18, 250 Hz.
    fn host() -> Host {
        Host {
            release: Some((6, 18)),
            page_bytes: 4096,
            memory_bytes: Some(24_684_084 * 1024),
            possible_count: Some(2),
            node_count: Some(1),
            zones: ["DMA", "DMA32", "Normal"].map(str::to_owned).to_vec(),
            bucket_count: Some(262_144),
            huge_pages: Some(true),
            timer_hz: Some(250),
            congestion_control: Some("bbr".to_owned()),
            qdisc: None,
            numa_balancing: Some(false),
        }
    }

    #[test]
    fn a_host_that_nobody_changed_has_the_defaults() {
        type Compute = fn(&Host) -> Default;
        let cases: [(Compute, &str); 19] = [
            (file_max, "2466170"),
            (epoll_watches, "5491511"),
            (threads_max, "192730"),
            (pid_max, "32768"),
            (numa_balancing, "0"),
            (min_free_kbytes, "67584"),
            (budget_usecs, "8000"),
            (qdisc, "pfifo_fast"),
            (congestion_control, "bbr"),
            (socket_buffer_max, "4194304"),
            (ancillary_max, "131072"),
            (reserved_pages, "256"),
            (hash_entries, "262144"),
            (half_the_buckets, "131072"),
            (syn_backlog, "2048"),
            (tcp_mem, "287898 383867 575796"),
            (tcp_rmem, "4096 131072 33554432"),
            (tcp_wmem, "4096 16384 4194304"),
            (conntrack_max, "262144"),
        ];
        for (compute, value) in cases {
            assert!(compute(&host()).holds(value), "{value}: {:?}", compute(&host()));
        }
    }

    #[test]
    fn settings_beyond_the_tolerance_differ() {
        type Compute = fn(&Host) -> Default;
        let cases: [(Compute, &str); 6] = [
            (file_max, "9223372036854775807"),
            (tcp_mem, "287898 383867 700000"),
            (tcp_rmem, "4096 131072 6291456"),
            (half_the_buckets, "131073"),
            (min_free_kbytes, "90112"),
            (budget_usecs, "2000"),
        ];
        for (compute, value) in cases {
            assert!(!compute(&host()).holds(value), "{value}: {:?}", compute(&host()));
        }
    }

    #[test]
    fn what_a_host_does_not_show_is_not_computed() {
        let bare = Host { release: Some((6, 18)), page_bytes: 4096, ..Host::default() };
        for compute in [file_max, tcp_mem, tcp_rmem, hash_entries, syn_backlog, min_free_kbytes, pid_max, qdisc] {
            assert_eq!(compute(&bare), Default::Unknown);
        }
        let mut movable = host();
        movable.zones.push("Movable".to_owned());
        assert_eq!(tcp_mem(&movable), Default::Unknown);
    }

    #[test]
    fn small_and_old_hosts() {
        let small = Host { memory_bytes: Some(1 << 30), release: Some((5, 15)), ..host() };
        assert_eq!(tcp_wmem(&small), Default::OneOf(vec!["4096 16384 4194304".to_owned()]));
        assert_eq!(tcp_rmem(&small), Default::OneOf(vec!["4096 131072 6291456".to_owned()]));
        // At 1 GiB the limit of 32 MiB is out of reach.
        let Default::About { numbers, .. } = tcp_rmem(&Host { release: Some((6, 18)), ..small.clone() }) else {
            panic!("not approximate");
        };
        assert_eq!(numbers, [4096, 131_072, 8 << 20]);
        assert!(hash_entries(&small).holds("8192"));
        assert!(hash_entries(&small).holds("16384"), "memory counted at boot is a little more");
        assert!(hash_entries(&small).holds("-8192"), "shared with the first namespace");
        assert!(!hash_entries(&small).holds("32768"));
        assert_eq!(socket_buffer_max(&small), Default::exactly(212_992));
        assert!(!Host { release: Some((4, 19)), ..host() }.is_known());
    }

    #[test]
    fn releases_begin_with_two_numbers() {
        for (text, expected) in [
            ("6.18.44-generic", Some((6, 18))),
            ("5.4", Some((5, 4))),
            ("6.1-rc3+", Some((6, 1))),
            ("six", None),
            ("", None),
        ] {
            assert_eq!(release(text), expected, "{text:?}");
        }
    }
}
