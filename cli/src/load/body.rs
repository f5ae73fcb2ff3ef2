//! A body as a flag gives it: the text itself, or `@FILE` for the contents of a file.

use std::fs::File;
use std::io::Read;

/// Longest file in bytes, as long as a batch may be. A longer one would be refused later anyway, and `/dev/zero` has
/// no end.
const LEN_MAX: u64 = 64 << 20;

/// The bytes of a body. clap would expect several values for a bare `Vec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body(pub(super) Vec<u8>);

/// Reads a body. `@FILE` is the contents of the file, `@@…` is a text that begins with one `@`, and anything else is
/// the text itself.
///
/// # Errors
/// When the file cannot be read or is too long.
pub(super) fn parse(text: &str) -> Result<Body, String> {
    let path = match text.strip_prefix('@') {
        None => return Ok(Body(text.into())),
        Some(literal) if literal.starts_with('@') => return Ok(Body(literal.into())),
        Some("") => return Err("a file's name is missing after the @; for the sign itself write @@".into()),
        Some(path) => path,
    };
    let cannot =
        |error: std::io::Error| format!("cannot read {path}: {error} (for a text that begins with @ write @@)");
    let mut bytes = Vec::new();
    File::open(path).map_err(cannot)?.take(LEN_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > LEN_MAX {
        return Err(format!("{path} has more than {} MiB, the most that a body may have", LEN_MAX >> 20));
    }
    Ok(Body(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_files() {
        let path = std::env::temp_dir().join(format!("c10m-body-{}", std::process::id()));
        std::fs::write(&path, b"\x00binary\xff\r\n").expect("writable");
        let named = format!("@{}", path.display());
        for (text, expected) in [
            ("", &b""[..]),
            ("a@b", b"a@b"),
            ("@@name", b"@name"),
            ("@@", b"@"),
            ("@/dev/null", b""),
            (named.as_str(), b"\x00binary\xff\r\n"),
        ] {
            assert_eq!(parse(text), Ok(Body(expected.into())), "{text:?}");
        }
        std::fs::remove_file(&path).expect("ours");
        for (text, part) in [
            ("@", "name is missing"),
            (named.as_str(), "No such file"),
            ("@/", "cannot read /: "),
            ("@/dev/zero", "more than 64 MiB"),
        ] {
            let message = parse(text).expect_err(text);
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }
}
