//! `c10m load --self-test`: proves on a server that stalls that response times are right.

use std::io::{self, Write};
use std::sync::atomic::AtomicBool;

use loadgen::record::State;
use loadgen::self_test::{self, SelfTestArrivals, SelfTestOptions, SelfTestReport};
use protocol::Workload;

use super::ending::{EXIT_INTERRUPTED, EXIT_INVALID, print, refuse, write_json};
use super::layout;

/// What is tested.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Subject {
    pub(super) workload: Workload,
    pub(super) arrivals: SelfTestArrivals,
}

/// `http,poisson`; `http` alone has constant gaps.
///
/// # Errors
/// A sentence that names what there is.
pub(super) fn parse(text: &str) -> Result<Subject, String> {
    let (workload, arrivals) = text.split_once(',').unwrap_or((text, "constant"));
    let workload = workload.parse::<Workload>()?;
    let arrivals = match arrivals {
        "constant" => SelfTestArrivals::Constant,
        "poisson" => SelfTestArrivals::Poisson,
        "heartbeats" => SelfTestArrivals::Heartbeats,
        other => return Err(format!("{other:?} is none of constant, poisson, heartbeats")),
    };
    Ok(Subject { workload, arrivals })
}

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
        "a server that stalls {} ms every {} ms, {} {} requests/s {} on {} connections by {workers} with {}, {} periods",
        report.stall_us / 1000,
        report.every_us / 1000,
        tuning::thousands(report.rate as u64),
        report.workload,
        match report.arrivals {
            SelfTestArrivals::Constant => "at equal gaps".to_owned(),
            SelfTestArrivals::Poisson => format!("at random times (seed {})", report.seed),
            SelfTestArrivals::Heartbeats => "as heartbeats".to_owned(),
        },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tested_is_a_workload_and_its_arrivals() {
        use SelfTestArrivals::{Constant, Heartbeats, Poisson};
        for (text, expected) in [
            ("echo", (Workload::Echo, Constant)),
            ("http", (Workload::Http, Constant)),
            ("http,poisson", (Workload::Http, Poisson)),
            ("echo,heartbeats", (Workload::Echo, Heartbeats)),
        ] {
            let Subject { workload, arrivals } = parse(text).expect(text);
            assert_eq!((workload, arrivals), expected, "{text}");
        }
        for (text, words) in
            [("", "echo"), ("tcp", "echo"), ("http,", "heartbeats"), ("http,poisson,x", "\"poisson,x\"")]
        {
            let error = parse(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
