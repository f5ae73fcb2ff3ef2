//! The list of published runs: one row per run, with its question, its answer in one line, and a link to its report.
//! Pure text: the caller reads the records and collects the rows.

use super::host::fact;
use super::markdown::plain;
use crate::visible::visible;

use serde_json::Value;

/// The first line of a list. If a file begins differently, somebody else wrote it.
pub const FIRST_LINE: &str = "<!-- `c10m report --list DIR` writes this file from the records. Do not edit it. -->";

/// A run in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedRun {
    /// The name of its directory, which need not be UTF-8.
    pub directory: Vec<u8>,
    /// When it began, as RFC 3339 has it.
    pub started_at: String,
    /// The experiment, and its profile if it has several.
    pub title: String,
    /// The question of the experiment.
    pub question: String,
    /// The answer in one line.
    pub answer: String,
    /// The facts of the host.
    pub host: Value,
}

/// The whole file, the newest run first.
pub fn runs_list(mut runs: Vec<ListedRun>) -> String {
    runs.sort_by(|a, b| (&b.started_at, &b.directory).cmp(&(&a.started_at, &a.directory)));
    let rows: String = runs.iter().map(row).collect();
    let text = format!(
        "{FIRST_LINE}\n# Published runs\n\nThe newest comes first. Each answer is that of one run on one host; the report \
         has its intervals and its limits.\n\n| started | experiment | question | answer | host |\n| --- | --- | --- | --- | --- |\n{rows}"
    );
    visible(&text).into_owned()
}

fn row(run: &ListedRun) -> String {
    let host = format!(
        "{} × {}, Linux {}",
        fact(&run.host, "/cpu/online_count"),
        fact(&run.host, "/cpu/model"),
        fact(&run.host, "/kernel/release")
    );
    let title = plain(&run.title).replace('[', "\\[").replace(']', "\\]");
    format!(
        "| {} | [{title}]({}/report.md) | {} | {} | {} |\n",
        plain(run.started_at.get(..DATE_LEN).unwrap_or(&run.started_at)),
        encoded(&run.directory),
        plain(&run.question),
        plain(&run.answer),
        plain(&host)
    )
}

/// `2026-11-22`.
const DATE_LEN: usize = 10;

/// The name of a file for a link. Characters other than the unreserved ones (RFC 3986 2.3) are percent-encoded, so
/// that nothing in the name ends the link or the cell.
fn encoded(name: &[u8]) -> String {
    let encode = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.iter().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(started_at: &str, directory: &str) -> ListedRun {
        ListedRun {
            directory: directory.into(),
            started_at: started_at.into(),
            title: "quick".into(),
            question: "What?".into(),
            answer: "None.".into(),
            host: serde_json::json!({ "cpu": { "model": "X", "online_count": 2 }, "kernel": { "release": "6.1" } }),
        }
    }

    fn rows(text: &str) -> Vec<&str> {
        text.lines().skip_while(|line| !line.starts_with("| --- ")).skip(1).collect()
    }

    #[test]
    fn the_newest_run_comes_first() {
        let text = runs_list(vec![run("2026-11-22T01:00:00Z", "a"), run("2026-11-22T02:00:00Z", "b")]);
        assert!(text.starts_with(FIRST_LINE));
        let row = |name| format!("| 2026-11-22 | [quick]({name}/report.md) | What? | None. | 2 × X, Linux 6.1 |");
        assert_eq!(rows(&text), [row("b"), row("a")]);
    }

    #[test]
    fn whatever_a_record_holds_a_row_stays_a_row() {
        let evil = "a|b](http://h) `c|d` <script> ![i](http://h/i)\n# h\n| x |\u{1b}[2J\u{202e}";
        let mut run = run(evil, evil);
        for text in [&mut run.title, &mut run.question, &mut run.answer] {
            *text = evil.into();
        }
        run.host["cpu"]["model"] = evil.into();
        let text = runs_list(vec![run]);
        let rows = rows(&text);
        let [row] = rows.as_slice() else { panic!("one row: {rows:?}") };
        let bars = row.match_indices('|').filter(|(at, _)| !row[..*at].ends_with('\\')).count();
        assert_eq!(bars, 6, "{row}");
        assert!(!row.contains("](http") && !row.contains(['\u{1b}', '\u{202e}']), "{row}");
        assert_eq!(row.matches("](").count(), 1, "the only link is that to the report: {row}");
        assert!(row.contains("](a%7Cb%5D%28http%3A"), "{row}");
        assert!(!row.replace("\\<", "").contains('<'), "{row}");
    }
}
