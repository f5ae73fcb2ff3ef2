//! Writes and reads the textual percentile distribution (`.hgrm`) that HdrHistogram's plotting pages read. Values are
//! in microseconds. Rows and columns are those of the Java library (compared with its 2.1.11; only that library rounds
//! halves up in the last digit).

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use crate::histogram::Latencies;

/// Reporting points between each percentile and half the remaining distance to 100 %. This is the default of Java's
/// HistogramLogProcessor.
const TICKS_PER_HALF_DISTANCE: f64 = 5.0;

/// The histogram is in nanoseconds.
const NS_PER_US: f64 = 1000.0;

/// One reporting point.
struct Row {
    value_ns: u64,
    /// 0 to 100.
    percent: f64,
    /// Number of values up to and including this one.
    count: u64,
}

/// The reporting points. The Rust library's iterator over them counts in quantiles. There three tenths are slightly
/// more than 0.3, so it would skip the third of ten values.
fn rows(histogram: &Histogram<u64>) -> Vec<Row> {
    let total = histogram.len();
    let (mut rows, mut percent, mut count) = (Vec::new(), 0.0, 0);
    for step in histogram.iter_recorded() {
        let value_ns = step.value_iterated_to();
        count += step.count_at_value();
        while 100.0 * count as f64 / total as f64 >= percent {
            rows.push(Row { value_ns, percent, count });
            let halvings = ((100.0 / (100.0 - percent)).ln() / 2_f64.ln()).floor();
            percent += 100.0 / (TICKS_PER_HALF_DISTANCE * 2_f64.powf(halvings + 1.0));
            // Further points at the greatest value would all be the same.
            if count >= total {
                rows.push(Row { value_ns, percent: 100.0, count });
                return rows;
            }
        }
    }
    rows
}

/// The whole file.
pub fn text(latencies: &Latencies) -> String {
    let histogram = latencies.histogram();
    let digits = usize::from(histogram.sigfig());
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut line = |arguments: std::fmt::Arguments<'_>| {
        text.write_fmt(arguments).expect("writing to a String does not fail");
        text.push('\n');
    };

    for Row { value_ns, percent, count } in rows(histogram) {
        let (value, percentile) = (value_ns as f64 / NS_PER_US, percent / 100.0);
        if percent < 100.0 {
            let inverse = 1.0 / (1.0 - percentile);
            line(format_args!("{value:>12.digits$} {percentile:.12} {count:>10} {inverse:>14.2}"));
        } else {
            // At 100 % the fourth column would be infinite; readers expect it to be absent.
            line(format_args!("{value:>12.digits$} {percentile:.12} {count:>10}"));
        }
    }

    let mean = histogram.mean() / NS_PER_US;
    let deviation = histogram.stdev() / NS_PER_US;
    let max = histogram.max() as f64 / NS_PER_US;
    let total = histogram.len();
    // The first bucket is linear over all sub-buckets; each further bucket adds half as many entries.
    let buckets = usize::from(histogram.buckets());
    let sub_buckets = histogram.distinct_values() * 2 / (buckets + 1);
    line(format_args!("#[Mean    = {mean:>12.digits$}, StdDeviation   = {deviation:>12.digits$}]"));
    line(format_args!("#[Max     = {max:>12.digits$}, Total count    = {total:>12}]"));
    line(format_args!("#[Buckets = {buckets:>12}, SubBuckets     = {sub_buckets:>12}]"));
    text
}

/// Quantile and value in µs of each row that has at least ten values above it.
///
/// # Errors
/// Names the first line that is not a row.
pub fn points(text: &str) -> Result<Vec<(f64, f64)>, String> {
    let rows: Result<Vec<(f64, f64, f64)>, String> = text
        .lines()
        .enumerate()
        .skip(1)
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(index, line)| {
            let numbers: Vec<f64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
            match numbers.as_slice() {
                [value, quantile, count, ..] => Ok((*quantile, *value, *count)),
                _ => Err(format!("line {} has no value, percentile and count", index + 1)),
            }
        })
        .collect();
    let rows = rows?;
    let total = rows.last().map_or(0.0, |(.., count)| *count);
    let is_supported = |quantile: f64| total * (1.0 - quantile) >= 10.0 * (1.0 - 1e-9);
    Ok(rows.into_iter().filter(|(quantile, ..)| is_supported(*quantile)).map(|(q, value, _)| (q, value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_case_checked_by_hand() {
        let mut latencies = Latencies::new();
        // Below 2048 ns every value has its own bucket, so nothing is rounded.
        for (nanoseconds, count) in [(1000, 2), (1500, 4), (2000, 1)] {
            latencies.record(nanoseconds, count).unwrap();
        }
        let expected = "       Value     Percentile TotalCount 1/(1-Percentile)

       1.000 0.000000000000          2           1.00
       1.000 0.100000000000          2           1.11
       1.000 0.200000000000          2           1.25
       1.500 0.300000000000          6           1.43
       1.500 0.400000000000          6           1.67
       1.500 0.500000000000          6           2.00
       1.500 0.550000000000          6           2.22
       1.500 0.600000000000          6           2.50
       1.500 0.650000000000          6           2.86
       1.500 0.700000000000          6           3.33
       1.500 0.750000000000          6           4.00
       1.500 0.775000000000          6           4.44
       1.500 0.800000000000          6           5.00
       1.500 0.825000000000          6           5.71
       1.500 0.850000000000          6           6.67
       2.000 0.875000000000          7           8.00
       2.000 1.000000000000          7
#[Mean    =        1.429, StdDeviation   =        0.319]
#[Max     =        2.000, Total count    =            7]
#[Buckets =            1, SubBuckets     =         2048]
";
        assert_eq!(text(&latencies), expected);
    }

    /// Each of ten values is reached at its own tenth. Adding 0.1 to 0.2 would skip the third. The expected rows are
    /// those of Java's library.
    #[test]
    fn tenths_of_ten_values() {
        let mut latencies = Latencies::new();
        (1..=10).for_each(|i| latencies.record(i * 100, 1).unwrap());
        let values: Vec<f64> = rows(latencies.histogram()).iter().map(|row| row.value_ns as f64 / 100.0).collect();
        let expected =
            [1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.0, 7.0, 7.0, 8.0, 8.0, 8.0, 9.0, 9.0, 9.0, 9.0, 9.0, 10.0, 10.0];
        assert_eq!(values, expected);
    }

    #[test]
    fn the_rows_can_be_read_back() {
        let mut latencies = Latencies::new();
        (1..=50_000_u64).for_each(|i| latencies.record(i * i, 1).unwrap());
        let text = text(&latencies);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|field| field.parse().unwrap()).collect())
            .collect();
        assert!(rows.len() > 50, "{} rows", rows.len());
        for pair in rows.windows(2) {
            assert!(pair[0][0] <= pair[1][0], "values never fall");
            assert!(pair[0][1] < pair[1][1], "percentiles rise");
            assert!(pair[0][2] <= pair[1][2], "counts never fall");
        }
        let (last, others) = rows.split_last().unwrap();
        assert_eq!((last.len(), last[1], last[2]), (3, 1.0, 50_000.0));
        assert!(others.iter().all(|row| row.len() == 4));
        assert_eq!(text.lines().filter(|line| line.starts_with("#[")).count(), 3);
    }

    #[test]
    fn an_empty_histogram_has_no_rows() {
        let text = text(&Latencies::new());
        assert_eq!(text.lines().count(), 5);
        assert!(!text.contains("NaN"));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut latencies = Latencies::new();
        latencies.record(1_000_000, 990).unwrap();
        latencies.record(2_000_000, 10).unwrap();
        let found = points(&text(&latencies)).unwrap();
        let last = found.last().unwrap();
        assert!(found[0].0 == 0.0 && (found[0].1 - 1000.0).abs() < 1.0, "{found:?}");
        assert!(last.0 < 0.9901 && last.0 > 0.98, "no further than ten values: {last:?}");
        assert_eq!(points("header\n\n 1 0.5\n"), Err("line 3 has no value, percentile and count".to_owned()));
        assert_eq!(points(""), Ok(vec![]));
    }
}
