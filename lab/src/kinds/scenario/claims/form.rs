//! What the generators should have reported: the closed form over the stalls that actually took place.

use loadgen::self_test::ClosedForm;
use results::stats::median;

use crate::kinds::scenario::claims::record::{Figures, Record, RunRecord, Stalls};

/// How a server stalls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stalling {
    pub(crate) length_ms: u32,
    pub(crate) every_ms: u32,
}

/// The truth about a server that stalls.
pub(crate) struct Truth {
    pub(crate) stalls: Stalls,
    pub(crate) figures: Figures,
    /// Service time outside of stalls. Every wait adds to it.
    pub(crate) base_ms: f64,
    form: ClosedForm,
}

impl Truth {
    /// The response time at a quantile, in ms.
    pub(crate) fn at(&self, quantile: f64) -> f64 {
        self.form.quantile_ns(quantile) / 1e6 + self.base_ms
    }
}

/// The truth from the planned and actual stalls of all runs, and from the median service times of a generator whose
/// median lies outside of stalls.
///
/// # Errors
/// When there was no stall at all.
pub(crate) fn of<'a>(
    runs: impl Iterator<Item = &'a RunRecord>,
    plan: Stalling,
    service_medians_ms: &[f64],
) -> anyhow::Result<Truth> {
    let lengths_ms: Vec<f64> = runs.flat_map(|run| run.stalls_ms.iter().copied()).collect();
    if lengths_ms.is_empty() {
        anyhow::bail!("the server never stalled: the runs were too short");
    }
    // If no generator reports a service time, assume a server that takes no time at all.
    Ok(from(&lengths_ms, plan, median(service_medians_ms).unwrap_or(0.0)))
}

/// The same truth, from a record.
pub(crate) fn of_record(record: &Record) -> Truth {
    let lengths_ms: Vec<f64> =
        record.arms.iter().flat_map(|arm| &arm.runs).flat_map(|run| run.stalls_ms.iter().copied()).collect();
    let plan = Stalling {
        length_ms: record.stalls.planned_ms.round() as u32,
        every_ms: record.stalls.every_ms.round() as u32,
    };
    from(&lengths_ms, plan, record.base_ms)
}

fn from(lengths_ms: &[f64], plan: Stalling, base_ms: f64) -> Truth {
    let ns = |ms: f64| (ms * 1e6) as u64;
    let lengths_ns: Vec<u64> = lengths_ms.iter().map(|length| ns(*length)).collect();
    let form = ClosedForm::periodic(&lengths_ns, ns(f64::from(plan.every_ms)));
    let extreme = |pick: fn(f64, f64) -> f64| lengths_ms.iter().copied().reduce(pick).unwrap_or(0.0);
    let at = |quantile| Some(form.quantile_ns(quantile) / 1e6 + base_ms);
    Truth {
        stalls: Stalls {
            planned_ms: f64::from(plan.length_ms),
            every_ms: f64::from(plan.every_ms),
            count: lengths_ms.len() as u64,
            min_ms: extreme(f64::min),
            mean_ms: lengths_ms.iter().sum::<f64>() / lengths_ms.len().max(1) as f64,
            max_ms: extreme(f64::max),
        },
        figures: Figures {
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            p99_9_ms: at(0.999),
            // The longest wait of a typical run: a single disturbed stall must not stand for every run.
            max_ms: median(lengths_ms).map(|length| length + base_ms),
            mean_ms: Some(form.mean_ns() / 1e6 + base_ms),
        },
        base_ms,
        form,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classic_case() {
        let truth = from(&[100.0; 30], Stalling { length_ms: 100, every_ms: 1000 }, 0.05);
        let figures = truth.figures;
        let close = |found: Option<f64>, expected: f64| {
            assert!(found.is_some_and(|found| (found - expected).abs() < 1e-3), "{found:?} instead of {expected}");
        };
        close(figures.p50_ms, 0.05);
        close(figures.p90_ms, 0.05);
        close(figures.p95_ms, 50.05);
        close(figures.p99_ms, 90.05);
        close(figures.p99_9_ms, 99.05);
        close(figures.max_ms, 100.05);
        close(figures.mean_ms, 5.05);
        close(Some(truth.at(0.95)), 50.05);
        assert_eq!((truth.stalls.count, truth.stalls.mean_ms), (30, 100.0));
    }
}
