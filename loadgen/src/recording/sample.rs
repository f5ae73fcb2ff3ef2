//! The beginning of a reply: a bounded copy of untrusted bytes, and the only way to show them.

/// Most bytes kept: enough for a status line and headers such as Location.
const LEN_MAX: usize = 512;
/// Most bytes shown.
const SHOWN_LEN_MAX: usize = 64;

/// The first bytes of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    bytes: Box<[u8]>,
}

impl Sample {
    pub(crate) fn of(bytes: &[u8]) -> Sample {
        Sample { bytes: bytes[..bytes.len().min(LEN_MAX)].into() }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The first bytes as printable ASCII, with all else escaped as in a Rust string, so that a terminal
    /// interprets none of it.
    pub(crate) fn shown(&self) -> String {
        self.shown_until(self.bytes.len())
    }

    /// As much of the first line, without its end.
    pub(crate) fn first_line(&self) -> String {
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        self.shown_until(self.bytes.iter().position(is_end).unwrap_or(self.bytes.len()))
    }

    fn shown_until(&self, end: usize) -> String {
        let end = end.min(SHOWN_LEN_MAX);
        let more = if end < self.bytes.len() { "…" } else { "" };
        format!("{}{more}", self.bytes[..end].escape_ascii())
    }

    /// The value of a header, if the sample has all of it.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let head = self.bytes.split(|&byte| byte == b'\n').skip(1);
        head.take_while(|line| !matches!(*line, [] | [b'\r'])).find_map(|line| {
            let line = line.strip_suffix(b"\r")?;
            let colon = line.iter().position(|&byte| byte == b':')?;
            let is_it = line[..colon].eq_ignore_ascii_case(name.as_bytes());
            is_it.then(|| line[colon + 1..].trim_ascii().escape_ascii().to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_printable_and_short() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [&all[..], &all[128..], b"\x1b]0;title\x07\r\n", &vec![0xff; 10_000]] {
            let shown = Sample::of(bytes).shown();
            assert!(shown.chars().all(|sign| sign == '…' || (' '..='~').contains(&sign)), "{shown:?}");
            assert!(shown.chars().count() <= 4 * SHOWN_LEN_MAX + 1, "{shown}");
        }
        assert_eq!(Sample::of(b"SSH-2.0-x\r\n").shown(), "SSH-2.0-x\\r\\n");
        assert!(Sample::of(&[b'x'; 65]).shown().ends_with('…'));
        let request = Sample::of(b"GET / HTTP/1.1\r\nAuthorization: secret\r\n\r\n");
        assert_eq!(request.first_line(), "GET / HTTP/1.1…");
        assert_eq!(Sample::of(b"no end").first_line(), "no end");
        assert_eq!(Sample::of(&vec![0; 10_000]).bytes().len(), LEN_MAX);
    }

    #[test]
    fn headers_are_found_when_they_are_whole() {
        let reply = b"HTTP/1.1 301 Moved\r\nA: b\r\nlocation:  /x\x1b \r\n\r\nB: c\r\n";
        assert_eq!(Sample::of(reply).header("Location").as_deref(), Some("/x\\x1b"));
        assert_eq!(Sample::of(reply).header("b"), None, "that is the body");
        assert_eq!(Sample::of(&reply[..38]).header("Location"), None, "cut short");
        assert_eq!(Sample::of(b"").header("Location"), None);
    }
}
