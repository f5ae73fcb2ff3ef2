//! Single settings below /proc/sys by their sysctl(8) names: reads them, and writes them in a private network
//! namespace.

use std::fs;
use std::io;
use std::path::Path;

use crate::text::numbers;

/// The file of [`local_port_range`], below the root.
pub const LOCAL_PORT_RANGE_PATH: &str = "proc/sys/net/ipv4/ip_local_port_range";

/// The kernel's own [`local_port_range`], first and last port (Documentation/networking/ip-sysctl.rst,
/// ip_local_port_range), for hosts that do not show theirs.
pub const LOCAL_PORT_RANGE_DEFAULT: [u64; 2] = [32_768, 60_999];

/// Sets a setting of the calling thread's namespace.
///
/// # Errors
/// When the kernel has no such setting, or this thread may not change it.
pub fn write(name: &str, value: &str) -> io::Result<()> {
    fs::write(place(name), value)
}

/// First and last port that the kernel chooses for outgoing connections, net.ipv4.ip_local_port_range.
pub fn local_port_range() -> Option<[u64; 2]> {
    ports(&fs::read_to_string(Path::new("/").join(LOCAL_PORT_RANGE_PATH)).ok()?)
}

/// `32768 60999`: both ends are in the range.
pub(crate) fn ports(text: &str) -> Option<[u64; 2]> {
    numbers::<2>(text).filter(|[first, last]| first <= last && *last <= 65_535)
}

fn place(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_ranges() {
        for (text, expected) in [
            ("1024\t65535\n", Some([1024, 65_535])),
            ("32768 60999", Some([32_768, 60_999])),
            ("5 5", Some([5, 5])),
            ("", None),
            ("9 1", None),
            ("1 65536", None),
        ] {
            assert_eq!(ports(text), expected, "{text:?}");
        }
        assert!(local_port_range().is_some());
    }

    #[test]
    fn what_is_not_there_is_not_written() {
        assert!(write("net.ipv4.no_such_setting", "1").is_err());
    }
}
