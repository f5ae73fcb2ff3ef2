//! Turns the output of each load generator into figures. Pure functions from text. Estimates nothing: what a tool does
//! not print is absent.

use loadgen::{Distribution, Record};
use results::histogram::Latencies;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The figures of one run. Times are in ms.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reported {
    /// Requests with the expected answer.
    pub(crate) requests: u64,
    /// Requests that failed in any way the tool knows.
    pub(crate) failed: u64,
    pub(crate) mean_ms: Option<f64>,
    pub(crate) max_ms: Option<f64>,
    /// Quantile (0.99 for p99) and time, in rising order.
    pub(crate) percentiles: Vec<(f64, f64)>,
}

impl Reported {
    /// The time at a quantile that the tool prints.
    pub(crate) fn at(&self, quantile: f64) -> Option<f64> {
        let found = self.percentiles.iter().find(|(known, _)| (known - quantile).abs() < 1e-9);
        found.map(|(_, time_ms)| *time_ms)
    }
}

/// `c10m load --json`. Only its histogram has the p95.
pub(crate) fn c10m(text: &str) -> Option<Reported> {
    let record: Record = serde_json::from_str(text).ok()?;
    let (requests, response) = (&record.requests, &record.response_us);
    let ms = |us: f64| us / 1000.0;
    let mut percentiles: Vec<(f64, f64)> = response.printed().map(|(_, quantile, us)| (quantile, ms(us))).collect();
    let histogram = record.histograms.get(&Distribution::Response).and_then(|text| Latencies::decode(text).ok());
    percentiles.extend(histogram.and_then(|histogram| Some((0.95, ms(histogram.quantile_us(0.95)?)))));
    percentiles.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some(Reported {
        requests: requests.completed,
        failed: requests.without_good_reply(),
        mean_ms: response.mean.map(ms),
        max_ms: response.max.map(ms),
        percentiles,
    })
}

/// `wrk --latency`: one line has the mean and the maximum; the distribution follows below.
pub(crate) fn wrk(text: &str) -> Option<Reported> {
    let latency = words_of(text, "Latency", 4)?;
    let bad = |name: &str| Some(number(after(text, name)?)? as u64);
    let socket_errors = text
        .lines()
        .find(|line| line.contains("Socket errors:"))
        .map_or(0, |line| line.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum());
    Some(Reported {
        requests: number(before(text, " requests in")?)? as u64,
        failed: socket_errors + bad("Non-2xx or 3xx responses:").unwrap_or(0),
        mean_ms: duration_ms(latency[0]),
        max_ms: duration_ms(latency[2]),
        percentiles: rows(text, "Latency Distribution", "%", duration_ms)?,
    })
}

/// `h2load`: minimum, maximum, mean, deviation; no percentiles.
pub(crate) fn h2load(text: &str) -> Option<Reported> {
    let times = words_of(text, "time for request:", 4)?;
    let counts = after(text, "\nrequests:")?;
    Some(Reported {
        requests: number(before(counts, " succeeded")?)? as u64,
        failed: number(before(counts, " failed")?)? as u64,
        mean_ms: duration_ms(times[2]),
        max_ms: duration_ms(times[1]),
        percentiles: Vec::new(),
    })
}

/// `hey`: all times in seconds.
pub(crate) fn hey(text: &str) -> Option<Reported> {
    let seconds = |name: &str| Some(number(after(text, name)?)? * 1000.0);
    // "  [200]<tab>56121 responses", one line for each status.
    let statuses = after(text, "Status code distribution:")?.lines().skip(1);
    let (mut requests, mut failed) = (0, 0);
    for line in statuses.take_while(|line| line.trim_start().starts_with('[')) {
        let (status, rest) = line.trim_start().strip_prefix('[')?.split_once(']')?;
        let count = number(rest)? as u64;
        if status.starts_with('2') { requests += count } else { failed += count }
    }
    let errors = after(text, "Error distribution:").into_iter().flat_map(|errors| errors.lines().skip(1));
    failed +=
        errors.filter_map(|line| line.trim().strip_prefix('[')?.split(']').next()?.parse::<u64>().ok()).sum::<u64>();
    Some(Reported {
        requests,
        failed,
        mean_ms: seconds("Average:"),
        max_ms: seconds("Slowest:"),
        percentiles: rows(text, "Latency distribution:", "% in", |time| Some(number(time)? * 1000.0))?,
    })
}

/// `ab`: whole milliseconds. Its 100 % is the longest request.
pub(crate) fn ab(text: &str) -> Option<Reported> {
    let mut percentiles = rows(text, "Percentage of the requests", "%", number)?;
    let max_ms = percentiles.pop_if(|(quantile, _)| *quantile >= 1.0).map(|(_, time_ms)| time_ms);
    Some(Reported {
        requests: number(after(text, "Complete requests:")?)? as u64,
        failed: number(after(text, "Failed requests:")?)? as u64,
        // "Total:  min  mean[+/-sd] median  max", in this order.
        mean_ms: number(words_of(text, "\nTotal:", 5)?[1]),
        max_ms,
        percentiles,
    })
}

/// `oha --output-format json`: all times in seconds. A request that was cut off at the end is not a failure.
pub(crate) fn oha(text: &str) -> Option<Reported> {
    let record: Value = serde_json::from_str(text).ok()?;
    let count = |object: &Value, wanted: fn(&str) -> bool| {
        let entries = object.as_object().into_iter().flatten();
        entries.filter(|(name, _)| wanted(name)).filter_map(|(_, count)| count.as_u64()).sum::<u64>()
    };
    let ms = |seconds: &Value| seconds.as_f64().map(|seconds| seconds * 1000.0);
    let mut percentiles: Vec<(f64, f64)> = record["latencyPercentiles"]
        .as_object()?
        .iter()
        .filter_map(|(name, time)| Some((name.strip_prefix('p')?.parse::<f64>().ok()? / 100.0, ms(time)?)))
        .collect();
    percentiles.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some(Reported {
        requests: count(&record["statusCodeDistribution"], |status| status.starts_with('2')),
        failed: count(&record["statusCodeDistribution"], |status| !status.starts_with('2'))
            + count(&record["errorDistribution"], |error| error != "aborted due to deadline"),
        mean_ms: ms(&record["summary"]["average"]),
        max_ms: ms(&record["summary"]["slowest"]),
        percentiles,
    })
}

/// `sockperf under-load`: microseconds. It calls half of a round trip latency; the figures here are whole round trips.
pub(crate) fn sockperf(text: &str) -> Option<Reported> {
    let trip_ms = |time: &str| Some(number(time)? * 2.0 / 1000.0);
    let mut percentiles: Vec<(f64, f64)> = text
        .lines()
        .filter_map(|line| line.split_once("---> percentile ")?.1.split_once('='))
        .filter_map(|(percent, time)| Some((number(percent)? / 100.0, trip_ms(time)?)))
        .collect();
    percentiles.sort_by(|a, b| a.0.total_cmp(&b.0));
    let dropped = number(after(text, "dropped messages =")?)?;
    Some(Reported {
        requests: number(before(text, " observations")?)? as u64,
        // Includes those under way when it stops, because it cannot tell them apart.
        failed: dropped as u64,
        mean_ms: trip_ms(after(text, "Summary: Latency is")?),
        max_ms: trip_ms(after(text, "<MAX> observation =")?),
        percentiles,
    })
}

/// What follows the first `word`.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.split_once(word).map(|(_, rest)| rest)
}

/// The last word before the first `word`.
fn before<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.split_once(word)?.0.split_whitespace().next_back()
}

/// The first `count` words after `name`, in its line.
fn words_of<'a>(text: &'a str, name: &str, count: usize) -> Option<Vec<&'a str>> {
    let words: Vec<&str> = after(text, name)?.lines().next()?.split_whitespace().take(count).collect();
    (words.len() == count).then_some(words)
}

/// The first word as a number, without a comma or semicolon that follows it.
fn number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.trim_end_matches([',', ';']).parse().ok()
}

/// The lines directly below `title` that have the form `<percent><mark> <time>`.
fn rows(text: &str, title: &str, mark: &str, time_ms: impl Fn(&str) -> Option<f64>) -> Option<Vec<(f64, f64)>> {
    let row = |line: &str| {
        let (percent, time) = line.trim().split_once(mark)?;
        Some((percent.trim().parse::<f64>().ok()? / 100.0, time_ms(time.split_whitespace().next()?)?))
    };
    let found: Vec<(f64, f64)> = after(text, title)?.lines().skip(1).map_while(row).collect();
    (!found.is_empty()).then_some(found)
}

/// `80us`, `3.50ms`, `1.20s`, `2.00m`.
fn duration_ms(text: &str) -> Option<f64> {
    let unit = text.find(|character: char| character.is_ascii_alphabetic())?;
    let (value, unit) = text.split_at(unit);
    let ms_per_unit = match unit {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return None,
    };
    Some(value.parse::<f64>().ok()? * ms_per_unit)
}

#[cfg(test)]
mod tests;
