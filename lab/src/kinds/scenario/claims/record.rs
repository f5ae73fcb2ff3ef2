//! The record of what load generators claim, as written to `record.json`. It holds everything needed to believe,
//! repeat or re-render it. What a tool does not print is absent (`null`), never zero.

use results::stats::median;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kinds::scenario::frame::Head;
use crate::subjects::tools::parse::Reported;

/// One run of the scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) head: Head,
    pub(crate) repeats: u32,
    pub(crate) seconds_per_run: u32,
    pub(crate) connections: u32,
    /// Requests per second of the arms that hold a rate.
    pub(crate) rate: u32,
    pub(crate) stalls: Stalls,
    /// The response times of a user who does not wait for other users' replies.
    pub(crate) truth: Figures,
    /// Response time outside of stalls. It is part of the truth.
    pub(crate) base_ms: f64,
    pub(crate) notes: Vec<String>,
    pub(crate) skipped: Vec<String>,
    /// Runs without a result, with the reason.
    pub(crate) failures: Vec<String>,
    pub(crate) arms: Vec<ArmRecord>,
}

/// The stalls of all runs as they took place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Stalls {
    pub(crate) planned_ms: f64,
    pub(crate) every_ms: f64,
    pub(crate) count: u64,
    pub(crate) min_ms: f64,
    pub(crate) mean_ms: f64,
    pub(crate) max_ms: f64,
}

/// One load generator.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ArmRecord {
    pub(crate) name: String,
    #[serde(rename = "loop")]
    pub(crate) load_loop: String,
    pub(crate) is_closed: bool,
    /// What it says that it measures.
    pub(crate) claim: String,
    pub(crate) tool_version: String,
    /// The command, program first. The server's address and the seed are those of the first run.
    pub(crate) command: Vec<String>,
    /// Medians over the runs.
    pub(crate) reported: Figures,
    pub(crate) requests: Option<f64>,
    /// Every percentile it prints, medians over the runs; `[0.99, ms]`.
    pub(crate) percentiles: Vec<(f64, f64)>,
    pub(crate) runs: Vec<RunRecord>,
}

/// One run of a generator.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    pub(crate) repeat: u32,
    /// Position of the run among all runs.
    pub(crate) order: u32,
    pub(crate) reported: Reported,
    /// Requests the server answered.
    pub(crate) served: u64,
    /// Lengths of the server's stalls.
    pub(crate) stalls_ms: Vec<f64>,
    /// The generator's own verdict. Only this project's generator has one.
    pub(crate) verdict: Option<String>,
    /// What it printed.
    pub(crate) raw: Value,
}

/// A finished run, as the journal keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Finished {
    pub(crate) arm: String,
    pub(crate) command: Vec<String>,
    pub(crate) run: RunRecord,
    /// Present only for this project's generator.
    pub(crate) histograms: Option<Histograms>,
}

/// Base64 of the response and service times of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Histograms {
    pub(crate) response: String,
    pub(crate) service: String,
}

/// Response times in ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the unit belongs to the name")]
pub(crate) struct Figures {
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p90_ms: Option<f64>,
    pub(crate) p95_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) p99_9_ms: Option<f64>,
    pub(crate) max_ms: Option<f64>,
    pub(crate) mean_ms: Option<f64>,
}

impl Figures {
    /// The figures of one run.
    pub(crate) fn of(reported: &Reported) -> Figures {
        Figures {
            p50_ms: reported.at(0.5),
            p90_ms: reported.at(0.9),
            p95_ms: reported.at(0.95),
            p99_ms: reported.at(0.99),
            p99_9_ms: reported.at(0.999),
            max_ms: reported.max_ms,
            mean_ms: reported.mean_ms,
        }
    }

    /// The median of each figure over the runs that have it.
    pub(crate) fn medians(runs: &[RunRecord]) -> Figures {
        let all: Vec<Figures> = runs.iter().map(|run| Figures::of(&run.reported)).collect();
        let middle = |pick: fn(&Figures) -> Option<f64>| median(&all.iter().filter_map(pick).collect::<Vec<_>>());
        Figures {
            p50_ms: middle(|figures| figures.p50_ms),
            p90_ms: middle(|figures| figures.p90_ms),
            p95_ms: middle(|figures| figures.p95_ms),
            p99_ms: middle(|figures| figures.p99_ms),
            p99_9_ms: middle(|figures| figures.p99_9_ms),
            max_ms: middle(|figures| figures.max_ms),
            mean_ms: middle(|figures| figures.mean_ms),
        }
    }
}

/// The median of every percentile that all runs print.
pub(crate) fn percentile_medians(runs: &[RunRecord]) -> Vec<(f64, f64)> {
    let Some(first) = runs.first() else { return Vec::new() };
    let common = first.reported.percentiles.iter().filter_map(|(quantile, _)| {
        let values: Option<Vec<f64>> = runs.iter().map(|run| run.reported.at(*quantile)).collect();
        Some((*quantile, median(&values?)?))
    });
    common.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(max_ms: Option<f64>, percentiles: &[(f64, f64)]) -> RunRecord {
        let reported = Reported { max_ms, percentiles: percentiles.to_vec(), ..Reported::default() };
        RunRecord { repeat: 0, order: 0, reported, served: 0, stalls_ms: vec![], verdict: None, raw: Value::Null }
    }

    #[test]
    fn medians_are_taken_figure_by_figure() {
        let runs = [
            run(Some(100.0), &[(0.5, 1.0), (0.99, 9.0)]),
            run(Some(130.0), &[(0.5, 3.0), (0.99, 7.0)]),
            run(None, &[(0.5, 2.0)]),
        ];
        let figures = Figures::medians(&runs);
        assert_eq!((figures.p50_ms, figures.p99_ms, figures.max_ms), (Some(2.0), Some(8.0), Some(115.0)));
        assert_eq!((figures.p90_ms, figures.mean_ms), (None, None));
        assert_eq!(percentile_medians(&runs), [(0.5, 2.0)]);
        assert_eq!(percentile_medians(&[]), []);
    }
}
