//! Memory of this process. Reads only, and never in a worker.

use std::fs;

/// Anonymous resident memory of this process: what it allocated and touched.
pub(crate) fn rss_anon_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory_is_readable() {
        assert!(rss_anon_bytes().unwrap() > 4096);
    }
}
