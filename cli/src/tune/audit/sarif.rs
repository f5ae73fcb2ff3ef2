//! Mistakes in files as SARIF 2.1.0 (OASIS, sarif-v2.1.0-os), which code hosts show beside the lines.

use serde_json::{Value, json};
use tuning::State;
use tuning::lint::{Mistake, MistakeKind};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One document with all mistakes.
///
/// # Errors
/// None: all of it is text.
pub(super) fn text(mistakes: &[Mistake]) -> anyhow::Result<String> {
    let rules: Vec<Value> = MistakeKind::ALL.iter().map(|kind| json!({ "id": kind.name() })).collect();
    let results: Vec<Value> = mistakes.iter().map(result).collect();
    let driver = json!({ "name": "c10m tune audit", "version": lab::built::VERSION, "rules": rules });
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "results": results }],
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn result(mistake: &Mistake) -> Value {
    let level = match mistake.state {
        State::Bad => "error",
        State::Warn => "warning",
        State::Info | State::Ok => "note",
    };
    // Paths are relative to the root that was read (SARIF 3.4.4).
    let file = mistake.file.trim_start_matches('/');
    let mut place = json!({ "artifactLocation": { "uri": file, "uriBaseId": "ROOT" } });
    if let Some(line) = mistake.line {
        place["region"] = json!({ "startLine": line, "snippet": { "text": mistake.text } });
    }
    json!({
        "ruleId": mistake.id.name(),
        "level": level,
        "message": { "text": format!("{} {} ({})", mistake.says, mistake.mend, mistake.source) },
        "locations": [{ "physicalLocation": place }],
    })
}
