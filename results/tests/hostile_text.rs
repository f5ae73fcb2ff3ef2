//! Text of a record that would like to be more than text: whatever it holds, reports keep their form.

mod sample;

use results::record::Record;
use results::report::{readme_block, render};
use sample::record;

/// Ends cells, rows, code and tags, moves the cursor, and turns the direction of reading.
const EVIL: &str =
    "a|b \\| `c|d` ` ``` <script>x</script> &lt; ![i](http://h/i)\n# h\n\n| x |\u{1b}[2J\u{9b}1m\u{7f}\u{202e}\0";

fn evil_record() -> Record {
    let mut record = record();
    let evil = || EVIL.to_owned();
    record.experiment = evil();
    record.question = format!("```{EVIL}");
    (record.started_at, record.version, record.commit) = (evil(), evil(), evil());
    (record.command, record.notes) = (vec![evil(), evil()], vec![format!("# {EVIL}"), evil()]);
    (record.skipped, record.waits) = (vec![evil()], vec![evil()]);
    record.decision.reference = evil();
    record.host = serde_json::json!({
        "kernel": { "release": EVIL, "mitigations": { EVIL: EVIL } }, "cpu": { "model": EVIL, "online_count": 2 },
        "tcp": { "congestion_control": EVIL },
    });
    for cell in &mut record.cells {
        cell.arm.push_str(EVIL);
        cell.workload.push_str(EVIL);
        cell.runs.iter_mut().for_each(|run| run.objections = evil());
    }
    record
}

/// Cells of a row of a table in GitHub's markdown: bars that no backslash escapes end one, within code, too.
fn cells_count(line: &str) -> usize {
    let (mut count, mut is_escaped) = (0, false);
    for character in line.chars() {
        count += usize::from(character == '|' && !is_escaped);
        is_escaped = character == '\\' && !is_escaped;
    }
    count
}

/// What stands before and behind the block of commands, in which everything is text.
fn outside_code(text: &str) -> String {
    text.split("\n````").step_by(2).collect()
}

#[test]
fn tables_keep_their_columns_and_nothing_acts() {
    let record = evil_record();
    let files: Vec<(String, String)> = render(&record, &[])
        .into_iter()
        .map(|(name, content)| (name, String::from_utf8(content).expect("UTF-8")))
        .collect();
    let texts = files.iter().map(|(name, text)| (name.as_str(), text.clone()));
    let more = [("readme", results::visible::visible(&readme_block(&record, "q")).into_owned())];
    for (name, text) in texts.chain(more) {
        let acts = |character: char| (character.is_control() && character != '\n') || character == '\u{202e}';
        assert_eq!(text.find(acts), None, "{name}");
        assert!(!outside_code(&text).replace("\\<", "").contains("<script"), "{name}: {text}");
    }
    let text = &files[0].1;
    let mut tables = 0;
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("| ---")) {
        tables += 1;
        let columns = cells_count(line);
        let rows = lines[at..].iter().take_while(|line| !line.is_empty());
        for row in rows.chain([&lines[at - 1]]) {
            assert_eq!(cells_count(row), columns, "{row}");
        }
    }
    assert!(tables > 1, "{text}");
    assert!(!outside_code(text).contains("](http"), "{text}");
    // The one block of code is that of the commands, and is closed.
    let fences: Vec<&&str> = lines.iter().filter(|line| line.starts_with("```")).collect();
    assert!(matches!(fences[..], [first, last] if first.trim_end_matches("sh") == *last), "{fences:?}");
    assert!(lines.iter().all(|line| !line.starts_with("# ") || line.starts_with("# a\\|b")), "one title");
}
