//! The fields that decide where a message and its connection end: Content-Length, Transfer-Encoding and
//! Connection. Server and client share this parser: messages are smuggled where two parsers read such a field
//! differently (RFC 9112 §11.2).

use crate::bytes::{is_token, trim};

/// The value breaks the grammar or contradicts itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadFraming;

/// The transfer codings of all Transfer-Encoding fields together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    #[default]
    Absent,
    /// `chunked` and nothing else.
    Chunked,
    /// Others, and `chunked` is the last.
    OtherChunked,
    /// Without `chunked`.
    Other,
    /// Others after `chunked`.
    ChunkedNotLast,
}

/// What was read from the fields so far.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    pub(crate) content_length: Option<u64>,
    pub(crate) coding: Coding,
    /// `Connection: close`.
    pub(crate) close: bool,
    /// `Connection: keep-alive`, which HTTP/1.0 needs.
    pub(crate) keep_alive: bool,
}

impl Framing {
    /// Takes one field; those that frame nothing are ignored. The length of the name is checked first: this
    /// dismisses almost every field of a browser's head without comparing bytes.
    #[inline]
    pub(crate) fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), BadFraming> {
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => self.take_connection(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.take_content_length(value)?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.take_transfer_encoding(value)?,
            _ => {}
        }
        Ok(())
    }

    /// Whether the fields contradict each other or the version (RFC 9112 §6.1): a length together with a
    /// transfer coding, or a transfer coding in HTTP/1.0.
    #[inline]
    pub(crate) fn is_ambiguous(&self, is_http_1_0: bool) -> bool {
        self.coding != Coding::Absent && (is_http_1_0 || self.content_length.is_some())
    }

    fn take_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(trim) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// RFC 9112 §6.3 case 5: several fields are only valid when equal. A list in one field may be refused
    /// (RFC 9110 §8.6), and is refused here.
    fn take_content_length(&mut self, value: &[u8]) -> Result<(), BadFraming> {
        let length = decimal(value).ok_or(BadFraming)?;
        match self.content_length.replace(length) {
            Some(before) if before != length => Err(BadFraming),
            _ => Ok(()),
        }
    }

    /// RFC 9112 §6.1: chunked is applied once at most, and takes no parameters (§7.1). A list may have empty
    /// elements (RFC 9110 §5.6.1), but they are refused: only someone with something to hide sends them.
    fn take_transfer_encoding(&mut self, value: &[u8]) -> Result<(), BadFraming> {
        for coding in value.split(|byte| *byte == b',').map(trim) {
            let name_len = coding.iter().take_while(|byte| is_token(**byte)).count();
            let (name, parameters) = coding.split_at(name_len);
            let is_chunked = name.eq_ignore_ascii_case(b"chunked");
            self.coding = match (self.coding, is_chunked, trim(parameters)) {
                _ if name.is_empty() => return Err(BadFraming),
                (Coding::Absent, true, []) => Coding::Chunked,
                (Coding::Other, true, []) => Coding::OtherChunked,
                (_, true, _) => return Err(BadFraming),
                (Coding::Absent | Coding::Other, false, [] | [b';', ..]) => Coding::Other,
                (_, false, [] | [b';', ..]) => Coding::ChunkedNotLast,
                (_, false, _) => return Err(BadFraming),
            };
        }
        Ok(())
    }
}

/// A number of digits only: `str::parse` would also take a sign. Also `None` if it does not fit.
#[inline]
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    let value = |number: u64, digit: &u8| {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(u64::from(digit)) }
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coding(values: &[&str]) -> Result<Coding, BadFraming> {
        let mut framing = Framing::default();
        for value in values {
            framing.take(b"Transfer-Encoding", value.as_bytes())?;
        }
        Ok(framing.coding)
    }

    #[test]
    fn codings_are_one_list_over_all_fields() {
        assert_eq!(coding(&[]), Ok(Coding::Absent));
        assert_eq!(coding(&["Chunked"]), Ok(Coding::Chunked));
        assert_eq!(coding(&["gzip , chunked"]), Ok(Coding::OtherChunked));
        assert_eq!(coding(&["gzip", "chunked"]), Ok(Coding::OtherChunked));
        assert_eq!(coding(&["gzip;q=1"]), Ok(Coding::Other));
        assert_eq!(coding(&["xchunked"]), Ok(Coding::Other));
        assert_eq!(coding(&["chunked, gzip"]), Ok(Coding::ChunkedNotLast));
        assert_eq!(coding(&["chunked", "identity"]), Ok(Coding::ChunkedNotLast));
        for values in [
            &["chunked, chunked"][..],
            &["chunked", "chunked"],
            &["chunked, gzip, chunked"],
            &[""],
            &["chunked,"],
            &[",chunked"],
            &["gzip,,chunked"],
            &["chunked;q=1"],
            &["chunked ; q=1"],
            &["chunked x"],
            &["gz ip"],
            &["\"chunked\""],
            &["(chunked)"],
        ] {
            assert_eq!(coding(values), Err(BadFraming), "{values:?}");
        }
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        assert_eq!(decimal(b"007"), Some(7));
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for text in [&b""[..], b"18446744073709551616", b"+1", b"-1", b"1 ", b"1_0", b"0x1", b"1,1", b"\xb2"] {
            assert_eq!(decimal(text), None, "{text:?}");
        }
    }
}
