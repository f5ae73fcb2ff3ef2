//! The syntax of systemd's files (systemd.syntax(7)): sections, `key=value`, comments, lines that go on behind a
//! backslash. No crate serves: those for INI files drop line numbers or repeated keys, and both matter here.

use super::line::Line;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Assignment(Assignment),
    /// systemd says "Missing '='" and goes on.
    Broken(Line),
}

/// `key=value` in a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) at: Line,
    /// Empty before the first section.
    pub(crate) section: String,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// The lines of a file. Assignments keep their order, and each repetition counts.
pub(crate) fn parse(file: &str, text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut section = String::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let is_comment = |line: &str| line.trim_start().starts_with(['#', ';']);
        if is_comment(first) || first.trim().is_empty() {
            continue;
        }
        let mut whole = first.to_owned();
        while whole.ends_with('\\') {
            whole.pop();
            // Comments between the parts are skipped.
            match lines.by_ref().find(|(_, line)| !is_comment(line)) {
                Some((_, more)) => {
                    whole.push(' ');
                    whole.push_str(more);
                }
                None => break,
            }
        }
        let at = Line::new(file, index, first);
        let whole = whole.trim();
        if let Some(name) = whole.strip_prefix('[') {
            match name.strip_suffix(']') {
                Some(name) => name.clone_into(&mut section),
                None => items.push(Item::Broken(at)),
            }
            continue;
        }
        items.push(match whole.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Item::Assignment(Assignment {
                at,
                section: section.clone(),
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
            }),
            _ => Item::Broken(at),
        });
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_systemd_reads_them() {
        let text = "a=1\n[Service]\n# no\n; no\nLimitNOFILE = 1024:2048 \nExecStart=x \\\n# between\n  y\nnonsense\nA=\n[Open\n";
        let found: Vec<String> = parse("/f", text)
            .into_iter()
            .map(|item| match item {
                Item::Assignment(Assignment { at, section, key, value }) => {
                    format!("{} [{section}] {key}={value}", at.number.unwrap())
                }
                Item::Broken(at) => format!("{} broken", at.number.unwrap()),
            })
            .collect();
        assert_eq!(
            found,
            [
                "1 [] a=1",
                "5 [Service] LimitNOFILE=1024:2048",
                "6 [Service] ExecStart=x    y",
                "9 broken",
                "10 [Service] A=",
                "11 broken",
            ]
        );
    }
}
