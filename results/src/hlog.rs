//! Writes and reads an HdrHistogram interval log (`.hlog`, format 1.3), which has one compressed histogram per line.
//! Java's `HistogramLogProcessor` and Python's `HistogramLogReader` add them up over any period.
//!
//! Both readers skip lines that begin before the start time, and stop at the first line after the requested period. So
//! lines are sorted, and none begins before the start of the log.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use crate::utc;

const US_PER_S: f64 = 1e6;
const NS_PER_MS: f64 = 1e6;

/// One histogram of one interval.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Distinguishes what was measured. A comma or white space would end the tag, and is replaced by `_`.
    pub tag: &'a str,
    /// Start of the interval, counted from the start of the log.
    pub start_us: u64,
    /// Length of the interval.
    pub duration_us: u64,
    /// Greatest value in ns.
    pub max_ns: u64,
    /// The values in ns as Base64 of the compressed V2 encoding.
    pub encoded: &'a str,
}

/// The whole file. Times are relative to `start_unix_ms`, the wall time of its start.
pub fn text<'a>(start_unix_ms: u64, lines: impl IntoIterator<Item = Line<'a>>) -> String {
    let mut lines: Vec<Line<'_>> = lines.into_iter().collect();
    lines.sort_by_key(|line| line.start_us);
    let start = start_unix_ms as f64 / 1000.0;
    let date = utc::rfc3339(UNIX_EPOCH + Duration::from_millis(start_unix_ms));
    // Comments, times and legend as Java's HistogramLogWriter writes them.
    let mut text = format!(
        "#[Values in nanoseconds, Interval_Max in milliseconds]\n\
         #[Histogram log format version 1.3]\n\
         #[BaseTime: {start:.3} (seconds since epoch)]\n\
         #[StartTime: {start:.3} (seconds since epoch), {date}]\n\
         \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
    );
    for Line { tag, start_us, duration_us, max_ns, encoded } in lines {
        let tag = tag.replace([',', ' ', '\t', '\r', '\n'], "_");
        let (start, length) = (start_us as f64 / US_PER_S, duration_us as f64 / US_PER_S);
        let max = max_ns as f64 / NS_PER_MS;
        writeln!(text, "Tag={tag},{start:.6},{length:.6},{max:.6},{encoded}")
            .expect("writing to a String does not fail");
    }
    text
}

/// Tag and encoded histogram of each line of a log. The tag is empty if the line has none.
///
/// # Errors
/// Names the first line without a histogram.
pub fn tagged(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let is_data = |line: &str| !line.is_empty() && !line.starts_with('#') && !line.starts_with('"');
    let lines = text.lines().enumerate().filter(|(_, line)| is_data(line));
    lines
        .map(|(index, line)| {
            let (tag, rest) = match line.strip_prefix("Tag=") {
                Some(tagged) => tagged.split_once(',').unwrap_or((tagged, "")),
                None => ("", line),
            };
            let encoded = rest.split(',').nth(3).ok_or_else(|| format!("line {} has no histogram", index + 1))?;
            Ok((tag, encoded))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sorted_and_have_five_fields() {
        let line = |tag, start_us, encoded| Line { tag, start_us, duration_us: 999_983, max_ns: 1_234_567, encoded };
        let lines = [line("response", 1_000_017, "BBBB"), line("a, b", 0, "AAAA"), line("service", 1_000_017, "CCCC")];
        let text = text(1_700_000_000_123, lines);
        let expected = "#[Values in nanoseconds, Interval_Max in milliseconds]
#[Histogram log format version 1.3]
#[BaseTime: 1700000000.123 (seconds since epoch)]
#[StartTime: 1700000000.123 (seconds since epoch), 2023-11-14T22:13:20Z]
\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"
Tag=a__b,0.000000,0.999983,1.234567,AAAA
Tag=response,1.000017,0.999983,1.234567,BBBB
Tag=service,1.000017,0.999983,1.234567,CCCC
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_log_of_nothing_is_its_header() {
        assert_eq!(text(0, []).lines().count(), 5);
    }

    #[test]
    fn what_is_written_is_read() {
        let line = |tag, encoded| Line { tag, start_us: 0, duration_us: 1, max_ns: 1, encoded };
        let text = text(0, [line("a-1", "AAAA"), line("b", "BBBB")]);
        assert_eq!(tagged(&text), Ok(vec![("a-1", "AAAA"), ("b", "BBBB")]));
        assert_eq!(tagged("0.1,1.0,2.0,CCCC\n"), Ok(vec![("", "CCCC")]));
        for bad in ["Tag=a", "Tag=a,1,2", "1,2,3"] {
            assert_eq!(tagged(bad), Err("line 1 has no histogram".to_owned()), "{bad}");
        }
    }
}
