//! A report as one self-contained HTML file: no network, no script, charts inside. The template escapes all text. Only
//! the charts, which are the project's own drawings, go in as they are.

use askama::Template;

use super::document::{Block, Document, Figure, Span, spans};
use super::table::Table;
use crate::chart::for_page;
use crate::run::word;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    document: &'a Document,
    /// Chapters: anchor and name.
    chapters: Vec<(String, &'a str)>,
    body: Blocks<'a>,
}

#[derive(Template)]
#[template(path = "blocks.html")]
struct Blocks<'a> {
    blocks: &'a [Block],
}

impl Blocks<'_> {
    /// The contents of a fold, rendered by the same template.
    fn inner(&self, blocks: &[Block]) -> String {
        rendered(&Blocks { blocks })
    }

    fn drawing(&self, figure: &Figure) -> String {
        for_page(&figure.svg, &figure.alt)
    }

    fn spans<'a>(&self, text: &'a str) -> Vec<Span<'a>> {
        spans(text)
    }

    fn anchor(&self, heading: &str) -> String {
        word(heading)
    }

    fn side(&self, table: &Table, column: &usize) -> &'static str {
        if table.is_number(*column) { "number" } else { "words" }
    }

    /// The style of a table field. The field also says in words or by a sign what the style means.
    fn class(&self, table: &Table, column: &usize, field: &str) -> &'static str {
        let judged = match field {
            "cheaper" => Some("better"),
            "dearer" => Some("worse"),
            _ if field.starts_with("cheaper:") => Some("better"),
            _ if field.starts_with("dearer:") => Some("worse"),
            _ if field.starts_with("undecided") || field.starts_with("equal") => Some("quiet"),
            _ if field.starts_with(super::matrix::CHEAPER) => Some("better number"),
            _ if field.starts_with(super::matrix::DEARER) => Some("worse number"),
            _ => None,
        };
        judged.unwrap_or(self.side(table, column))
    }
}

/// The whole file.
pub fn html(document: &Document) -> String {
    let headings = document.blocks.iter().filter_map(|block| match block {
        Block::Heading(name) => Some((word(name), name.as_str())),
        _ => None,
    });
    rendered(&Page { document, chapters: headings.collect(), body: Blocks { blocks: &document.blocks } })
}

fn rendered(template: &impl Template) -> String {
    template.render().expect("writing to a String does not fail, and no filter of these templates does")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_cannot_become_markup() {
        let evil = "<script>alert(1)</script> & \"quotes\" `<b>`";
        let rows = vec![vec![evil.into(), evil.into(), "dearer".into()]];
        let table = Table::new(evil.into(), &[evil, "x", "verdict"], rows);
        let figure = Figure {
            name: "a.svg".into(),
            alt: evil.into(),
            caption: evil.into(),
            svg: "<svg width=\"1\" height=\"1\" viewBox=\"0 0 1 1\"></svg>".into(),
        };
        let inner = vec![
            Block::Paragraph(evil.into()),
            Block::List(vec![evil.into()]),
            Block::Commands(vec![evil.into()]),
            Block::Table(table),
            Block::Figure(figure),
        ];
        let blocks = vec![
            Block::Heading(evil.into()),
            Block::Answer(vec![evil.into()]),
            Block::PageOnly { summary: evil.into(), blocks: inner },
        ];
        let page = html(&Document { title: evil.into(), question: evil.into(), blocks });
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("<svg role=\"img\"") && page.contains("class=\"worse\""), "{page}");
        for forbidden in ["http://", "https://", "@import", "url("] {
            assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(forbidden), "{forbidden} in {page}");
        }
    }
}
