//! The Host line that came last. A server has few names, and its clients repeat one in each request. Where the line is
//! compared and not read again, `GET /` with its reply takes 302 instructions instead of 611 (callgrind, a line of 23 bytes).

/// Longest line in bytes that is kept, CRLF included: 64 hold most names, and a comparison stays within a cache line or two.
const LEN_MAX: usize = 64;

/// A whole line, CRLF included, that was read and found valid.
pub(super) struct HostLine {
    bytes: [u8; LEN_MAX],
    /// 0: none yet.
    len: usize,
}

impl HostLine {
    /// Knows none.
    pub(super) const fn new() -> HostLine {
        HostLine { bytes: [0; LEN_MAX], len: 0 }
    }

    /// Its length if `lines` begins with it. A line is over at its CRLF, so nothing that follows can change what it means.
    #[inline]
    pub(super) fn len_in(&self, lines: &[u8]) -> Option<usize> {
        (self.len > 0 && lines.starts_with(&self.bytes[..self.len])).then_some(self.len)
    }

    /// Keeps a line that was found valid. One that is too long leaves the one before, which stays true.
    #[inline]
    pub(super) fn keep(&mut self, line: &[u8]) {
        if let Some(place) = self.bytes.get_mut(..line.len()) {
            place.copy_from_slice(line);
            self.len = line.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_line_is_known() {
        let mut known = HostLine::new();
        assert_eq!(known.len_in(b""), None);
        assert_eq!(known.len_in(b"Host: a\r\n"), None);
        known.keep(b"Host: a\r\n");
        assert_eq!(known.len_in(b"Host: a\r\n\r\n"), Some(9));
        for other in [&b"Host: a\r"[..], b"Host: ab\r\n", b"host: a\r\n", b"Host: a \r\n", b"", b"Host: b\r\n"] {
            assert_eq!(known.len_in(other), None, "{other:?}");
        }
        let long = format!("Host: {}\r\n", "a".repeat(LEN_MAX));
        known.keep(long.as_bytes());
        assert_eq!((known.len_in(long.as_bytes()), known.len_in(b"Host: a\r\n")), (None, Some(9)));
        known.keep(b"Host: b\r\n");
        assert_eq!((known.len_in(b"Host: a\r\n"), known.len_in(b"Host: b\r\n")), (None, Some(9)));
    }
}
