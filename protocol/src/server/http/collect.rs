//! A request body that is checked before the reply begins, so that a broken one gets a refusal instead of a
//! reply that breaks off. A body longer than [`COLLECT_LEN_MAX`] is answered while it arrives.

use crate::chunked::{ChunkedDecoder, Piece};
use crate::server::Violation;

/// Most bytes of a body, as they arrive on the wire, to wait for before the reply begins.
pub(super) const COLLECT_LEN_MAX: usize = 64 * 1024;

/// How far the body has been checked. The caller keeps its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Collect {
    /// The body has this many bytes.
    Length(u32),
    Chunked(Scan),
}

/// A scan of the framing of a chunked body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    decoder: ChunkedDecoder,
    /// Body bytes that the limit still allows.
    budget: u32,
    /// Bytes scanned so far; fewer than [`COLLECT_LEN_MAX`], where the wait ends.
    scanned: u16,
}

const _: () = assert!(COLLECT_LEN_MAX - 1 <= u16::MAX as usize);

impl Collect {
    pub(super) fn chunked(budget: u32) -> Collect {
        Collect::Chunked(Scan { decoder: ChunkedDecoder::default(), budget, scanned: 0 })
    }

    /// Whether the reply may begin, given all bytes of the body so far.
    pub(super) fn is_enough(&mut self, input: &[u8]) -> Result<bool, Violation> {
        match self {
            Collect::Length(length) => Ok(input.len() >= *length as usize),
            Collect::Chunked(scan) => scan.is_enough(&input[..input.len().min(COLLECT_LEN_MAX)]),
        }
    }
}

impl Scan {
    /// The position in the raw bytes decides, and each byte is scanned once, so neither the answer nor the
    /// work depends on how the body was cut into packets.
    fn is_enough(&mut self, input: &[u8]) -> Result<bool, Violation> {
        let mut at = usize::from(self.scanned);
        loop {
            match self.decoder.step(&input[at..], usize::MAX) {
                Err(_) => return Err(Violation::BadFraming),
                Ok(Piece::Start { consumed, size }) => {
                    at += consumed;
                    self.budget = self.budget.checked_sub(size).ok_or(Violation::BodyTooLong)?;
                }
                Ok(Piece::Data { consumed, .. }) => at += consumed,
                Ok(Piece::NeedMore { .. }) if input.len() < COLLECT_LEN_MAX => {
                    self.scanned = input.len() as u16;
                    return Ok(false);
                }
                Ok(Piece::NeedMore { .. } | Piece::End { .. }) => return Ok(true),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work;

    /// However a body is cut, each byte of its framing is scanned once, and its data not at all.
    #[test]
    fn the_work_is_linear() {
        let tiny = "1\r\nx\r\n".repeat(COLLECT_LEN_MAX / 6);
        let extended = format!("1;{}\r\nx\r\n", "a".repeat(4000));
        let large = format!("{:x}\r\n{}", COLLECT_LEN_MAX, "x".repeat(COLLECT_LEN_MAX));
        for (body, framing) in [(&tiny, tiny.len()), (&extended, extended.len()), (&large, 10)] {
            for step in [1, 5, 1000, body.len()] {
                let mut collect = Collect::chunked(u32::MAX);
                work::take();
                for len in (step..=body.len()).step_by(step) {
                    let is_enough = collect.is_enough(&body.as_bytes()[..len]).unwrap();
                    assert_eq!(is_enough, len >= COLLECT_LEN_MAX, "after {len}");
                    if is_enough {
                        break;
                    }
                }
                let work = work::take();
                assert!(work > 0 && work <= framing as u64, "{work} bytes of {framing} looked at, in steps of {step}");
            }
        }
    }
}
