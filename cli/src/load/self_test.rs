//! `c10m load --self-test`: proves on a server that stalls that response times are right.

use std::io::{self, Write};
use std::sync::atomic::AtomicBool;

use loadgen::record::State;
use loadgen::self_test::{self, SelfTestOptions, SelfTestReport};

use super::ending::{EXIT_INTERRUPTED, EXIT_INVALID, print, refuse, write_json};
use super::layout;

/// Runs the test and prints the result. Returns the exit code.
///
/// # Errors
/// When stdout fails.
pub(super) fn run(options: &SelfTestOptions, json: bool, stop: &AtomicBool) -> anyhow::Result<u8> {
    let report = match self_test::run(options, stop) {
        Ok(report) => report,
        Err(error) => return Ok(refuse(&error)),
    };
    print(|stdout| if json { write_json(stdout, &report) } else { tables(stdout, &report, layout::width()) })?;
    Ok(match report.state {
        _ if report.interrupted => EXIT_INTERRUPTED,
        State::Invalid => EXIT_INVALID,
        _ => 0,
    })
}

fn tables(output: &mut impl Write, report: &SelfTestReport, width: usize) -> io::Result<()> {
    let workers = if report.threads == 1 { "one worker".to_owned() } else { format!("{} workers", report.threads) };
    let what = format!(
        "a server that stalls {} ms every {} ms, {} {} requests/s on {} connections by {workers} with {}, {} periods",
        report.stall_us / 1000,
        report.every_us / 1000,
        tuning::thousands(report.rate as u64),
        report.workload,
        report.connections,
        report.engine.name(),
        report.periods
    );
    writeln!(output, "{}", textwrap::fill(&what, width))?;
    if report.interrupted {
        return writeln!(output, "V16 not judged: {}", report.why);
    }
    if let Some(attempt) = report.attempts.last() {
        let rows = attempt.quantities.iter().map(|quantity| {
            vec![
                quantity.name.clone(),
                value(quantity.expected, &quantity.unit),
                value(quantity.observed, &quantity.unit),
                format!("{:.2} %", quantity.deviation * 100.0),
            ]
        });
        writeln!(output, "{}", layout::table(&["response", "true", "measured", "deviation"], rows, width))?;
    }
    let accepted = if report.is_accepted { "within 1 %" } else { "not within 1 %" };
    let text = format!("V16 {}, {accepted}: {}", report.state.name(), report.why);
    writeln!(output, "{}", textwrap::fill(&text, width))
}

fn value(value: f64, unit: &str) -> String {
    match unit {
        "share" => format!("{:.3} %", value * 100.0),
        unit => format!("{} {unit}", layout::micros(value)),
    }
}
