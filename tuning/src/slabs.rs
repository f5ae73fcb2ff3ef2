//! What one object of the kernel takes: sizes and geometry of slab caches from `/proc/slabinfo`, and
//! where that is not readable (it is root's alone) the table measured on Linux 6.18. Predicts
//! nothing.

use std::collections::BTreeMap;
use std::path::Path;

use ::host::SlabCache;
use serde::Serialize;

/// Where the sizes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// This host's /proc/slabinfo.
    Slabinfo,
    /// The table measured on Linux 6.18, x86-64.
    Table,
}

impl Basis {
    /// In words, for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Basis::Slabinfo => "object sizes of this host's /proc/slabinfo",
            Basis::Table => "object sizes of Linux 6.18, x86-64, as /proc/slabinfo is not readable here",
        }
    }
}

/// A slab cache: how large an object is, and how many share how many pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cache {
    object_bytes: u64,
    objects_per_slab: u64,
    pages_per_slab: u64,
}

/// Caches a connection has objects in, on Linux 6.18.44, x86-64: name, bytes, objects and pages of a slab.
/// Also used for a cache that slabinfo does not list because it was merged with another of the same size,
/// which changes the name but not the size.
const TABLE: &[(&str, u64, u64, u64)] = &[
    ("TCP", 2368, 13, 8),
    ("sock_inode_cache", 832, 19, 4),
    ("filp", 192, 21, 1),
    ("dentry", 192, 21, 1),
    ("lsm_file_cache", 24, 170, 1),
    ("lsm_inode_cache", 32, 128, 1),
    ("eventpoll_epi", 128, 32, 1),
    ("eventpoll_pwq", 64, 64, 1),
    ("ep_head", 16, 256, 1),
    ("io_kiocb", 256, 16, 1),
    ("kmalloc-32", 32, 128, 1),
    ("kmalloc-96", 96, 42, 1),
    ("kmalloc-512", 512, 16, 2),
    ("tcp_bind_bucket", 128, 32, 1),
    ("tcp_bind2_bucket", 128, 32, 1),
    ("skbuff_head_cache", 256, 16, 1),
    ("skbuff_small_head", 576, 14, 2),
];

/// Caches that exist only if a security module keeps something for each file or inode. They are the first
/// caches of their size, so merging never removes their names.
const OPTIONAL: [&str; 2] = ["lsm_file_cache", "lsm_inode_cache"];

/// Sizes of kmalloc, linux mm/slab_common.c kmalloc_info.
const KMALLOC_SIZES: [u64; 13] = [8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192];

/// The caches of one kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slabs {
    basis: Basis,
    page_bytes: u64,
    caches: BTreeMap<String, Cache>,
    charges_objects: bool,
}

impl Slabs {
    /// What `proc/slabinfo` below `root` says on a host with pages of `page_bytes`, or the table.
    /// `charges_objects` says that a memory cgroup accounts for the objects of this process.
    pub fn read(root: &Path, page_bytes: u64, charges_objects: bool) -> Slabs {
        match SlabCache::all_below(root).and_then(by_name) {
            Some(caches) => Slabs { basis: Basis::Slabinfo, page_bytes, caches, charges_objects },
            None => Slabs { charges_objects, ..Slabs::measured() },
        }
    }

    /// The table measured on Linux 6.18, outside any memory cgroup.
    pub fn measured() -> Slabs {
        let row = |&(name, object_bytes, objects_per_slab, pages_per_slab): &(&str, u64, u64, u64)| {
            (name.to_owned(), Cache { object_bytes, objects_per_slab, pages_per_slab })
        };
        let caches = TABLE.iter().map(row).collect();
        Slabs { basis: Basis::Table, page_bytes: 4096, caches, charges_objects: false }
    }

    /// Where the sizes come from.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// Bytes of whole slabs for `count` objects of the cache `name`; 0 if the kernel has no such cache.
    pub(crate) fn bytes(&self, name: &str, count: u64) -> u64 {
        self.cache(name).map_or(0, |cache| {
            let slabs = count.div_ceil(cache.objects_per_slab);
            slabs.saturating_mul(cache.pages_per_slab.saturating_mul(self.page_bytes))
        })
    }

    /// Bytes that a memory cgroup needs to account for `count` objects of a charged cache: a pointer each, in
    /// one vector per slab (linux mm/slub.c, alloc_slab_obj_exts).
    pub(crate) fn account_bytes(&self, name: &str, count: u64) -> u64 {
        let Some(cache) = self.cache(name).filter(|_| self.charges_objects) else {
            return 0;
        };
        let vector = kmalloc_bytes(cache.objects_per_slab.saturating_mul(8));
        count.div_ceil(cache.objects_per_slab).saturating_mul(vector)
    }

    fn cache(&self, name: &str) -> Option<Cache> {
        if let Some(cache) = self.caches.get(name) {
            return Some(*cache);
        }
        let row = TABLE.iter().find(|row| row.0 == name && !OPTIONAL.contains(&name))?;
        Some(Cache { object_bytes: row.1, objects_per_slab: row.2, pages_per_slab: row.3 })
    }
}

/// What kmalloc takes for `bytes`; beyond its sizes, whole pages.
fn kmalloc_bytes(bytes: u64) -> u64 {
    KMALLOC_SIZES.into_iter().find(|&size| size >= bytes).unwrap_or_else(|| bytes.next_multiple_of(4096))
}

/// `None` when they lack the socket itself: then it was no slabinfo.
fn by_name(caches: Vec<SlabCache>) -> Option<BTreeMap<String, Cache>> {
    let sizes = caches.into_iter().map(|SlabCache { name, object_bytes, objects_per_slab, pages_per_slab, .. }| {
        (name, Cache { object_bytes, objects_per_slab, pages_per_slab })
    });
    let caches: BTreeMap<String, Cache> = sizes.collect();
    caches.contains_key("TCP").then_some(caches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(name: &str, object_bytes: u64, objects_per_slab: u64, pages_per_slab: u64) -> SlabCache {
        SlabCache { name: name.to_owned(), objects: 1, object_bytes, objects_per_slab, pages_per_slab }
    }

    fn slabs() -> Slabs {
        let caches = by_name(vec![cache("TCP", 2624, 12, 8), cache("filp", 256, 16, 1)]).expect("sockets");
        Slabs { basis: Basis::Slabinfo, page_bytes: 4096, caches, charges_objects: true }
    }

    #[test]
    fn objects_come_in_whole_slabs() {
        let slabs = slabs();
        for (name, count, expected) in [
            ("TCP", 0, 0),
            ("TCP", 1, 32_768),
            ("TCP", 12, 32_768),
            ("TCP", 13, 65_536),
            ("filp", 32, 8192),
            ("eventpoll_pwq", 64, 4096),  // merged: not listed, size known
            ("lsm_file_cache", 1_000, 0), // not listed: no security module
            ("TCP", u64::MAX, u64::MAX),
        ] {
            assert_eq!(slabs.bytes(name, count), expected, "{count} {name}");
        }
        assert_eq!(Slabs::measured().bytes("TCP", 13_000), 1000 * 32_768);
        assert_eq!(Slabs::measured().bytes("lsm_file_cache", 170), 4096);
    }

    #[test]
    fn an_account_takes_a_vector_for_each_slab() {
        let slabs = slabs();
        // 12 pointers are 96 B, 16 are 128 B; 256 of the merged ep_head are 2 KiB.
        for (name, count, expected) in [("TCP", 24, 192), ("filp", 17, 256), ("ep_head", 1, 2048)] {
            assert_eq!(slabs.account_bytes(name, count), expected, "{name}");
        }
        assert_eq!(Slabs::measured().account_bytes("TCP", 24), 0, "no memory cgroup");
        assert_eq!(kmalloc_bytes(8193), 12_288);
    }

    #[test]
    fn what_is_no_slabinfo_is_refused() {
        assert_eq!(by_name(Vec::new()), None);
        assert_eq!(by_name(vec![cache("filp", 256, 16, 1)]), None);
    }
}
