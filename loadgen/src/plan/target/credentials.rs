//! Credentials of a target: `http://user:password@host/` asks for Basic authentication (RFC 7617). They are
//! sent, but neither shown nor recorded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use std::fmt;

/// A secret header value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// For the request, and nothing else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// The value of Authorization for user and password as written in a URL; none if the URL has neither.
pub(super) fn basic(user: &str, password: Option<&str>) -> Result<Option<Secret>, &'static str> {
    if user.is_empty() && password.is_none() {
        return Ok(None);
    }
    let user: Vec<u8> = percent_decode_str(user).collect();
    let password: Vec<u8> = percent_decode_str(password.unwrap_or_default()).collect();
    // RFC 7617 §2: the first colon ends the user name, and neither part may have control characters.
    if user.contains(&b':') {
        return Err("a user's name has no colon (RFC 7617)");
    }
    if user.iter().chain(&password).any(u8::is_ascii_control) {
        return Err("credentials have no control characters (RFC 7617)");
    }
    Ok(Some(Secret(format!("Basic {}", STANDARD.encode([&user[..], b":", &password[..]].concat())))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_decoded_first() {
        for (user, password, expected) in [
            ("", None, Ok(None)),
            // The example of RFC 7617 §2.
            ("Aladdin", Some("open%20sesame"), Ok(Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="))),
            ("u", None, Ok(Some("Basic dTo="))),
            ("", Some("p"), Ok(Some("Basic OnA="))),
            ("u%40h", Some("a%3Ab"), Ok(Some("Basic dUBoOmE6Yg=="))),
            ("a%3Ab", Some("p"), Err(())),
            ("u", Some("a%0D%0AX: 1"), Err(())),
        ] {
            let found = basic(user, password);
            assert_eq!(
                found.as_ref().map(|found| found.as_ref().map(Secret::reveal)).map_err(drop),
                expected,
                "{user}"
            );
            assert!(!format!("{found:?}").contains("Basic "), "a secret is not for logs");
        }
    }
}
