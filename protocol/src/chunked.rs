//! The chunked transfer coding (RFC 9112 §7.1), decoded in place and resumable at any byte.
//!
//! Strict on purpose: a bare LF, a missing size or a sign is an error, because two parsers that
//! disagree about a chunk boundary are how requests get smuggled.

/// Longest chunk-size line with its extensions that is accepted, in bytes. Extensions have no use
/// here; unbounded ones are a known way to burn a server's time (CVE-2023-39326).
const SIZE_LINE_LEN_MAX: u16 = 256;
/// Longest trailer section that is skipped, in bytes.
const TRAILER_LEN_MAX: u16 = 8 * 1024;

/// Where the decoder stands between two calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// Hexadecimal digits of the size.
    #[default]
    Size,
    /// Behind the digits: an extension or white space, skipped up to CR.
    Extension,
    /// CR of the size line was seen, LF must follow.
    SizeLf,
    /// Bytes of the chunk.
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line.
    TrailerStart,
    /// Inside a trailer line, skipped up to CR.
    Trailer,
    TrailerLf,
    /// The CR of the empty line was seen.
    EndLf,
}

/// Decoder state of one message body.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ChunkedDecoder {
    /// The size being read, then the bytes of the chunk still to come.
    remaining: u32,
    /// Bytes of the current size line or of the trailer section.
    line_len: u16,
    phase: Phase,
    digits: u8,
}

/// One stretch of decoded input. `consumed` counts from the front of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A chunk of `size` bytes, never 0, begins behind `consumed`.
    Start { consumed: usize, size: u32 },
    /// Body bytes: `input[consumed - len..consumed]`. `ends_chunk` when they are its last.
    Data { consumed: usize, len: usize, ends_chunk: bool },
    /// Everything was consumed, the body goes on.
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
            (Phase::Size, b';' | b' ' | b'\t') if self.digits > 0 => Phase::Extension,
            (Phase::Size, _) => {
                let digit = (byte as char).to_digit(16).ok_or(BadChunk)?;
                self.digits += 1;
                // No honest chunk has 4 GiB, and leading zeros without end are an attack.
                if self.digits > 15 || self.remaining >> 28 != 0 {
                    return Err(BadChunk);
                }
                self.remaining = self.remaining << 4 | digit;
                Phase::Size
            }
            (Phase::Extension, b'\r') => Phase::SizeLf,
            (Phase::Extension, b'\n') => return Err(BadChunk),
            (Phase::Extension, _) => self.count_line(SIZE_LINE_LEN_MAX, Phase::Extension)?,
            (Phase::SizeLf, b'\n') => {
                self.line_len = 0;
                self.digits = 0;
                if self.remaining == 0 { Phase::TrailerStart } else { Phase::Data }
            }
            (Phase::DataCr, b'\r') => Phase::DataLf,
            (Phase::DataLf, b'\n') => Phase::Size,
            (Phase::TrailerStart, b'\r') => Phase::EndLf,
            (Phase::TrailerStart | Phase::Trailer, b'\n') => return Err(BadChunk),
            (Phase::Trailer, b'\r') => Phase::TrailerLf,
            (Phase::TrailerStart | Phase::Trailer, _) => self.count_line(TRAILER_LEN_MAX, Phase::Trailer)?,
            (Phase::TrailerLf, b'\n') => Phase::TrailerStart,
            (Phase::EndLf, b'\n') => return Ok(true),
            (Phase::SizeLf | Phase::DataCr | Phase::DataLf | Phase::TrailerLf | Phase::EndLf | Phase::Data, _) => {
                return Err(BadChunk);
            }
        };
        Ok(false)
    }

    fn count_line(&mut self, len_max: u16, phase: Phase) -> Result<Phase, BadChunk> {
        self.line_len += 1;
        if self.line_len > len_max { Err(BadChunk) } else { Ok(phase) }
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
        check(b"00000A \r\n0123456789\r\n", Ok((b"0123456789", false, 0)));
    }

    #[test]
    fn violations() {
        for input in [
            &b"\r\n"[..],
            b"g\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"5\nhello",
            b"5\r\nhelloX",
            b"5\r\nhello\n",
            b"0\r\nTrailer\n",
            b"1000000000000000\r\n",
            b"0\r\n\rX",
            b"5;\n",
            b" 5\r\n",
            b"0\r\n\n",
        ] {
            check(input, Err(BadChunk));
        }
        check(&[b"1;".as_slice(), &[b'x'; 300]].concat(), Err(BadChunk));
        check(&[b"0\r\n".as_slice(), &[b'x'; 9000]].concat(), Err(BadChunk));
    }
}
