//! The lines of a head, of a request or a reply: how far one that arrives in parts has been looked at. Each
//! byte is looked at once, however the head is cut into packets.

use crate::bytes::{ascii_len, text_len};

/// How far a head that is not complete has been looked at. Its bytes stay with the caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Bytes known to be in order.
    pub(crate) scanned: u16,
    /// Length of the first line with its CRLF, once that is known; the line is right then.
    pub(crate) line_len: u16,
}

/// Looks for the end of the head from where the last look ended; returns its length. A fault is found where
/// it is: `wrong` for a byte that cannot be there or a line end that is not CRLF, or what `check` finds wrong
/// in the first line when it is complete. `ASCII` allows no tab and no byte beyond 0x7e in the first line.
///
/// `input` has fewer than 64 KiB.
pub(crate) fn scan<const ASCII: bool, E>(
    input: &[u8],
    progress: &mut Progress,
    wrong: E,
    check: impl Fn(&[u8]) -> Result<(), E>,
) -> Result<Option<usize>, E> {
    let mut at = usize::from(progress.scanned);
    loop {
        let in_line = progress.line_len == 0;
        let rest = &input[at..];
        let len = if in_line && ASCII { ascii_len(rest) } else { text_len(rest) };
        at += len;
        #[cfg(test)]
        crate::work::add(len + 2);
        match input[at..] {
            [] | [b'\r'] => break,
            [b'\r', b'\n', ..] if in_line => {
                check(&input[..at])?;
                progress.line_len = (at + 2) as u16;
                at += 2;
            }
            [b'\r', b'\n', ..] if input[..at].ends_with(b"\r\n") => return Ok(Some(at + 2)),
            [b'\r', b'\n', ..] => at += 2,
            [b'\t', ..] if !(in_line && ASCII) => at += 1,
            _ => return Err(wrong),
        }
    }
    progress.scanned = at as u16;
    Ok(None)
}
