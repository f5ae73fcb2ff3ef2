//! A report without a format: headings, paragraphs, tables and charts, which the modules `markdown` and `html` both
//! render. In all text, backticks enclose code.

use super::table::Table;

/// A report.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its name.
    pub title: String,
    /// The question it answers.
    pub question: String,
    /// From top to bottom.
    pub blocks: Vec<Block>,
}

/// A part of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// The beginning of a chapter.
    Heading(String),
    /// What to read if nothing else: a list of sentences.
    Answer(Vec<String>),
    /// A paragraph.
    Paragraph(String),
    /// A list.
    List(Vec<String>),
    /// Text to copy into a terminal.
    Commands(Vec<String>),
    /// A table with its title.
    Table(Table),
    /// A chart.
    Figure(Figure),
    /// For some readers: on the page only, folded until they open it. The text says where it is: nobody reads dozens of tables
    /// in one file.
    PageOnly {
        /// What stands on the fold.
        summary: String,
        /// What is in it.
        blocks: Vec<Block>,
    },
}

/// A chart and what describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Name of its file.
    pub name: String,
    /// What the chart shows, for readers who cannot see it.
    pub alt: String,
    /// What a reader must know to read the chart.
    pub caption: String,
    /// The drawing.
    pub svg: String,
}

impl Document {
    /// All charts as files: name and text.
    pub fn figures(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        gather(&self.blocks, &mut files);
        files
    }
}

fn gather(blocks: &[Block], files: &mut Vec<(String, String)>) {
    for block in blocks {
        match block {
            Block::Figure(figure) => files.push((figure.name.clone(), figure.svg.clone())),
            Block::PageOnly { blocks, .. } => gather(blocks, files),
            _ => {}
        }
    }
}

/// A part of a text, of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Span<'a> {
    pub(super) is_code: bool,
    pub(super) text: &'a str,
}

/// Splits text at its backticks. A backtick without a partner is an ordinary character.
pub(super) fn spans(text: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    let mut rest = text;
    while let Some((before, (code, after))) =
        rest.split_once('`').and_then(|(before, inner)| Some((before, inner.split_once('`')?)))
    {
        spans.push(Span { is_code: false, text: before });
        spans.push(Span { is_code: true, text: code });
        rest = after;
    }
    spans.push(Span { is_code: false, text: rest });
    spans.retain(|span| !span.text.is_empty());
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stands_between_backticks() {
        let of = |text| spans(text).into_iter().map(|span| (span.is_code, span.text)).collect::<Vec<_>>();
        assert_eq!(of("run `c10m` now"), [(false, "run "), (true, "c10m"), (false, " now")]);
        assert_eq!(of("`a``b`"), [(true, "a"), (true, "b")]);
        assert_eq!(of("it`s"), [(false, "it`s")]);
        assert_eq!(of(""), []);
    }

    #[test]
    fn figures_are_found_in_folds() {
        let figure = |name: &str| {
            let [alt, caption] = [String::new(), String::new()];
            Block::Figure(Figure { name: name.to_owned(), alt, caption, svg: "<svg/>".to_owned() })
        };
        let blocks = vec![figure("a.svg"), Block::PageOnly { summary: String::new(), blocks: vec![figure("b.svg")] }];
        let document = Document { title: String::new(), question: String::new(), blocks };
        let names: Vec<String> = document.figures().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a.svg", "b.svg"]);
    }
}
