//! Service levels: limits that a run is held to, such as `p99<5ms,error<0.1%,rps>1000`. Parses and compares
//! them; whether the numbers can be trusted is up to the verdict.

use crate::LoadError;
use crate::record::{RequestCounts, SAMPLES_ABOVE_MIN, SloClause, SloOutcome, Summary, samples_above};
use std::fmt;

/// What a clause may look like, for messages.
const FORM: &str = "write for example p99<5ms, error<0.1% or rps>1000: a metric (p50, p90, p99, p99.9, p99.99, max, mean \
                    with ns, us, ms or s; error with %; rps without a unit), one of < <= > >=, and a number";

/// A list of clauses, all of which must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    clauses: Vec<Clause>,
}

/// One limit.
#[derive(Debug, Clone, PartialEq)]
struct Clause {
    /// As written, without blanks.
    text: String,
    metric: Metric,
    relation: Relation,
    /// In µs, % or requests per second.
    limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metric {
    /// An index into [`Summary::quantiles`].
    Quantile(usize),
    Max,
    Mean,
    Error,
    RequestsPerSecond,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Below,
    AtMost,
    Above,
    AtLeast,
}

const METRICS: [(&str, Metric); 9] = [
    ("p50", Metric::Quantile(0)),
    ("p90", Metric::Quantile(1)),
    ("p99", Metric::Quantile(2)),
    ("p99.9", Metric::Quantile(3)),
    ("p99.99", Metric::Quantile(4)),
    ("max", Metric::Max),
    ("mean", Metric::Mean),
    ("error", Metric::Error),
    ("rps", Metric::RequestsPerSecond),
];

/// Units of time in µs. The sign of micro exists twice in Unicode; keyboards have both.
const TIME_UNITS: [(&str, f64); 6] =
    [("ns", 1e-3), ("us", 1.0), ("\u{b5}s", 1.0), ("\u{3bc}s", 1.0), ("ms", 1e3), ("s", 1e6)];

/// The measurements that a service level is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'a> {
    /// Response times.
    pub response: &'a Summary,
    /// Requests of the window.
    pub requests: &'a RequestCounts,
    /// Good replies received per second of the window; absent for one that is too short.
    pub achieved_per_second: Option<f64>,
    /// Whether the queue for a connection was growing in the window.
    pub is_queue_growing: bool,
    /// Fields of `response` that are mostly the generator's own lateness.
    pub generators_own: &'a [String],
}

impl Slo {
    /// Reads clauses separated by commas.
    ///
    /// # Errors
    /// [`LoadError::Usage`] naming the invalid clause.
    pub fn parse(text: &str) -> Result<Slo, LoadError> {
        text.split(',').map(Clause::parse).collect::<Result<_, _>>().map(|clauses| Slo { clauses })
    }

    /// Judges a run by every clause.
    pub fn judge(&self, measured: &Measured<'_>) -> SloOutcome {
        let clauses: Vec<SloClause> = self.clauses.iter().map(|clause| clause.judge(measured)).collect();
        SloOutcome { held: clauses.iter().all(|clause| clause.held), clauses }
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, clause) in self.clauses.iter().enumerate() {
            write!(formatter, "{}{}", if index > 0 { "," } else { "" }, clause.text)?;
        }
        Ok(())
    }
}

impl Metric {
    /// The field of the response time that it is; absent for what V2 does not name.
    fn field(self) -> Option<&'static str> {
        match self {
            Metric::Quantile(index) => Some(Summary::default().quantiles()[index].0),
            Metric::Max => Some("max"),
            Metric::Mean | Metric::Error | Metric::RequestsPerSecond => None,
        }
    }
}

impl Clause {
    fn parse(text: &str) -> Result<Clause, LoadError> {
        let bad = |what: &str| LoadError::Usage(format!("--slo clause {:?}: {what}; {FORM}", text.trim()));
        let compact: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
        let Some((name, rest)) = compact.find(['<', '>']).map(|at| compact.split_at(at)) else {
            return Err(bad("it has no comparison"));
        };
        let known = METRICS.iter().find(|(metric, _)| *metric == name);
        let &(_, metric) = known.ok_or_else(|| bad("it does not begin with a metric"))?;
        let relations =
            [("<=", Relation::AtMost), (">=", Relation::AtLeast), ("<", Relation::Below), (">", Relation::Above)];
        let found = relations.iter().find_map(|(sign, relation)| Some((relation, rest.strip_prefix(sign)?)));
        let (&relation, amount) = found.ok_or_else(|| bad("it has no comparison"))?;
        let digits = amount.trim_end_matches(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let unit = &amount[digits.len()..];
        let number = digits.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        let number = number.ok_or_else(|| bad("it does not end in a number and its unit"))?;
        let scale = match metric {
            Metric::Error => (unit == "%").then_some(1.0).ok_or_else(|| bad("errors are limited in %"))?,
            // As rates are written everywhere.
            Metric::RequestsPerSecond => match unit {
                "" => 1.0,
                "k" | "K" => 1e3,
                "M" => 1e6,
                "G" => 1e9,
                _ => return Err(bad("rps takes no unit but k, M or G")),
            },
            _ => {
                let known = TIME_UNITS.iter().find(|(name, _)| *name == unit);
                known.ok_or_else(|| bad("a time needs one of the units ns, us, ms, s"))?.1
            }
        };
        if metric == Metric::Error && number > 100.0 {
            return Err(bad("a share is at most 100 %"));
        }
        Ok(Clause { text: compact, metric, relation, limit: number * scale })
    }

    fn judge(&self, measured: &Measured<'_>) -> SloClause {
        let requests = measured.requests;
        let unknown = requests.without_good_reply();
        let response = measured.response;
        let nothing = "no response time was recorded";
        let (value, unit, missing) = match self.metric {
            Metric::Quantile(index) => {
                let (_, p, value) = response.quantiles()[index];
                (value, "us", why_absent(response.count, p, unknown))
            }
            Metric::Max => (response.max, "us", nothing.into()),
            Metric::Mean => (response.mean, "us", nothing.into()),
            Metric::Error => {
                let share = unknown as f64 / requests.scheduled as f64 * 100.0;
                ((requests.scheduled > 0).then_some(share), "%", "no request was scheduled".into())
            }
            Metric::RequestsPerSecond => {
                (measured.achieved_per_second, "requests/s", "the window was too short for a rate".into())
            }
        };
        let outcome =
            |held, why| SloClause { clause: self.text.clone(), measured: value, unit: unit.to_owned(), held, why };
        let Some(value) = value else { return outcome(false, missing) };
        let is_within = self.relation.holds(value, self.limit);
        let is_bound = unknown > 0 && matches!(self.metric, Metric::Max | Metric::Mean);
        let is_limit = matches!(self.relation, Relation::Below | Relation::AtMost);
        if is_bound && is_within && is_limit {
            let why = format!("{unknown} requests had no good reply, so this is only the least that it may be");
            return outcome(false, why);
        }
        let is_time = !matches!(self.metric, Metric::Error | Metric::RequestsPerSecond);
        if measured.is_queue_growing && is_time && is_within && is_limit {
            let why = "the target did not keep up with the rate: the longer the run, the longer the response times";
            return outcome(false, why.to_owned());
        }
        let is_own = measured.generators_own.iter().any(|own| Some(own.as_str()) == self.metric.field());
        if is_own && !is_within {
            let why = "mostly the generator's own lateness (V2), so this says nothing about the target";
            return outcome(false, why.to_owned());
        }
        outcome(is_within, self.doubt(response).unwrap_or_default())
    }

    /// A note if chance alone could have changed the outcome.
    fn doubt(&self, response: &Summary) -> Option<String> {
        let Metric::Quantile(index) = self.metric else { return None };
        let [lower, upper] = *response.ci95.get(response.quantiles()[index].0)?;
        let is_open = lower.is_some_and(|lower| lower < self.limit) && upper.is_none_or(|upper| upper > self.limit);
        let upper = upper.map_or_else(|| "unknown".to_owned(), |upper| format!("{upper:.1}"));
        is_open.then(|| {
            let lower = lower.unwrap_or_default();
            format!("the limit lies within the 95 % interval, {lower:.1} to {upper} us: run longer to be sure")
        })
    }
}

/// Why a quantile has no value.
fn why_absent(count: u64, p: f64, unknown: u64) -> String {
    if samples_above(count, p) < SAMPLES_ABOVE_MIN {
        let needed = (SAMPLES_ABOVE_MIN / (1.0 - p)).round();
        return format!("it needs {needed:.0} samples, there were {count}: run longer");
    }
    format!("it falls among the {unknown} requests without a good reply")
}

impl Relation {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Relation::Below => value < limit,
            Relation::AtMost => value <= limit,
            Relation::Above => value > limit,
            Relation::AtLeast => value >= limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_read_in_any_unit() {
        for (text, metric, relation, limit) in [
            ("p99<5ms", Metric::Quantile(2), Relation::Below, 5000.0),
            (" p99.9 <= 250 us ", Metric::Quantile(3), Relation::AtMost, 250.0),
            ("p99.99<250µs", Metric::Quantile(4), Relation::Below, 250.0),
            ("p50<\u{a0}1.5\u{3bc}s", Metric::Quantile(0), Relation::Below, 1.5),
            ("p90<500ns", Metric::Quantile(1), Relation::Below, 0.5),
            ("max<1s", Metric::Max, Relation::Below, 1e6),
            ("mean>=.5ms", Metric::Mean, Relation::AtLeast, 500.0),
            ("error<0.1%", Metric::Error, Relation::Below, 0.1),
            ("rps>1000", Metric::RequestsPerSecond, Relation::Above, 1000.0),
            ("rps>=2.5k", Metric::RequestsPerSecond, Relation::AtLeast, 2500.0),
            ("rps>1e6", Metric::RequestsPerSecond, Relation::Above, 1e6),
            ("rps>1M", Metric::RequestsPerSecond, Relation::Above, 1e6),
        ] {
            let slo = Slo::parse(text).unwrap();
            let clause = &slo.clauses[0];
            assert_eq!((clause.metric, clause.relation), (metric, relation), "{text}");
            assert!((clause.limit - limit).abs() < 1e-9, "{text}: {}", clause.limit);
        }
        assert_eq!(Slo::parse("p99 < 5 ms, error<0.1%,rps>1000").unwrap().to_string(), "p99<5ms,error<0.1%,rps>1000");
    }

    #[test]
    fn what_is_no_clause_is_named() {
        for (text, named) in [
            ("", "\"\""),
            ("p99", "no comparison"),
            ("p99=5ms", "no comparison"),
            ("p98<5ms", "metric"),
            ("p99<5ms,,rps>1", "\"\""),
            ("p99<", "number"),
            ("p99<ms", "number"),
            ("p99<-1ms", "number"),
            ("p99<1e999ms", "number"),
            ("p99<1.2.3ms", "number"),
            ("p99<5", "ns, us, ms, s"),
            ("p99<5min", "ns, us, ms, s"),
            ("p99<<5ms", "number"),
            ("error<0.1", "%"),
            ("error<101%", "100 %"),
            ("rps>1000ms", "no unit"),
            ("p99<5ms,rps>1kB", "\"rps>1kB\""),
        ] {
            let error = Slo::parse(text).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{text}");
            let message = error.to_string();
            assert!(message.contains(named) && message.contains("p99<5ms"), "{text}: {message}");
        }
    }

    fn judge(text: &str, unknown: u64) -> SloOutcome {
        judge_queue(text, unknown, false)
    }

    fn judge_queue(text: &str, unknown: u64, is_queue_growing: bool) -> SloOutcome {
        let requests = RequestCounts {
            scheduled: 10_000,
            failed: unknown / 2,
            censored: unknown.div_ceil(2),
            ..RequestCounts::default()
        };
        let response = Summary {
            count: 9_995,
            p50: Some(1000.0),
            p99: Some(4000.0),
            max: Some(9000.0),
            mean: Some(1200.0),
            ci95: [("p50".to_owned(), [Some(990.0), Some(1010.0)]), ("p99".to_owned(), [Some(3800.0), None])].into(),
            ..Summary::default()
        };
        let achieved_per_second = Some(1000.0);
        let measured = Measured {
            response: &response,
            requests: &requests,
            achieved_per_second,
            is_queue_growing,
            generators_own: &["p99".to_owned(), "max".to_owned()],
        };
        Slo::parse(text).unwrap().judge(&measured)
    }

    #[test]
    fn a_breach_by_the_generators_own_lateness_says_so() {
        for (text, held, is_said) in [
            ("p99<3ms", false, true),
            ("max<=8ms", false, true),
            ("max<=9.1ms", true, false),
            ("p50<900us", false, false),
            ("mean<1ms", false, false),
        ] {
            let outcome = judge(text, 0);
            let why = &outcome.clauses[0].why;
            assert_eq!((outcome.held, why.contains("the generator's own lateness")), (held, is_said), "{text}: {why}");
        }
    }

    #[test]
    fn each_metric_is_held_to_its_limit() {
        for (text, unknown, held, measured, unit, why) in [
            ("p50<2ms", 0, true, Some(1000.0), "us", ""),
            ("p50<1ms", 0, false, Some(1000.0), "us", "within the 95 % interval"),
            ("p50<=1ms", 0, true, Some(1000.0), "us", "within the 95 % interval"),
            ("p50>1ms", 0, false, Some(1000.0), "us", "within the 95 % interval"),
            ("p50>=980us", 0, true, Some(1000.0), "us", ""),
            ("p99<3ms", 0, false, Some(4000.0), "us", "the generator's own lateness"),
            // Its upper end is unknown, so it may be anything.
            ("p99<5ms", 0, true, Some(4000.0), "us", "to unknown us"),
            ("p99.9<1s", 0, false, None, "us", "it needs 10000 samples, there were 9995"),
            ("p90<1s", 3000, false, None, "us", "among the 3000 requests"),
            ("max<9.1ms", 0, true, Some(9000.0), "us", ""),
            ("max<9.1ms", 1, false, Some(9000.0), "us", "1 requests had no good reply"),
            ("max>8ms", 1, true, Some(9000.0), "us", ""),
            ("mean<=1ms", 1, false, Some(1200.0), "us", ""),
            ("error<0.1%", 5, true, Some(0.05), "%", ""),
            ("error<0.1%", 10, false, Some(0.1), "%", ""),
            ("error<=0.1%", 10, true, Some(0.1), "%", ""),
            ("rps>999", 0, true, Some(1000.0), "requests/s", ""),
            ("rps>1000", 0, false, Some(1000.0), "requests/s", ""),
        ] {
            let outcome = judge(text, unknown);
            let clause = &outcome.clauses[0];
            assert_eq!((outcome.held, clause.held, clause.unit.as_str()), (held, held, unit), "{text}");
            let is_near = match (clause.measured, measured) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
                (found, expected) => found == expected,
            };
            assert!(is_near, "{text}: {:?}", clause.measured);
            assert!(clause.why.contains(why) && clause.why.is_empty() == why.is_empty(), "{text}: {}", clause.why);
        }
    }

    /// With a growing queue, response times depend on the length of the run, and a longer run breaks any limit.
    #[test]
    fn no_limit_on_times_holds_while_the_queue_grows() {
        for (text, held, why) in [
            ("p50<2ms", false, "did not keep up"),
            ("p50<1ms", false, "95 %"),
            ("max<=9.1ms", false, "did not keep up"),
            ("p50>980us", true, ""),
            ("rps>999", true, ""),
            ("error<0.1%", true, ""),
        ] {
            let outcome = judge_queue(text, 0, true);
            assert_eq!(outcome.held, held, "{text}");
            assert!(outcome.clauses[0].why.contains(why), "{outcome:?}");
        }
    }

    #[test]
    fn one_broken_clause_breaks_the_level() {
        let outcome = judge("p50<2ms,rps>5000", 0);
        assert!(!outcome.held && outcome.clauses[0].held && !outcome.clauses[1].held);
        let back: SloOutcome = serde_json::from_str(&serde_json::to_string(&outcome).unwrap()).unwrap();
        assert_eq!(back, outcome);
    }

    #[test]
    fn a_run_without_requests_meets_nothing() {
        let nothing = Measured {
            response: &Summary::default(),
            requests: &RequestCounts::default(),
            achieved_per_second: None,
            is_queue_growing: false,
            generators_own: &[],
        };
        let outcome = Slo::parse("p50<1s,max<1s,error<1%,rps>0").unwrap().judge(&nothing);
        assert!(outcome.clauses.iter().all(|clause| !clause.held), "{outcome:?}");
    }
}
