//! Slab caches of the kernel from /proc/slabinfo (slabinfo(5)), which only root may read.

use std::fs;
use std::path::Path;

/// A slab cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlabCache {
    /// The kernel's name for it. Caches of the same size may be merged under one name.
    pub name: String,
    /// Objects in use. Slabs that belong to a CPU count as used, however many of their objects are free (mm/slub.c).
    pub objects: u64,
    /// Bytes per object.
    pub object_bytes: u64,
    /// Objects per slab; not zero.
    pub objects_per_slab: u64,
    /// Pages per slab; not zero.
    pub pages_per_slab: u64,
}

impl SlabCache {
    /// The file, below the root.
    pub const PATH: &str = "proc/slabinfo";

    /// All caches of this host; `None` where they are not ours to read.
    pub fn all() -> Option<Vec<SlabCache>> {
        SlabCache::all_below(Path::new("/"))
    }

    /// The same for the host whose `proc` is below `root`.
    pub fn all_below(root: &Path) -> Option<Vec<SlabCache>> {
        let text = fs::read_to_string(root.join(SlabCache::PATH)).ok()?;
        Some(text.lines().filter_map(SlabCache::of).collect())
    }

    /// `name active_objs num_objs objsize objperslab pagesperslab : tunables …`. Other lines are not caches.
    fn of(line: &str) -> Option<SlabCache> {
        let mut columns = line.split_whitespace();
        let name = columns.next()?.to_owned();
        let mut number = || columns.next()?.parse::<u64>().ok();
        let (objects, _all) = (number()?, number()?);
        let cache = SlabCache {
            name,
            objects,
            object_bytes: number()?,
            objects_per_slab: number()?,
            pages_per_slab: number()?,
        };
        let makes_sense = cache.objects_per_slab > 0 && cache.pages_per_slab > 0 && cache.object_bytes > 0;
        makes_sense.then_some(cache)
    }

    /// Bytes of the objects in use, of all caches. `None` for who may not read them.
    pub fn all_bytes() -> Option<f64> {
        let caches = SlabCache::all().filter(|caches| !caches.is_empty())?;
        Some(caches.iter().map(SlabCache::bytes).sum())
    }

    /// Bytes of the objects in use. A slab does not divide evenly into objects, so each object counts with its share
    /// of the slab.
    pub fn bytes(&self) -> f64 {
        self.objects as f64 * self.bytes_of_one()
    }

    /// Bytes of one object, including its share of the slab.
    pub fn bytes_of_one(&self) -> f64 {
        (self.pages_per_slab * rustix::param::page_size() as u64) as f64 / self.objects_per_slab as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel() {
        let line = "TCP 100 130 2368 13 8 : tunables 0 0 0 : slabdata 10 10 0";
        let cache = SlabCache::of(line).expect("a cache");
        let expected = SlabCache {
            name: "TCP".to_owned(),
            objects: 100,
            object_bytes: 2368,
            objects_per_slab: 13,
            pages_per_slab: 8,
        };
        assert_eq!(cache, expected);
        let slab_bytes = 8.0 * rustix::param::page_size() as f64;
        assert!((cache.bytes() - 100.0 * slab_bytes / 13.0).abs() < 1e-6);
        for line in [
            "",
            "slabinfo - version: 2.1",
            "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables",
            "TCP x y z",
            "TCP 1 1 2368 0 8",
            "TCP 1 1 2368 13 0",
            "TCP 1 1 0 13 8",
            "TCP 1 1 2368 13",
            "TCP 1 1 99999999999999999999 1 1",
        ] {
            assert_eq!(SlabCache::of(line), None, "{line:?}");
        }
    }
}
