//! Makes characters visible that would act instead of being seen. The text of a record comes from hosts, servers and
//! other people's programs, and ends up in terminals, pages and tables.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Text of several lines, for a terminal or a file. Writes what could move the cursor, change colours, set the title
/// or turn the direction of reading as `\u001b`. JSON writes it the same way within a string, so a JSON document
/// remains valid and keeps its meaning.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |character| acts(character) && character != '\n' && character != '\t')
}

/// The same for text that must stay in one line, such as a table field.
pub fn visible_line(text: &str) -> Cow<'_, str> {
    escaped(text, acts)
}

/// Control characters (ECMA-48: C0, DEL and C1, which terminals obey in UTF-8, too), line separators, and characters
/// that turn the direction of the following text (Unicode TR9 2).
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, is_hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            write!(result, "\\u{:04x}", u32::from(character)).expect("writing to a String does not fail");
        } else {
            result.push(character);
        }
    }
    Cow::Owned(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown() {
        for (text, whole, line) in [
            ("plain, größe ▲ 不", "plain, größe ▲ 不", "plain, größe ▲ 不"),
            ("\u{1b}[31mred\u{7}", "\\u001b[31mred\\u0007", "\\u001b[31mred\\u0007"),
            ("\u{9b}2J\u{7f}\0", "\\u009b2J\\u007f\\u0000", "\\u009b2J\\u007f\\u0000"),
            ("a\r\nb\tc", "a\\u000d\nb\tc", "a\\u000d\\u000ab\\u0009c"),
            ("1\u{202e}2\u{2067}3\u{2028}4", "1\\u202e2\\u20673\\u20284", "1\\u202e2\\u20673\\u20284"),
        ] {
            assert_eq!((visible(text), visible_line(text)), (whole.into(), line.into()), "{text:?}");
            assert!(matches!(visible(&visible(text)), Cow::Borrowed(_)), "what is shown stays as it is");
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({ "a\u{9b}": "\u{1b}\u{7f}\u{202e}\\u001b \n" });
        for text in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            let shown = visible(&text);
            assert!(!shown.contains(['\u{9b}', '\u{7f}', '\u{202e}']), "{shown:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }
}
