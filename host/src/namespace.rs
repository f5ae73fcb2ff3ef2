//! Which network namespace a thread is in.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

/// A network namespace, as seen from the calling thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// The namespace of the first process.
    First,
    /// Another namespace.
    Own,
    /// Not known, because reading the namespace of the first process needs privilege.
    Unknown,
}

/// Inode of the first network namespace since Linux 6.18 (linux/nsfs.h: NET_NS_INIT_INO). Others have numbers from
/// 0xf0000000 on.
const FIRST_INODE: u64 = 0xefff_fff9;
/// The first kernel with that inode.
const FIRST_INODE_SINCE: (u32, u32) = (6, 18);

/// The network namespace of the calling thread, which may differ from that of the process.
pub fn namespace() -> Namespace {
    let inode = |whose: &str| std::fs::metadata(format!("/proc/{whose}/ns/net")).ok().map(|data| data.ino());
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    judge_namespace(inode("thread-self"), inode("1"), &release)
}

/// A reference to the network namespace of the calling thread. The namespace stays for as long as that.
///
/// # Errors
/// Those of open(2).
pub fn open_namespace() -> io::Result<OwnedFd> {
    Ok(File::open("/proc/thread-self/ns/net")?.into())
}

/// Judges by the namespace of the first process. If that is unreadable, judges by the inode alone.
fn judge_namespace(own: Option<u64>, first: Option<u64>, release: &str) -> Namespace {
    let mut numbers = release.split(|sign: char| !sign.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match (own, first) {
        (Some(FIRST_INODE), _) => Namespace::First,
        (Some(own), Some(first)) if own == first => Namespace::First,
        (Some(_), Some(_)) => Namespace::Own,
        (Some(_), None) if version >= FIRST_INODE_SINCE => Namespace::Own,
        _ => Namespace::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_told_apart() {
        const OTHER: Option<u64> = Some(0xf000_0100);
        for (own, first, release, expected) in [
            (OTHER, Some(0xf000_0000), "5.15.0", Namespace::Own),
            (OTHER, OTHER, "6.18.1", Namespace::First),
            (Some(FIRST_INODE), None, "6.18.1-x", Namespace::First),
            (Some(FIRST_INODE), Some(FIRST_INODE), "6.18.1", Namespace::First),
            (OTHER, None, "6.18.44-fc", Namespace::Own),
            (OTHER, None, "7.0.0", Namespace::Own),
            (OTHER, None, "6.17.9", Namespace::Unknown),
            (OTHER, None, "", Namespace::Unknown),
            (None, Some(1), "7.0.0", Namespace::Unknown),
        ] {
            assert_eq!(judge_namespace(own, first, release), expected, "{own:?} {first:?} {release}");
        }
    }
}
