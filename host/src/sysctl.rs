//! Single settings below /proc/sys by their sysctl(8) names: reads them, tells who may change them, and writes them in
//! a private network namespace.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access as Mode, access as may};
use rustix::io::Errno;
use serde::Serialize;

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
    fs::write(path(Path::new("/"), name).ok_or(io::ErrorKind::InvalidInput)?, value)
}

/// What this process can do with a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read and write it.
    Writable,
    /// Read it: it may not be written by this user, from here, or at all.
    ReadOnly,
    /// Nothing: there is none.
    Absent,
}

/// The file of a setting below `root`, from its name in the form of sysctl(8) and sysctl.d(5). The first separator
/// decides: behind a dot, dots separate and slashes stand for dots (`net.ipv4.conf.eth0/5.forwarding`); behind a slash it
/// is the other way round. `None`: the name would lead out of /proc/sys.
pub fn path(root: &Path, name: &str) -> Option<PathBuf> {
    let dots_separate = name.find(['.', '/']).is_none_or(|first| name.as_bytes()[first] == b'.');
    let swap = |sign| match sign {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let below: String = if dots_separate { name.chars().map(swap).collect() } else { name.to_owned() };
    let leads_out = below.split('/').any(|part| matches!(part, "" | "." | ".."));
    (!leads_out).then(|| root.join("proc/sys").join(below))
}

/// The value of a setting below `root`, as the file has it, with its line's end; `None`: there is no such setting, or it
/// cannot be read.
pub fn value(root: &Path, name: &str) -> Option<String> {
    fs::read_to_string(path(root, name)?).ok()
}

/// What this process can do with a setting below `root`. Asks for the permission and opens nothing for writing.
pub fn access(root: &Path, name: &str) -> Access {
    let Some(path) = path(root, name).filter(|path| path.is_file()) else { return Access::Absent };
    match may(&path, Mode::WRITE_OK) {
        Ok(()) => Access::Writable,
        Err(Errno::NOENT) => Access::Absent,
        Err(_) => Access::ReadOnly,
    }
}

/// The names of all settings below `root`, with dots, sorted. Empty: it does not show /proc/sys.
pub fn names(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    collect(&root.join("proc/sys"), "", DEPTH_MAX, &mut names);
    names.sort_unstable();
    names
}

/// /proc/sys is five directories deep.
const DEPTH_MAX: usize = 16;

fn collect(directory: &Path, above: &str, depth: usize, names: &mut Vec<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        // A dot inside a part is written as a slash, as in sysctl(8).
        let name = format!("{above}{}", entry.file_name().to_string_lossy().replace('.', "/"));
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => collect(&entry.path(), &format!("{name}."), depth - 1, names),
            Ok(kind) if kind.is_file() => names.push(name),
            _ => {}
        }
    }
}

/// First and last port that the kernel chooses for outgoing connections, net.ipv4.ip_local_port_range.
pub fn local_port_range() -> Option<[u64; 2]> {
    ports(&fs::read_to_string(Path::new("/").join(LOCAL_PORT_RANGE_PATH)).ok()?)
}

/// `32768 60999`: both ends are in the range.
pub(crate) fn ports(text: &str) -> Option<[u64; 2]> {
    numbers::<2>(text).filter(|[first, last]| first <= last && *last <= 65_535)
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
    fn names_are_paths() {
        for (name, expected) in [
            ("net.ipv4.tcp_mem", Some("/r/proc/sys/net/ipv4/tcp_mem")),
            ("net/ipv4/tcp_mem", Some("/r/proc/sys/net/ipv4/tcp_mem")),
            ("net.ipv4.conf.eth0/5.forwarding", Some("/r/proc/sys/net/ipv4/conf/eth0.5/forwarding")),
            ("net/ipv4/conf/eth0.5/forwarding", Some("/r/proc/sys/net/ipv4/conf/eth0.5/forwarding")),
            ("../../etc/passwd", None),
            ("net.ipv4..x", None),
            ("net/../../x", None),
            ("/etc", None),
            ("", None),
        ] {
            assert_eq!(path(Path::new("/r"), name).as_deref(), expected.map(Path::new), "{name}");
        }
    }

    #[test]
    fn a_setting_is_writable_read_only_or_absent() {
        let root = Path::new("/");
        assert_eq!(access(root, "net.ipv4.no_such_setting"), Access::Absent);
        assert_eq!(access(root, "net.ipv4"), Access::Absent, "a directory is no setting");
        // Read-only for everybody, unless the reader's rights are not looked at: mode 0444.
        assert_ne!(access(root, "net.ipv4.tcp_available_congestion_control"), Access::Absent);
        assert_eq!(value(root, "net.ipv4.no_such_setting"), None);
        assert!(value(root, "net.core.somaxconn").is_some_and(|text| text.ends_with('\n')));
    }

    #[test]
    fn all_names_lead_to_their_settings() {
        let root = Path::new("/");
        let names = names(root);
        assert!(names.iter().any(|name| name == "net.core.somaxconn"));
        assert!(names.iter().all(|name| path(root, name).is_some_and(|path| path.exists())), "{names:?}");
        assert_eq!(super::names(Path::new("/nonexistent")), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_there_is_not_written() {
        assert!(write("net.ipv4.no_such_setting", "1").is_err());
    }
}
