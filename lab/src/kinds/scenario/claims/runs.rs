//! Builds the record of a run from what the server and the load generator printed.

use anyhow::{Context, bail};
use loadgen::null_server::{Event, Exit};
use loadgen::{Distribution, Record};
use serde_json::Value;

use crate::kinds::scenario::claims::record::{Finished, Histograms, RunRecord};
use crate::kinds::scenario::plan::Run;
use crate::kinds::scenario::seen::Seen;
use crate::kinds::scenario::timeline::Role;
use crate::subjects::tools::tool::Tool;

/// A finished run of a tool.
///
/// # Errors
/// When the server or the tool printed something unknown.
pub(super) fn finished(tool: Tool, run: &Run<'_>, seen: &Seen) -> anyhow::Result<Finished> {
    let served = account(seen.account(Role::Server)?)?;
    let Some(load) = seen.output(Role::Load) else { bail!("no load generator was started") };
    let unknown = || format!("{} printed something unknown", tool.program());
    let reported = tool.parse(&load.text).with_context(unknown)?;
    let (verdict, raw, histograms) = raw(tool, &load.text)?;
    let (repeat, order, stalls_ms) = (run.repeat, run.order, stalls_ms(&served));
    let run = RunRecord { repeat, order, reported, served: served.requests, stalls_ms, verdict, raw };
    Ok(Finished { arm: tool.name().to_owned(), command: load.command.clone(), run, histograms })
}

/// The verdict, the output to keep, and the histograms. Only this project's generator prints histograms. They are
/// taken out of the output because they are merged into files of their own.
fn raw(tool: Tool, output: &str) -> anyhow::Result<(Option<String>, Value, Option<Histograms>)> {
    if !tool.is_own() {
        return Ok((None, Value::String(output.to_owned()), None));
    }
    let record: Record = serde_json::from_str(output)?;
    let text = |distribution: Distribution| {
        record
            .histograms
            .get(&distribution)
            .cloned()
            .with_context(|| format!("the record has no histogram {distribution}"))
    };
    let histograms = Histograms { response: text(Distribution::Response)?, service: text(Distribution::Service)? };
    let mut raw: Value = serde_json::from_str(output)?;
    if let Some(raw) = raw.as_object_mut() {
        raw.remove("histograms");
    }
    Ok((Some(record.verdict.to_string()), raw, Some(histograms)))
}

/// The last line of a server that stalls.
fn account(line: &str) -> anyhow::Result<Exit> {
    match serde_json::from_str(line).context("the server printed no account")? {
        Event::Exit(exit) => Ok(exit),
        other @ Event::Ready { .. } => bail!("the server gave no account at its end, but said {other:?}"),
    }
}

fn stalls_ms(served: &Exit) -> Vec<f64> {
    let lengths_ns = served.stalls.iter().filter_map(|(start, end)| end.checked_sub(*start));
    lengths_ns.map(|ns| ns as f64 / 1e6).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_server_s_account_is_understood() {
        let line = r#"{"event": "exit", "requests": 7, "stalls": [[1000000, 101500000], [5, 4]]}"#;
        let served = account(line).expect("an account");
        assert_eq!((served.requests, stalls_ms(&served)), (7, vec![100.5]));
        for line in [
            "{}",
            r#"{"event": "exit", "requests": 7}"#,
            r#"{"event": "exit", "requests": 7, "stalls": [["x"]]}"#,
            r#"{"event": "ready", "address": "127.0.0.1:1", "pid": 1, "version": "", "commit": ""}"#,
        ] {
            assert!(account(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_output_of_others_is_kept_as_it_is() {
        assert_eq!(raw(Tool::Wrk, "text").expect("any text"), (None, json!("text"), None));
        assert!(raw(Tool::C10mClosed, "{}").is_err(), "no record");
    }
}
