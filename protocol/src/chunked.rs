//! The chunked transfer coding (RFC 9112 §7.1), decoded in place and resumable at any byte.
//!
//! Follows the grammar to the letter: a bare LF, a blank after the size or a control in an extension is an
//! error. Requests are smuggled where two parsers disagree about a chunk boundary.

use crate::bytes::{is_token, is_value};

/// Most bytes of all chunk extensions of one body together. They have no use here. A limit per chunk would
/// let a peer send thousands of times more extensions than data (CVE-2023-39326). hyper allows 16 KiB.
const EXTENSIONS_LEN_MAX: u16 = 4 * 1024;
/// Longest trailer section that is skipped, in bytes.
const TRAILERS_LEN_MAX: u16 = 8 * 1024;
/// Most digits of a size. Leading zeros are allowed, within this limit.
const DIGITS_MAX: u8 = 15;

/// The decoder's position in the grammar between two calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// Hexadecimal digits of the size.
    #[default]
    Size,
    /// Blanks that only a semicolon may follow.
    ExtensionBlank,
    /// After a semicolon: blanks, then the name of an extension.
    NameStart,
    Name,
    /// Blanks after the name: an equals sign or a semicolon may follow.
    NameBlank,
    /// After an equals sign: blanks, then a token or a quoted string.
    ValueStart,
    Value,
    Quoted,
    /// After a backslash in a quoted string.
    Escaped,
    QuotedEnd,
    /// CR of the size line was seen, LF must follow.
    SizeLf,
    /// Bytes of the chunk.
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// The CR of the empty line was seen.
    EndLf,
}

/// Decoder state of one message body.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ChunkedDecoder {
    /// The size being read, then the bytes of the chunk still to come.
    remaining: u32,
    /// Bytes of all extensions so far; after the last chunk, bytes of the trailer section.
    extra_len: u16,
    phase: Phase,
    digits: u8,
}

/// One stretch of decoded input. `consumed` counts from the front of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A chunk of `size` bytes, never 0, begins after `consumed`.
    Start { consumed: usize, size: u32 },
    /// Body bytes: `input[consumed - len..consumed]`. `ends_chunk` when they are its last.
    Data { consumed: usize, len: usize, ends_chunk: bool },
    /// Everything was consumed, and the body continues.
    NeedMore { consumed: usize },
    /// The body ended with the byte before `consumed`.
    End { consumed: usize },
}

/// The input breaks RFC 9112 §7.1, or one of the limits above.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadChunk;

impl ChunkedDecoder {
    /// Decodes until a chunk begins, body bytes appear, the body ends, or the input does. At most
    /// `data_len_max` body bytes are returned at once.
    pub(crate) fn step(&mut self, input: &[u8], data_len_max: usize) -> Result<Piece, BadChunk> {
        let mut at = 0;
        while at < input.len() {
            if self.phase == Phase::Data {
                let len = (input.len() - at).min(data_len_max);
                let len = len.min(self.remaining as usize);
                self.remaining -= len as u32;
                if self.remaining == 0 {
                    self.phase = Phase::DataCr;
                }
                return Ok(Piece::Data { consumed: at + len, len, ends_chunk: self.remaining == 0 });
            }
            let byte = input[at];
            at += 1;
            #[cfg(test)]
            crate::work::add(1);
            if self.on_byte(byte)? {
                return Ok(Piece::End { consumed: at });
            }
            if self.phase == Phase::Data {
                return Ok(Piece::Start { consumed: at, size: self.remaining });
            }
        }
        Ok(Piece::NeedMore { consumed: at })
    }

    /// Takes one byte outside chunk data; true when it was the last of the body.
    fn on_byte(&mut self, byte: u8) -> Result<bool, BadChunk> {
        self.phase = match (self.phase, byte) {
            (Phase::Size, b'\r') if self.digits > 0 => Phase::SizeLf,
            (Phase::Size, b';' | b' ' | b'\t') if self.digits > 0 => self.on_extension(byte)?,
            (Phase::Size, _) => {
                let digit = (byte as char).to_digit(16).ok_or(BadChunk)?;
                self.digits += 1;
                // No honest chunk has 4 GiB.
                if self.digits > DIGITS_MAX || self.remaining >> 28 != 0 {
                    return Err(BadChunk);
                }
                self.remaining = self.remaining << 4 | digit;
                Phase::Size
            }
            (Phase::Name | Phase::Value | Phase::QuotedEnd, b'\r') => Phase::SizeLf,
            (Phase::SizeLf, b'\n') => {
                self.digits = 0;
                if self.remaining == 0 {
                    self.extra_len = 0;
                    Phase::TrailerStart
                } else {
                    Phase::Data
                }
            }
            (Phase::DataCr, b'\r') => Phase::DataLf,
            (Phase::DataLf, b'\n') => Phase::Size,
            (Phase::TrailerStart, b'\r') => Phase::EndLf,
            (Phase::TrailerValue, b'\r') => Phase::TrailerLf,
            (Phase::TrailerStart | Phase::TrailerName | Phase::TrailerValue, _) => self.on_trailer(byte)?,
            (Phase::TrailerLf, b'\n') => Phase::TrailerStart,
            (Phase::EndLf, b'\n') => return Ok(true),
            (Phase::SizeLf | Phase::DataCr | Phase::DataLf | Phase::TrailerLf | Phase::EndLf | Phase::Data, _) => {
                return Err(BadChunk);
            }
            _ => self.on_extension(byte)?,
        };
        Ok(false)
    }

    /// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`, RFC 9112 §7.1.1.
    fn on_extension(&mut self, byte: u8) -> Result<Phase, BadChunk> {
        self.count(EXTENSIONS_LEN_MAX)?;
        match (self.phase, byte) {
            (Phase::Size | Phase::ExtensionBlank | Phase::Value | Phase::QuotedEnd, b' ' | b'\t') => {
                Ok(Phase::ExtensionBlank)
            }
            (Phase::Size | Phase::ExtensionBlank | Phase::Name | Phase::NameBlank, b';') => Ok(Phase::NameStart),
            (Phase::Value | Phase::QuotedEnd, b';') => Ok(Phase::NameStart),
            (Phase::NameStart, b' ' | b'\t') => Ok(Phase::NameStart),
            (Phase::NameStart | Phase::Name, _) if is_token(byte) => Ok(Phase::Name),
            (Phase::Name | Phase::NameBlank, b' ' | b'\t') => Ok(Phase::NameBlank),
            (Phase::Name | Phase::NameBlank, b'=') => Ok(Phase::ValueStart),
            (Phase::ValueStart, b' ' | b'\t') => Ok(Phase::ValueStart),
            (Phase::ValueStart, b'"') => Ok(Phase::Quoted),
            (Phase::ValueStart | Phase::Value, _) if is_token(byte) => Ok(Phase::Value),
            (Phase::Quoted, b'"') => Ok(Phase::QuotedEnd),
            (Phase::Quoted, b'\\') => Ok(Phase::Escaped),
            (Phase::Quoted | Phase::Escaped, _) if is_value(byte) => Ok(Phase::Quoted),
            _ => Err(BadChunk),
        }
    }

    /// `field-name ":" OWS field-value OWS`, as in a head (RFC 9112 §7.1.2).
    fn on_trailer(&mut self, byte: u8) -> Result<Phase, BadChunk> {
        self.count(TRAILERS_LEN_MAX)?;
        match (self.phase, byte) {
            (Phase::TrailerStart | Phase::TrailerName, _) if is_token(byte) => Ok(Phase::TrailerName),
            (Phase::TrailerName, b':') => Ok(Phase::TrailerValue),
            (Phase::TrailerValue, _) if is_value(byte) => Ok(Phase::TrailerValue),
            _ => Err(BadChunk),
        }
    }

    fn count(&mut self, len_max: u16) -> Result<(), BadChunk> {
        self.extra_len += 1;
        if self.extra_len > len_max { Err(BadChunk) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]], data_len_max: usize) -> Result<(Vec<u8>, bool, usize), BadChunk> {
        let (mut decoder, mut body, mut ended, mut rest) = (ChunkedDecoder::default(), Vec::new(), false, 0);
        for piece in pieces {
            let mut input = *piece;
            while !input.is_empty() && !ended {
                let consumed = match decoder.step(input, data_len_max)? {
                    Piece::Data { consumed, len, .. } => {
                        body.extend_from_slice(&input[consumed - len..consumed]);
                        consumed
                    }
                    Piece::NeedMore { consumed } | Piece::Start { consumed, .. } => consumed,
                    Piece::End { consumed } => {
                        ended = true;
                        consumed
                    }
                };
                input = &input[consumed..];
            }
            rest += input.len();
        }
        Ok((body, ended, rest))
    }

    fn check(input: &[u8], expected: Result<(&[u8], bool, usize), BadChunk>) {
        let expected = expected.map(|(body, ended, rest)| (body.to_vec(), ended, rest));
        assert_eq!(decode(&[input], usize::MAX), expected, "whole: {input:?}");
        assert_eq!(decode(&[input], 1), expected, "one data byte at a time: {input:?}");
        for split in 0..=input.len() {
            assert_eq!(decode(&[&input[..split], &input[split..]], 3), expected, "split {split}: {input:?}");
        }
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(decode(&bytes, usize::MAX), expected, "byte by byte: {input:?}");
    }

    #[test]
    fn bodies() {
        check(b"0\r\n\r\n", Ok((b"", true, 0)));
        check(b"5\r\nhello\r\n0\r\n\r\nGET", Ok((b"hello", true, 3)));
        check(b"a;name=value\r\n0123456789\r\n1\r\nx\r\n0\r\nTrailer: yes\r\n\r\n", Ok((b"0123456789x", true, 0)));
        check(b"5\r\nhel", Ok((b"hel", false, 0)));
        check(b"00000A\r\n0123456789\r\n", Ok((b"0123456789", false, 0)));
        check(b"fFfF", Ok((b"", false, 0)));
    }

    #[test]
    fn extensions() {
        for (extensions, is_right) in [
            (";a", true),
            (";a=b;c;d=e", true),
            (" \t; a \t= b ; c", true),
            (";a=\"\"", true),
            (";a=\"b;\\\"\t\\\\ \u{e9}\" ;c", true),
            (" ", false),
            (";", false),
            (";;a", false),
            (";a;", false),
            (";a ", false),
            (";a=b ", false),
            (";a=\"b\" ", false),
            (";a=", false),
            (";=b", false),
            (";a==b", false),
            (";a b", false),
            (";a=b c", false),
            (";a=b=c", false),
            (";a=\"b\"c", false),
            (";a=\"b", false),
            (";a=\"\u{1}\"", false),
            (";a=\"\\\u{7f}\"", false),
            (";a=\u{e9}", false),
            (";a\u{0}", false),
            (";a\n", false),
            (";a=\"\n\"", false),
            (" a", false),
            (",a", false),
        ] {
            let expected: Result<(&[u8], bool, usize), BadChunk> =
                if is_right { Ok((b"x", true, 0)) } else { Err(BadChunk) };
            check(format!("1{extensions}\r\nx\r\n0\r\n\r\n").as_bytes(), expected);
            let expected: Result<(&[u8], bool, usize), BadChunk> =
                if is_right { Ok((b"", true, 0)) } else { Err(BadChunk) };
            check(format!("0{extensions}\r\n\r\n").as_bytes(), expected);
        }
    }

    #[test]
    fn trailers() {
        for (trailers, is_right) in [
            ("A:\r\n", true),
            ("A: b\r\nC-d:\te \u{e9}\t\r\n", true),
            ("A\r\n", false),
            (": b\r\n", false),
            ("A : b\r\n", false),
            (" A: b\r\n", false),
            ("A: b\r\n c\r\n", false),
            ("A: b\n", false),
            ("A: b\rc\r\n", false),
            ("A: \u{0}\r\n", false),
            ("\u{e9}: b\r\n", false),
        ] {
            let expected: Result<(&[u8], bool, usize), BadChunk> =
                if is_right { Ok((b"", true, 3)) } else { Err(BadChunk) };
            check(format!("0\r\n{trailers}\r\nGET").as_bytes(), expected);
        }
    }

    #[test]
    fn violations() {
        for input in [
            &b"\r\n"[..],
            b"g\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"0x1\r\n",
            b"1_0\r\n",
            b" 5\r\n",
            b"5 \r\nhello\r\n",
            b"5\t\r\nhello\r\n",
            b"5\nhello",
            b"5\rhello",
            b"5\r\nhelloX",
            b"5\r\nhello\n",
            b"5\r\nhello\rX",
            b"5\r\nhello\r\n\r\n",
            b"0\r\nTrailer\n",
            b"1000000000000000\r\n",
            b"100000000\r\n",
            b"0000000000000001\r\n",
            b"0\r\n\rX",
            b"5;\n",
            b"0\r\n\n",
            b"\xef\xbc\x91\r\n",
        ] {
            check(input, Err(BadChunk));
        }
    }

    #[test]
    fn what_is_no_data_has_bounds_for_the_whole_body() {
        // 8 bytes of extension per chunk: as many chunks as the limit allows, and one more.
        let chunks = usize::from(EXTENSIONS_LEN_MAX / 8);
        let body = |chunks: usize| [b"1;a=bcdef\r\nx\r\n".repeat(chunks), b"0\r\n\r\n".to_vec()].concat();
        assert_eq!(decode(&[&body(chunks)], usize::MAX), Ok((vec![b'x'; chunks], true, 0)));
        assert_eq!(decode(&[&body(chunks + 1)], usize::MAX), Err(BadChunk));
        // The trailers have a limit of their own.
        let trailer = |len: usize| [b"0;a\r\na:".to_vec(), vec![b'b'; len - 2], b"\r\n\r\n".to_vec()].concat();
        let len = usize::from(TRAILERS_LEN_MAX);
        assert_eq!(decode(&[&trailer(len)], usize::MAX), Ok((Vec::new(), true, 0)));
        assert_eq!(decode(&[&trailer(len + 1)], usize::MAX), Err(BadChunk));
    }
}
