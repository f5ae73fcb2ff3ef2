//! The lines of a request or reply head: how far a head that arrives in parts has been scanned. Each byte is
//! scanned once, however the head is cut into packets.

use crate::bytes::{ascii_len, text_len};

/// How far an incomplete head has been scanned. The caller keeps its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Bytes known to be valid.
    pub(crate) scanned: u16,
    /// Length of the first line with its CRLF, once known; the line is then valid.
    pub(crate) line_len: u16,
}

/// Looks for the end of the head from where the last scan ended; returns its length. It reports the first
/// fault: `wrong` for a byte that cannot be there or a line end that is not CRLF, or what `check` finds in
/// the first line once it is complete. `ASCII` allows no tab and no byte beyond 0x7e in the first line.
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
