//! A report as markdown for the common forges: tables, images as separate files, folds as `<details>`.

use super::document::{Block, Document, spans};
use super::table::Table;

/// The whole file.
pub fn markdown(document: &Document) -> String {
    let question = at_start(plain(&document.question));
    format!("# {}\n\n{question}\n\n{}", plain(&document.title), blocks(&document.blocks))
}

/// Only the blocks, for a text that already has a title.
pub(super) fn blocks(blocks: &[Block]) -> String {
    let mut text = String::new();
    write(blocks, &mut text);
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn write(blocks: &[Block], text: &mut String) {
    for block in blocks {
        match block {
            Block::Heading(heading) => text.push_str(&format!("## {}\n\n", inline(heading))),
            Block::Answer(sentences) => {
                let sentences: Vec<String> =
                    sentences.iter().map(|sentence| format!("> {}", paragraph(sentence))).collect();
                text.push_str(&format!("{}\n\n", sentences.join("\n>\n")));
            }
            Block::Paragraph(words) => text.push_str(&format!("{}\n\n", paragraph(words))),
            Block::List(items) => {
                items.iter().for_each(|item| text.push_str(&format!("- {}\n", paragraph(item))));
                text.push('\n');
            }
            Block::Commands(lines) => {
                let lines: Vec<String> = lines.iter().map(|line| one_line(line)).collect();
                let lines = lines.join("\n");
                let fence = fence(&lines);
                text.push_str(&format!("{fence}sh\n{lines}\n{fence}\n\n"));
            }
            Block::Table(table) => write_table(table, text),
            Block::Figure(figure) => {
                let alt = plain(&figure.alt).replace('[', "(").replace(']', ")");
                text.push_str(&format!("![{alt}]({})\n\n{}\n\n", figure.name, paragraph(&figure.caption)));
            }
            Block::PageOnly { summary, .. } => {
                text.push_str(&format!("{}: in `report.html`.\n\n", paragraph(summary)));
            }
        }
    }
}

/// All columns but the first and the last are numbers, so they are right-aligned.
fn write_table(table: &Table, text: &mut String) {
    if !table.title.is_empty() {
        text.push_str(&format!("### {}\n\n", inline(&table.title)));
    }
    let mut line = |fields: Vec<String>| text.push_str(&format!("| {} |\n", fields.join(" | ")));
    line(table.header.iter().map(|name| inline(name)).collect());
    let rule = |column| if table.is_number(column) { "---:" } else { "---" }.to_owned();
    line((0..table.header.len()).map(rule).collect());
    for row in &table.rows {
        line(row.iter().map(|field| inline(field)).collect());
    }
    text.push('\n');
}

/// A fence longer than any run of backticks in the code, so that the code cannot end it (CommonMark 4.5).
fn fence(code: &str) -> String {
    let longest = code.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// Renders text with code. Code stays as it is, except for characters that would end a table cell.
fn inline(text: &str) -> String {
    let text = one_line(text);
    let spans = spans(&text).into_iter();
    let spans = spans.map(|span| match span.is_code {
        // A bar after a backslash always ends the cell inside code, so render this as plain text.
        true if span.text.contains("\\|") => plain_kept(span.text),
        true => format!("`{}`", span.text.replace('|', "\\|")),
        false => plain_kept(span.text),
    });
    spans.collect()
}

/// The same for text at the beginning of a line.
fn paragraph(text: &str) -> String {
    at_start(inline(text))
}

/// Text of one line that cannot break a table, start HTML, become code or load an image.
pub fn plain(text: &str) -> String {
    plain_kept(&one_line(text))
}

/// Escapes everything of CommonMark but emphasis, which hides nothing and ends with its paragraph.
fn plain_kept(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let is_escaped = match character {
            '\\' | '|' | '<' | '`' => true,
            // An entity, which would appear as the character that it names.
            '&' => rest.peek().is_some_and(|next| *next == '#' || next.is_ascii_alphanumeric()),
            // The middle of a link or an image.
            '(' => kept.ends_with(']'),
            _ => false,
        };
        if is_escaped {
            kept.push('\\');
        }
        kept.push(character);
    }
    kept
}

/// Escapes what would start a heading, a list, a quotation or a code block at the beginning of a line.
fn at_start(text: String) -> String {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let begins = |at: usize, those: &[char]| text[at..].starts_with(those);
    if begins(0, &['#', '>', '+', '*', '=', '~', '-']) {
        format!("\\{text}")
    } else if digits > 0 && begins(digits, &['.', ')']) && text[digits + 1..].starts_with([' ']) {
        format!("{}\\{}", &text[..digits], &text[digits..])
    } else {
        text
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Figure;

    #[test]
    fn text_stays_text() {
        for (text, expected) in [
            ("a | b", "a \\| b"),
            ("a \\| b", "a \\\\\\| b"),
            ("`a \\| b`", "a \\\\\\| b"),
            ("`a | b`", "`a \\| b`"),
            ("one ` alone", "one \\` alone"),
            ("```", "\\`"),
            ("two\nlines\r\nthree", "two lines three"),
            ("<script> & <!--", "\\<script> & \\<!--"),
            ("&lt;b> &#60; R&D", "\\&lt;b> \\&#60; R\\&D"),
            ("![x](http://host/y)", "![x]\\(http://host/y)"),
            ("# no heading", "\\# no heading"),
            ("1. no list", "1\\. no list"),
            ("1.5 times", "1.5 times"),
            ("- no list", "\\- no list"),
        ] {
            assert_eq!(paragraph(text), expected, "{text:?}");
        }
        assert_eq!(inline("-5 %"), "-5 %", "in a table it begins nothing");
        assert_eq!(plain("`x`"), "\\`x\\`");
        assert_eq!((fence("a"), fence("a ```` b")), ("```".into(), "`````".into()));
    }

    #[test]
    fn every_block_has_its_form() {
        let rows = vec![vec!["a | b".into(), "1".into(), "`x | y`".into()]];
        let table = Table::new("T".into(), &["arm", "n", "verdict"], rows);
        let blocks = vec![
            Block::Heading("How".into()),
            Block::Answer(vec!["a <b>".into(), "c".into()]),
            Block::List(vec!["one\ntwo".into()]),
            Block::Commands(vec!["c10m bench".into(), "c10m report".into()]),
            Block::PageOnly { summary: "more & <more>".into(), blocks: vec![Block::Heading("In the fold".into())] },
            Block::Table(table),
            Block::Figure(Figure {
                name: "a.svg".into(),
                alt: "[x]".into(),
                caption: "`c10m`".into(),
                svg: String::new(),
            }),
        ];
        let text = markdown(&Document { title: "t".into(), question: "q?".into(), blocks });
        let expected = "# t\n\nq?\n\n## How\n\n> a \\<b>\n>\n> c\n\n- one two\n\n```sh\nc10m bench\nc10m report\n```\n\n\
             more & \\<more>: in `report.html`.\n\n### T\n\n| arm | n | verdict |\n| --- | ---: | --- |\n\
             | a \\| b | 1 | `x \\| y` |\n\n![(x)](a.svg)\n\n`c10m`\n";
        assert_eq!(text, expected);
    }
}
