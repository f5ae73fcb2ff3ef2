//! Sizes in bytes as people write them: `268435456`, `64KiB`, `256MiB`, `1GiB`, or in short `64k`, `256M`, `1G`.

/// A whole number of bytes or of a binary unit. The short units are binary, too.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u32); 9] =
        [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("k", 10), ("K", 10), ("M", 20), ("G", 30), ("", 0)];
    let unit = UNITS.iter().find_map(|(unit, bits)| Some((text.strip_suffix(unit)?, *bits)));
    unit.filter(|(digits, _)| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|(digits, bits)| digits.parse::<u64>().ok()?.checked_mul(1 << bits))
        .ok_or_else(|| "expected bytes, or a unit as in 64KiB, 64MiB, 1GiB".to_owned())
}

/// A size that fits in 32 bits.
pub(crate) fn small(text: &str) -> Result<u32, String> {
    let bytes = size(text)?;
    u32::try_from(bytes).map_err(|_| format!("{bytes} bytes are more than {}", u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_binary_units() {
        for (text, expected) in [
            ("0", Some(0)),
            ("268435456", Some(256 << 20)),
            ("64KiB", Some(64 << 10)),
            ("256MiB", Some(256 << 20)),
            ("3GiB", Some(3 << 30)),
            ("1TiB", Some(1 << 40)),
            ("", None),
            ("MiB", None),
            ("1.5MiB", None),
            ("2k", Some(2048)),
            ("2K", Some(2048)),
            ("3M", Some(3 << 20)),
            ("1G", Some(1 << 30)),
            ("1T", None),
            ("1MB", None),
            ("G", None),
            ("17179869184G", None),
            ("1 MiB", None),
            ("+1", None),
            ("-1", None),
            ("1mib", None),
            ("99999999999999999999", None),
            ("99999999TiB", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text:?}");
            assert_eq!(
                small(text).ok().map(u64::from),
                expected.filter(|size| *size <= u64::from(u32::MAX)),
                "{text:?}"
            );
        }
    }
}
