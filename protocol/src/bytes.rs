//! The byte classes of the HTTP grammars, and how long a run of plain bytes is.

/// `tchar` of RFC 9110 §5.6.2: method, field name, coding, extension.
const TOKEN: u8 = 1;
/// `unreserved` and `sub-delims` of RFC 3986 §2: the bytes of a registered name, except `%`.
const NAME: u8 = 2;
/// What may stand in a field value or a quoted string: HTAB, SP, VCHAR and obs-text (RFC 9110 §5.5).
const VALUE: u8 = 4;

/// One load per byte; a chain of comparisons would branch.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let it = byte as u8;
        let common = it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_' | b'~');
        if common || matches!(it, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'^' | b'`' | b'|') {
            classes[byte] |= TOKEN;
        }
        if common || matches!(it, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=') {
            classes[byte] |= NAME;
        }
        if it == b'\t' || (it >= b' ' && it != 0x7f) {
            classes[byte] |= VALUE;
        }
        byte += 1;
    }
    classes
}

#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    CLASS[usize::from(byte)] & TOKEN != 0
}

#[inline]
pub(crate) fn is_name(byte: u8) -> bool {
    CLASS[usize::from(byte)] & NAME != 0
}

#[inline]
pub(crate) fn is_value(byte: u8) -> bool {
    CLASS[usize::from(byte)] & VALUE != 0
}

/// `bytes` without the spaces and tabs around it (OWS of RFC 9110 §5.6.3).
#[inline]
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// How many bytes at the front of `bytes` are not controls (0x00 to 0x1f, 0x7f): up to the end of the line.
#[inline]
pub(crate) fn text_len(bytes: &[u8]) -> usize {
    plain_len::<false>(bytes)
}

/// As [`text_len`], but also stops at bytes of 0x80 and above: a request line has none.
#[inline]
pub(crate) fn ascii_len(bytes: &[u8]) -> usize {
    plain_len::<true>(bytes)
}

/// Eight bytes at a time. Subtracting 0x20 from every byte sets the top bit of those that were smaller. A
/// borrow can only spoil the bytes after the first hit, and only the first hit counts.
#[inline]
fn plain_len<const ASCII: bool>(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let del = word ^ (ONES * 0x7f);
        let mut hits = word.wrapping_sub(ONES * 0x20) & !word | del.wrapping_sub(ONES) & !del;
        if ASCII {
            hits |= word;
        }
        hits &= ONES * 0x80;
        if hits != 0 {
            return index * 8 + hits.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &u8| *byte >= b' ' && *byte != 0x7f && (!ASCII || *byte < 0x80);
    words.len() * 8 + rest.iter().position(|byte| !is_plain(byte)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_stretches_end_at_the_first_byte_that_is_not() {
        for byte in 0..=255u8 {
            for at in 0..20 {
                // Neither the bytes after this one nor almost-controls before it may matter.
                let mut bytes = [b' ', b'~', b' ', b'a'].repeat(5);
                bytes[at] = byte;
                bytes.extend([0, 0x7f, 0xff]);
                let (control, ascii) = (byte.is_ascii_control(), byte.is_ascii());
                assert_eq!(text_len(&bytes), if control { at } else { 20 }, "{byte:#x} at {at}");
                assert_eq!(ascii_len(&bytes), if control || !ascii { at } else { 20 }, "{byte:#x} at {at}");
            }
        }
        assert_eq!((text_len(b""), ascii_len(b"abc"), text_len(b"abcdefgh")), (0, 3, 8));
    }

    #[test]
    fn classes_are_those_of_the_grammars() {
        let of = |is: fn(u8) -> bool| (0..=255).filter(|byte| is(*byte)).map(char::from).collect::<String>();
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let small = letters.to_lowercase();
        assert_eq!(of(is_token), format!("!#$%&'*+-.0123456789{letters}^_`{small}|~"));
        assert_eq!(of(is_name), format!("!$&'()*+,-.0123456789;={letters}_{small}~"));
        assert_eq!(of(is_value).chars().count(), 1 + 95 + 128);
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t"), b"");
    }
}
