//! The space a protocol may write into: a fixed slice lent by the caller, and how much of it is used.

/// Room for replies (or requests), lent for the length of one call.
///
/// The caller decides where the bytes live (a scratch buffer, a pooled buffer), so a protocol never
/// allocates. A protocol knows its longest reply, so writing past the end is a bug in it: hence the asserts.
pub struct Output<'a> {
    space: &'a mut [u8],
    len: usize,
}

impl<'a> Output<'a> {
    /// Starts empty; all of `space` may be written.
    pub fn new(space: &'a mut [u8]) -> Self {
        Output { space, len: 0 }
    }

    /// Bytes that still fit.
    #[inline]
    pub fn room(&self) -> usize {
        self.space.len() - self.len
    }

    /// Bytes written so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been written yet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends `bytes`.
    ///
    /// # Panics
    /// When `bytes` is longer than [`Output::room`].
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        assert!(end <= self.space.len(), "reply does not fit the output");
        self.space[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }

    /// Appends `number` in decimal, at most 20 bytes.
    ///
    /// # Panics
    /// When the digits do not fit.
    pub fn push_decimal(&mut self, mut number: u64) {
        let mut digits = [0u8; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.push(&digits[start..]);
    }

    /// Appends `number` in lower-case hexadecimal, at most 16 bytes.
    ///
    /// # Panics
    /// When the digits do not fit.
    pub fn push_hex(&mut self, mut number: u64) {
        let mut digits = [0u8; 16];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b"0123456789abcdef"[(number & 15) as usize];
            number >>= 4;
            if number == 0 {
                break;
            }
        }
        self.push(&digits[start..]);
    }

    /// What has been written.
    pub fn written(&self) -> &[u8] {
        &self.space[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_std_writes_them() {
        for number in [0, 1, 9, 10, 15, 16, 255, 65_536, u64::MAX] {
            let mut space = [0u8; 36];
            let mut output = Output::new(&mut space);
            output.push_decimal(number);
            output.push_hex(number);
            assert_eq!(output.written(), format!("{number}{number:x}").as_bytes());
        }
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn writing_past_the_end_is_a_bug() {
        Output::new(&mut [0u8; 3]).push(b"four");
    }
}
