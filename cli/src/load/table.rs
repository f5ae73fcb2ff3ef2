//! The record of a run as tables for people. Says for every missing quantile why it is missing.

use std::io::{self, Write};

use comfy_table::Table;
use loadgen::Mode;
use loadgen::record::{Record, SloOutcome, Summary};

use super::layout::{micros, paragraph, table};
use super::{addresses, explain, headline, reconnect};

/// A record contains a quantile if at least this many samples lie above it.
const SAMPLES_ABOVE_MIN: f64 = 10.0;
/// The quantiles of a row.
const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];
/// Follows a response time that is the generator's own.
const OWN_MARK: &str = "!";
/// Width that the header of the counts needs in one line.
const COUNTS_LEN: usize = 72;
/// Prints all tables for people.
pub(super) fn print(output: &mut impl Write, record: &Record, width: usize) -> io::Result<()> {
    explain::first(output, record, width)?;
    for line in headline::headline(record) {
        paragraph(output, &line, width, "", "  ")?;
    }
    writeln!(
        output,
        "{}\n{}, {} on {} connections, {}, seed {}",
        record.target,
        match record.mode {
            Mode::Idle => "held idle",
            Mode::Heartbeat => "heartbeats",
            Mode::Open => "open loop",
            Mode::Closed => "closed loop",
        },
        record.workload,
        record.connections.established,
        headline::seconds(record.duration_us as f64),
        record.seed
    )?;
    if headline::is_nothing(record) {
        return explain::verdict(output, record, width);
    }
    addresses::print(output, record, width)?;
    writeln!(output, "{}", counts(record, width))?;
    if record.requests.scheduled > 0 {
        writeln!(output, "{}", times(record, width))?;
        if !record.verdict.generators_own.is_empty() {
            let text =
                format!("{OWN_MARK} mostly the generator's own lateness, not the target's time: do not quote it");
            paragraph(output, &text, width, "", "  ")?;
        }
        for (names, reason) in missing(record) {
            paragraph(output, &format!("{}: {reason}", names.join(", ")), width, "- ", "  ")?;
        }
    }
    if let Some(found) = &record.reconnect {
        for line in reconnect::lines(found) {
            paragraph(output, &line, width, "", "  ")?;
        }
    }
    if let (Mode::Idle, Some(bytes)) = (record.mode, record.memory.per_connection_bytes) {
        writeln!(output, "the generator's own memory: {bytes:.0} bytes per connection")?;
    }
    explain::errors(output, record, width)?;
    if let Some(slo) = &record.slo {
        paragraph(output, &slo_line(slo), width, "", "    ")?;
    }
    explain::verdict(output, record, width)
}

/// Whether the run met its SLO, clause by clause.
fn slo_line(slo: &SloOutcome) -> String {
    let clauses = slo.clauses.iter().map(|clause| {
        let word = if clause.held { "held" } else { "breached" };
        let measured =
            clause.measured.map_or("not measured".into(), |value| format!("{} {}", micros(value), clause.unit));
        let why = if clause.why.is_empty() { String::new() } else { format!(", {}", clause.why) };
        format!("{} {word} ({measured}{why})", clause.clause)
    });
    let word = if slo.held { "held" } else { "breached" };
    format!("slo {word}: {}", clauses.collect::<Vec<_>>().join("; "))
}

fn counts(record: &Record, width: usize) -> Table {
    let (requests, cpu) = (&record.requests, &record.cpu);
    // In a window too short for a rate, the CPU time is mostly that of its edges.
    let cpu_us = match (cpu.requests_completed_in_window, record.achieved_per_second) {
        (0, _) | (_, None) => "-".into(),
        (count, Some(_)) => format!("{:.2}", (cpu.user_us + cpu.system_us) as f64 / count as f64),
    };
    let row = vec![
        record.achieved_per_second.map_or("-".into(), |rate| tuning::thousands(rate.round() as u64)),
        tuning::thousands(requests.completed),
        tuning::thousands(requests.failed),
        tuning::thousands(requests.timed_out),
        tuning::thousands(requests.censored),
        tuning::thousands(requests.unsent),
        cpu_us,
    ];
    let header = ["requests/s", "completed", "failed", "timed out", "censored", "unsent", "CPU us/req"];
    let broken = ["requests/s", "completed", "failed", "timed\nout", "censored", "unsent", "CPU\nus/req"];
    table(if width < COUNTS_LEN { &broken } else { &header }, [row], width)
}

/// One distribution of the record.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    name: &'static str,
    summary: &'a Summary,
    /// Fields that are the generator's own and therefore marked.
    own: &'a [String],
}

impl Row<'_> {
    /// The quantiles, in the order of [`QUANTILES`].
    fn quantiles(&self) -> [Option<f64>; 5] {
        let Summary { p50, p90, p99, p99_9, p99_99, .. } = *self.summary;
        [p50, p90, p99, p99_9, p99_99]
    }

    /// The quantiles. For the response time, the ends of their 95 % intervals follow below.
    fn lines(&self) -> Vec<Vec<String>> {
        let bound = |name: &str, end: usize| -> Vec<String> {
            let cell = |(quantile, _): (&str, f64)| {
                let ends = self.summary.ci95.get(&quantile.replace('.', "_"));
                ends.and_then(|ends| ends[end]).map_or(String::new(), micros)
            };
            std::iter::once(name.to_owned()).chain(QUANTILES.map(cell)).chain([String::new()]).collect()
        };
        match self.name == "response" && !self.summary.ci95.is_empty() {
            true => vec![self.cells(), bound("  95 % from", 0), bound("  to", 1)],
            false => vec![self.cells()],
        }
    }

    fn cells(&self) -> Vec<String> {
        let cell = |(name, value): (&str, Option<f64>)| {
            let is_own = self.own.iter().any(|own| *own == name.replace('.', "_"));
            value.map_or("-".into(), |us| format!("{}{}", micros(us), if is_own { OWN_MARK } else { "" }))
        };
        let names = QUANTILES.map(|(name, _)| name).into_iter().chain(["max"]);
        let cells = names.zip(self.quantiles().into_iter().chain([self.summary.max])).map(cell);
        std::iter::once(self.name.to_owned()).chain(cells).collect()
    }
}

/// The distributions that have samples and add information. In a closed loop nothing is late, and the service time
/// equals the response time.
fn rows(record: &Record) -> Vec<Row<'_>> {
    let is_open = record.mode.is_scheduled();
    [
        ("response", &record.response_us, true),
        ("service", &record.service_us, is_open),
        ("lateness", &record.lateness_us, is_open),
        ("back-pressure", &record.back_pressure_us, is_open),
        ("connect", &record.connect_us, true),
        ("first response", &record.time_to_first_response_us, true),
    ]
    .into_iter()
    .filter(|(_, summary, says_something)| *says_something && summary.count > 0)
    .map(|(name, summary, _)| {
        let own = if name == "response" { &record.verdict.generators_own[..] } else { &[] };
        Row { name, summary, own }
    })
    .collect()
}

fn times(record: &Record, width: usize) -> Table {
    let rows = rows(record).into_iter().flat_map(|row| row.lines());
    table(&["us", "p50", "p90", "p99", "p99.9", "p99.99", "max"], rows, width)
}

/// Why quantiles are missing (too few samples, or too many requests without a good reply), with the rows in which each
/// reason applies.
fn missing(record: &Record) -> Vec<(Vec<&'static str>, String)> {
    let mut reasons: Vec<(Vec<&'static str>, String)> = Vec::new();
    for row in rows(record) {
        for reason in missing_in(&row, record) {
            match reasons.iter_mut().find(|(_, known)| *known == reason) {
                Some((names, _)) => names.push(row.name),
                None => reasons.push((vec![row.name], reason)),
            }
        }
    }
    reasons
}

fn missing_in(row: &Row<'_>, record: &Record) -> Vec<String> {
    let count = row.summary.count;
    let (mut scarce, mut censored) = (Vec::new(), Vec::new());
    for ((name, p), value) in QUANTILES.into_iter().zip(row.quantiles()) {
        let needed = (SAMPLES_ABOVE_MIN / (1.0 - p)).round() as u64;
        match value {
            Some(_) => {}
            None if count < needed => scarce.push(format!("{name} {}", tuning::thousands(needed))),
            None => censored.push(name),
        }
    }
    let mut reasons = Vec::new();
    if !scarce.is_empty() {
        let samples = if count == 1 { "sample" } else { "samples" };
        reasons.push(format!("{} {samples}; needed for {}", tuning::thousands(count), scarce.join(", ")));
    }
    if !censored.is_empty() {
        reasons.push(format!(
            "{} would be among the {} requests without a good reply, of which only a lower bound is known",
            censored.join(", "),
            tuning::thousands(record.requests.without_good_reply())
        ));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::sample;

    fn summary(count: u64, quantiles: [Option<f64>; 5], max: f64) -> Summary {
        let [p50, p90, p99, p99_9, p99_99] = quantiles;
        Summary { count, p50, p90, p99, p99_9, p99_99, max: Some(max), ..Summary::default() }
    }

    /// A real record with distributions as on a bad day.
    fn record() -> Record {
        let mut record = sample::record(Some(500.0));
        let full = [Some(12.3), Some(45.6), Some(1234.0), Some(56_789.0), Some(1_234_567.0)];
        record.response_us = summary(123_456, [full[0], full[1], full[2], None, None], 5_000_191.0);
        record.service_us = summary(123_456, [full[0], full[1], full[2], None, None], 5_000_191.0);
        record.lateness_us = summary(123_456, full, 1_234_567.0);
        record.back_pressure_us = summary(123_456, full, 1_234_567.0);
        record.connect_us = summary(10, [None; 5], 1_000_000.0);
        record.time_to_first_response_us = summary(1, [None; 5], 1_000_000.0);
        (record.requests.timed_out, record.requests.censored, record.requests.unsent) = (100, 20, 1003);
        record.requests.errors = [("timeout".to_owned(), 100)].into();
        record
    }

    fn text(record: &Record, width: usize) -> String {
        let mut bytes = Vec::new();
        print(&mut bytes, record, width).expect("a Vec");
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn tables_fit_their_width() {
        let record = record();
        for width in [60, 72, 80, 200] {
            let text = text(&record, width);
            // The target and the sentences below the tables may exceed a narrow terminal.
            for line in text.lines().filter(|line| line.starts_with(['─', ' ', '-'])) {
                assert!(line.chars().count() <= width, "{width}: {line:?}\n{text}");
            }
            for name in ["response", "service", "lateness", "back-pressure", "connect", "first response"] {
                let row = text.lines().find(|line| line.trim_start().starts_with(name)).expect(name);
                assert!(row.split_whitespace().count() >= 7, "a name was broken in two: {row:?}\n{text}");
            }
        }
    }

    #[test]
    fn a_very_narrow_terminal_does_without_some_columns() {
        let text = text(&record(), 45);
        let header = text.lines().find(|line| line.starts_with("us ")).expect("a header");
        assert_eq!(
            header.split_whitespace().collect::<Vec<_>>(),
            ["us", "p50", "p90", "p99", "p99.9", "max"],
            "{text}"
        );
    }

    #[test]
    fn what_is_missing_is_explained() {
        let text = text(&record(), 200);
        for expected in [
            "- response, service: p99.9, p99.99 would be among the 1,123 requests without a good reply",
            "- connect: 10 samples; needed for p50 20, p90 100, p99 1,000, p99.9 10,000, p99.99 100,000",
            "- first response: 1 sample; needed for p50 20",
            "requests lost to timeout: 100",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        }
        assert!(!text.contains("- lateness"), "nothing is missing there\n{text}");
    }

    #[test]
    fn what_is_the_generators_own_is_marked() {
        let mut record = record();
        let quantiles = [Some(12.3), Some(45.6), Some(1234.0), Some(2345.0), None];
        record.response_us = summary(20_000, quantiles, 5000.0);
        record.verdict.generators_own = vec![];
        let response = |record: &Record| {
            let text = text(record, 80);
            let row = text.lines().find(|line| line.trim_start().starts_with("response")).expect("a row");
            let note = text.lines().filter(|line| line.starts_with("! mostly the generator's own")).count();
            (row.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>(), note)
        };
        assert_eq!(response(&record), (["12.3", "45.6", "1234", "2345", "-", "5000"].map(str::to_owned).to_vec(), 0));
        record.verdict.generators_own = ["p99_9", "max"].map(str::to_owned).to_vec();
        let (cells, note) = response(&record);
        assert_eq!((cells, note), (["12.3", "45.6", "1234", "2345!", "-", "5000!"].map(str::to_owned).to_vec(), 1));
        // Other rows contain no lateness, or are nothing else.
        assert_eq!(text(&record, 80).matches('!').count(), 3);
    }

    #[test]
    fn a_closed_loop_does_not_say_the_same_twice() {
        let text = text(&sample::record(None), 80);
        assert!(text.contains("response") && !text.contains("lateness") && !text.contains("service"), "{text}");
    }
}
