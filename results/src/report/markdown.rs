//! A report as markdown that the usual forges render: tables, images beside the file, folds as `<details>`.

use super::document::{Block, Document, spans};
use super::table::Table;

/// The whole file.
pub fn markdown(document: &Document) -> String {
    format!("# {}\n\n{}\n\n{}", plain(&document.title), plain(&document.question), blocks(&document.blocks))
}

/// Only the blocks, for a text that has a title already.
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
            Block::Heading(heading) => text.push_str(&format!("## {}\n\n", plain(heading))),
            Block::Answer(sentences) => {
                let sentences: Vec<String> =
                    sentences.iter().map(|sentence| format!("> {}", inline(sentence))).collect();
                text.push_str(&format!("{}\n\n", sentences.join("\n>\n")));
            }
            Block::Paragraph(words) => text.push_str(&format!("{}\n\n", inline(words))),
            Block::List(items) => {
                items.iter().for_each(|item| text.push_str(&format!("- {}\n", inline(item))));
                text.push('\n');
            }
            Block::Commands(lines) => {
                let lines: Vec<String> = lines.iter().map(|line| one_line(line)).collect();
                text.push_str(&format!("```sh\n{}\n```\n\n", lines.join("\n")));
            }
            Block::Table(table) => write_table(table, text),
            Block::Figure(figure) => {
                let alt = plain(&figure.alt).replace('[', "(").replace(']', ")");
                text.push_str(&format!("![{alt}]({})\n\n{}\n\n", figure.name, inline(&figure.caption)));
            }
            Block::Details { summary, blocks } => {
                text.push_str(&format!("<details><summary>{}</summary>\n\n", escaped(summary)));
                write(blocks, text);
                text.push_str("</details>\n\n");
            }
        }
    }
}

/// All columns but the first and the last are numbers, so they are aligned to the right.
fn write_table(table: &Table, text: &mut String) {
    if !table.title.is_empty() {
        text.push_str(&format!("### {}\n\n", plain(&table.title)));
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

/// Text with its code; what is code is left alone but for what would end a cell of a table.
fn inline(text: &str) -> String {
    let text = one_line(text);
    let spans = spans(&text).into_iter();
    spans
        .map(|span| if span.is_code { format!("`{}`", span.text.replace('|', "\\|")) } else { plain_kept(span.text) })
        .collect()
}

/// Text of one line that cannot break a table or start HTML.
pub fn plain(text: &str) -> String {
    plain_kept(&one_line(text))
}

fn plain_kept(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Inside of HTML markdown's own escapes do not count.
fn escaped(text: &str) -> String {
    one_line(text).replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Figure;

    #[test]
    fn every_block_has_its_form() {
        let rows = vec![vec!["a | b".into(), "1".into(), "`x | y`".into()]];
        let table = Table::new("T".into(), &["arm", "n", "verdict"], rows);
        let blocks = vec![
            Block::Heading("How".into()),
            Block::Answer(vec!["a <b>".into(), "c".into()]),
            Block::List(vec!["one\ntwo".into()]),
            Block::Commands(vec!["c10m bench".into(), "c10m report".into()]),
            Block::Details { summary: "more & <more>".into(), blocks: vec![Block::Table(table)] },
            Block::Figure(Figure {
                name: "a.svg".into(),
                alt: "[x]".into(),
                caption: "`c10m`".into(),
                svg: String::new(),
            }),
        ];
        let text = markdown(&Document { title: "t".into(), question: "q?".into(), blocks });
        let expected = "# t\n\nq?\n\n## How\n\n> a \\<b>\n>\n> c\n\n- one two\n\n```sh\nc10m bench\nc10m report\n```\n\n\
             <details><summary>more &amp; &lt;more></summary>\n\n### T\n\n| arm | n | verdict |\n| --- | ---: | --- |\n\
             | a \\| b | 1 | `x \\| y` |\n\n</details>\n\n![(x)](a.svg)\n\n`c10m`\n";
        assert_eq!(text, expected);
    }
}
