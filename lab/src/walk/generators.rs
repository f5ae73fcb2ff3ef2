//! What load generators do that are asked for more connections than they may have descriptors: one after another, each
//! against a server of its own on loopback.

use std::time::{Duration, Instant};

use anyhow::Context;
use server::Exit;

use crate::session::host::{Command, Host};
use crate::session::process::Process;
use crate::subjects::servers::c10m;
use crate::subjects::tools::find::Found;
use crate::subjects::tools::tool::{Demand, Tool};
use crate::walk::record::{GeneratorRecord, Generators};

/// Descriptors that each of them may have, and connections that it is asked for.
const DESCRIPTORS: u64 = 100;
const CONNECTIONS: u32 = 200;
const SECONDS: u32 = 2;
/// Longest time for one of them; one that still runs is ended then.
const WITHIN: Duration = Duration::from_secs(10);
/// Those that open as many connections as they are asked for.
const ASKED: [Tool; 6] = [Tool::C10mClosed, Tool::Wrk, Tool::H2load, Tool::Hey, Tool::Ab, Tool::Oha];

/// Asks each of them.
pub(super) fn ask(host: &dyn Host) -> Generators {
    let (mut met, mut left_out) = (vec![], vec![]);
    for tool in ASKED {
        let Some(found) = tool.find(host) else {
            left_out.push(format!("{} is not installed", tool.program()));
            continue;
        };
        say!("c10m: asking {} for more connections than it has descriptors", tool.program());
        match ask_one(host, tool, &found) {
            Ok(record) => met.push(record),
            Err(error) => left_out.push(format!("{}: {error:#}", tool.program())),
        }
    }
    Generators { descriptors: DESCRIPTORS, connections: CONNECTIONS, seconds: SECONDS, met, left_out }
}

fn ask_one(host: &dyn Host, tool: Tool, found: &Found) -> anyhow::Result<GeneratorRecord> {
    let serve = ["serve", "http", "--listen", "127.0.0.1:0", "--reactors", "1", "--json"].map(str::to_owned);
    let mut server = Process::start_self(host, &serve)?;
    let address = server.read_address()?;
    let cpu = sys::affinity::allowed_cpus().context("looking for a CPU")?.last().copied().unwrap_or(0);
    let demand = Demand { connections: CONNECTIONS, rate: 2000, seconds: SECONDS, seed: 1, cpu };
    let arguments = tool.arguments(&address, &demand);
    let command =
        if tool.is_own() { Command::own(&arguments) } else { Command::other(&found.path, &arguments, tool.program()) };
    let start = Instant::now();
    let ended = Process::start(host, &Command { descriptors_max: Some(DESCRIPTORS), ..command })?.end_within(WITHIN)?;
    let wall_s = start.elapsed().as_secs_f64();
    server.terminate();
    let (account, _) = server.finish()?;
    let Exit { report, .. } = c10m::account(account.lines().last().context("the server printed no account")?)?;
    Ok(GeneratorRecord {
        program: tool.program().to_owned(),
        version: found.version.clone(),
        command: format!("ulimit -n {DESCRIPTORS}; {} {}", tool.program(), arguments.join(" ")),
        exit_code: ended.code,
        ended_by_itself: ended.is_by_itself,
        said: complaint(&ended.complaint, &ended.output),
        connections_served: report.totals.accepts,
        requests_served: report.totals.requests,
        cpu_s: ended.cpu_us as f64 / 1e6,
        wall_s,
    })
}

/// The line in which it says what is wrong: one that names descriptors, or else one that speaks of an error, or the first of
/// its complaint.
fn complaint(complaint: &str, output: &str) -> Option<String> {
    const LENGTH_MAX: usize = 200;
    const DESCRIPTORS: [&str; 4] = ["too many open", "open files", "emfile", "descriptor"];
    const ERRORS: [&str; 5] = ["errors", "assertion", "fail", "cannot", "unable"];
    let first = |text: &str, words: &[&str]| {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.find(|line| words.iter().any(|word| line.to_lowercase().contains(word))).map(str::to_owned)
    };
    // A document for programs has "errors" as the name of a field.
    let prose = if output.trim_start().starts_with('{') { "" } else { output };
    let said = first(complaint, &DESCRIPTORS)
        .or_else(|| first(output, &DESCRIPTORS))
        .or_else(|| first(complaint, &ERRORS))
        .or_else(|| first(prose, &ERRORS))
        .or_else(|| first(complaint, &[""]));
    said.map(|line| line.chars().take(LENGTH_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_complaint_is_found_where_it_is() {
        let check = |stderr: &str, stdout: &str, expected: Option<&str>| {
            assert_eq!(complaint(stderr, stdout).as_deref(), expected);
        };
        check("", "Running 2s test\n  Socket errors: connect 99, read 0\n", Some("Socket errors: connect 99, read 0"));
        check("socket: Too many open files (24)\n", "This is ab\n", Some("socket: Too many open files (24)"));
        check(
            "",
            "Error distribution:\n  [9]\tdial tcp: too many open files\n",
            Some("[9]\tdial tcp: too many open files"),
        );
        check("", "{\"errors\": 0}", None);
        check("", "{\n\"Too many open files\": 9}", Some("\"Too many open files\": 9}"));
        check("a\nb\n", "c\n", Some("a"));
        check("", "c\n", None);
    }
}
