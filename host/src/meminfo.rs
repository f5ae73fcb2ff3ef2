//! Memory of the host according to /proc/meminfo (proc_meminfo(5)).

use std::fs;
use std::path::Path;

use crate::text::kibibytes;

/// Memory in bytes. What the kernel does not report is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meminfo {
    /// MemTotal.
    pub total: Option<u64>,
    /// MemAvailable: the kernel's own estimate of the memory that is available without swapping.
    pub available: Option<u64>,
    /// SReclaimable: slabs that the kernel considers reclaimable.
    pub reclaimable: Option<u64>,
    /// SwapTotal.
    pub swap_total: Option<u64>,
    /// Hugepagesize: the default size of huge pages.
    pub huge_page: Option<u64>,
    /// MemFree, Buffers and Cached: memory that nobody uses. Not MemAvailable, which considers half of the inodes and
    /// dentries of open sockets reclaimable.
    pub unused: Option<u64>,
}

impl Meminfo {
    /// The file, below the root.
    pub const PATH: &str = "proc/meminfo";

    /// Of this host, now. Nothing is known where the file cannot be read.
    pub fn read() -> Meminfo {
        Meminfo::of(&fs::read_to_string(Path::new("/").join(Meminfo::PATH)).unwrap_or_default())
    }

    pub(crate) fn of(text: &str) -> Meminfo {
        let bytes = |key: &str| kibibytes(text, key);
        let unused = || bytes("MemFree")?.checked_add(bytes("Buffers")?)?.checked_add(bytes("Cached")?);
        Meminfo {
            total: bytes("MemTotal"),
            available: bytes("MemAvailable"),
            reclaimable: bytes("SReclaimable"),
            swap_total: bytes("SwapTotal"),
            huge_page: bytes("Hugepagesize"),
            unused: unused(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_their_whole_name() {
        let text = "MemTotal:       1000 kB\nMemFree: 100 kB\nMemAvailable:    500 kB\nBuffers: 20 kB\nCached: 3 kB\n\
            SwapCached: 9 kB\nSReclaimable:    100 kB\n";
        let expected = Meminfo {
            total: Some(1000 << 10),
            available: Some(500 << 10),
            reclaimable: Some(100 << 10),
            unused: Some(123 << 10),
            ..Meminfo::default()
        };
        assert_eq!(Meminfo::of(text), expected);
        assert_eq!(Meminfo::of("MemFree: 1 kB\n"), Meminfo::default());
        let here = Meminfo::read();
        assert!(here.total >= here.unused && here.unused > Some(0), "{here:?}");
    }
}
