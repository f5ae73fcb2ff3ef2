//! Mistakes in files like those that people post, and the same files with the mistake mended.

mod table;

use tuning::State;
use tuning::knowledge::Knowledge;
use tuning::lint::{MistakeKind, Place};

use super::made::{KERNEL, Root, both, place, places};
use table::TABLE;

/// A file with a mistake in one of its lines.
struct Planted {
    kind: MistakeKind,
    state: State,
    /// The file and the line of the mistake; 0 is the whole file.
    file: &'static str,
    line: usize,
    wrong: &'static str,
    /// The same file without the mistake; empty: no file.
    right: &'static str,
    /// Other files of the host, and what is special about its place.
    besides: &'static [(&'static str, &'static str)],
    at: fn(&mut Place),
}

impl Planted {
    const fn line(self, line: usize) -> Planted {
        Planted { line, ..self }
    }

    const fn and(self, besides: &'static [(&'static str, &'static str)]) -> Planted {
        Planted { besides, ..self }
    }

    /// The host with the file as `text`.
    fn lint(&self, text: &str, knowledge: &Knowledge) -> tuning::lint::Lint {
        let root = Root::new(KERNEL);
        for (file, contents) in self.besides {
            root.write(file, contents.as_bytes());
        }
        match text {
            "" => {}
            "\u{1}latin-1\u{1}" => root.write(self.file, b"# caf\xe9\nnet.core.somaxconn = 65535\n"),
            "\u{1}large\u{1}" => root.write(self.file, &b"# much\n".repeat(200_000)),
            _ => root.write(self.file, text.as_bytes()),
        }
        let mut place = place();
        (self.at)(&mut place);
        root.lint_by(knowledge, &place)
    }
}

#[test]
fn each_mistake_is_found_and_its_twin_is_not() {
    let mut missed = Vec::new();
    let both = both();
    for (case, knowledge) in TABLE.iter().flat_map(|case| both.iter().map(move |knowledge| (case, knowledge))) {
        let lint = case.lint(case.wrong, knowledge);
        let found = lint.mistakes.iter().find(|mistake| {
            let place = (mistake.id, mistake.file.as_str(), mistake.line.unwrap_or(0));
            place == (case.kind, case.file, case.line)
        });
        match found {
            Some(found) if found.state == case.state => {
                assert!(!found.says.is_empty() && !found.mend.is_empty() && !found.source.is_empty(), "{found:?}");
                let line = case.wrong.lines().nth(case.line.saturating_sub(1)).unwrap_or_default();
                assert!(case.line == 0 || found.text == line, "{:?} is not {line:?}", found.text);
            }
            other => missed.push(format!("{}: {other:?} in {:?}: {:#?}", case.kind.name(), case.wrong, lint.mistakes)),
        }
        let twin = places(&case.lint(case.right, knowledge), case.kind);
        if !twin.is_empty() {
            missed.push(format!("{}: the twin has it, too, in {twin:?}: {:?}", case.kind.name(), case.right));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Unreadable files need an ordinary user, which a test may not be.
#[test]
fn each_kind_is_planted() {
    let planted: Vec<MistakeKind> = TABLE.iter().map(|case| case.kind).chain([MistakeKind::Unreadable]).collect();
    let missing: Vec<&str> =
        MistakeKind::ALL.iter().filter(|kind| !planted.contains(kind)).map(|kind| kind.name()).collect();
    assert_eq!(missing, [""; 0]);
    assert!(TABLE.len() >= 30);
}
