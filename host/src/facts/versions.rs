//! Says from what and with which compiler this program was built, and on which C library and distribution it runs.

use std::io::{BufRead, Read};

use serde::Serialize;

use super::source::Source;

/// Larger libraries are not searched for their version. glibc has about 2 MiB.
const LIBRARY_BYTES_MAX: u64 = 8 << 20;

/// The list of mappings of a small program is a few KiB.
const MAPPINGS_BYTES_MAX: u64 = 64 << 10;

/// Versions of the software that takes part in a measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// This program's version.
    pub c10m: &'static str,
    /// The compiler's version.
    pub rustc: &'static str,
    /// Target architecture and environment of the build.
    pub target: &'static str,
    /// The C library's version, if the library contains it.
    pub libc: Option<String>,
    /// The distribution, by its own name.
    pub distribution: Option<String>,
}

pub(super) fn versions(source: &mut Source<'_>) -> Versions {
    Versions {
        c10m: env!("CARGO_PKG_VERSION"),
        rustc: env!("HOST_RUSTC"),
        target: env!("HOST_TARGET"),
        libc: libc(source),
        distribution: source.text("etc/os-release").and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
            Some(line.trim_matches('"').to_owned())
        }),
    }
}

/// glibc contains `GNU C Library (…) stable release version 2.36.`, which it prints when it is run as a program.
/// Asking it by a call would need unsafe code.
fn libc(source: &Source<'_>) -> Option<String> {
    let mappings = source.first_lines("proc/self/maps", MAPPINGS_BYTES_MAX)?;
    let path = mappings.lines().find_map(|line| {
        let path = &line[line.find('/')?..];
        let name = path.rsplit('/').next()?;
        (name.starts_with("libc.so.") || name.starts_with("libc-2")).then_some(path)
    })?;
    let mut library = Vec::new();
    source.open(path.trim_start_matches('/'))?.take(LIBRARY_BYTES_MAX).read_to_end(&mut library).ok()?;
    glibc_version(&library).map(|version| format!("glibc {version}"))
}

fn glibc_version(library: &[u8]) -> Option<&str> {
    const BANNER: &[u8] = b"NU C Library (";
    const BANNER_LEN_MAX: usize = 256;
    const MARK: &str = " release version ";
    let mut rest = library;
    // `skip_until` finds a single byte fast. Searching every position for the whole banner would take as long as
    // reading everything else about a host.
    while rest.skip_until(b'G').is_ok_and(|skipped| skipped > 0) {
        if rest.starts_with(BANNER) {
            let banner = &rest[..rest.len().min(BANNER_LEN_MAX)];
            let banner = banner.split(|byte| *byte == b'\n').next().and_then(|line| str::from_utf8(line).ok())?;
            let (_, version) = banner.split_once(MARK)?;
            let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
            return Some(version[..end].trim_end_matches('.')).filter(|version| !version.is_empty());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_says_its_version() {
        for (library, expected) in [
            (&b"\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\nCopyright"[..], Some("2.36")),
            (b"GG GNU GNU C Library (x) development release version 2.39.9000.\n", Some("2.39.9000")),
            (b"GNU C Library (cut) stable release version 2.3", Some("2.3")),
            (b"GNU C Library (x) stable release version x\n", None),
            (b"GNU C Library (x)\n release version 2.3", None),
            (b"G", None),
            (b"", None),
        ] {
            assert_eq!(glibc_version(library), expected);
        }
    }
}
