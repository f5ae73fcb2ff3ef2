//! Compares a run's report with the closed form of what it should have reported.

use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use super::closed_form::ClosedForm;
use super::options::{SelfTestArrivals, SelfTestOptions};
use super::report::{Attempt, DEVIATION_ACCEPTED, DEVIATION_INVALID, Noise, Quantity, Uncorrected, state_of};
use crate::distribution::Distribution;
use crate::null_server::NullServer;
use crate::record::{Record, State};
use crate::schedule::{Part, Process, Schedule, Stage};
use sys::clock::duration_ns;

/// A quantile is compared when at least this many samples lie above it.
const SAMPLES_ABOVE_MIN: f64 = 10.0;
/// Quantiles are compared relative to at least this share of a stall.
const SCALE_MIN: f64 = 0.2;
/// Share of a stall beyond which a pause of the host may explain a deviation.
const NOISE_SHARE: f64 = 0.01;
/// Share of requests, in addition to the stalled ones, that do not count as outside of stalls: they are hard
/// to distinguish from the first and last ones of a stall.
const EDGE: f64 = 0.02;
const NS_PER_US: f64 = 1000.0;

/// One run of the generator and what the server did meanwhile.
pub(super) struct Measured {
    pub(super) record: Record,
    /// All stalls of the server; below, the times after them until it had caught up.
    stalls: Vec<(u64, u64)>,
    backlogs: Vec<(u64, u64)>,
    window: (u64, u64),
    response: Histogram<u64>,
}

/// Times that have nothing to do with stalls, in ns.
#[derive(Debug, Clone, Copy)]
struct Base {
    /// done − written: median, and mean outside of stalls.
    service: f64,
    service_mean: f64,
    /// written − intended outside of stalls: lateness and the send itself. Within a stall it shortens the
    /// wait for the stall's end by as much as it lengthens the response.
    sending: f64,
    sending_mean: f64,
}

impl Measured {
    pub(super) fn new(record: Record, server: &NullServer, start_ns: u64) -> Measured {
        let window = (start_ns, start_ns.saturating_add(record.duration_us * 1000));
        let response = histogram(&record, Distribution::Response);
        Measured { record, stalls: server.stalls(), backlogs: server.backlogs(), window, response }
    }

    /// Stalls that touch the window.
    fn stalls_inside(&self) -> impl Iterator<Item = &(u64, u64)> {
        self.stalls.iter().filter(|(begin, end)| *begin < self.window.1 && *end > self.window.0)
    }

    /// The share of its time that the server needs for the rate, by its own log: the catching up as a share
    /// of stall plus catching up.
    fn utilisation(&self) -> f64 {
        let length = |(begin, end): &(u64, u64)| end.saturating_sub(*begin) as f64;
        let behind = |(_, end): &(u64, u64)| self.backlogs.iter().find(|(begin, _)| begin == end).map(length);
        let (stalled, behind) = self
            .stalls_inside()
            .filter_map(|stall| Some((length(stall), behind(stall)?)))
            .fold((0.0, 0.0), |sums, (stalled, behind)| (sums.0 + stalled, sums.1 + behind));
        if stalled > 0.0 { behind / (stalled + behind) } else { 0.0 }
    }
}

/// A histogram of the record; empty if it cannot be read, and then the comparison fails.
fn histogram(record: &Record, distribution: Distribution) -> Histogram<u64> {
    let bytes = record
        .histograms
        .get(&distribution)
        .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
    let read = bytes.and_then(|bytes| Deserializer::new().deserialize(&mut bytes.as_slice()).ok());
    read.unwrap_or_else(|| Histogram::new(3).expect("three digits are within the allowed one to five"))
}

/// Puts both runs of an attempt together.
pub(super) fn attempt(options: &SelfTestOptions, open: &Measured, closed: &Measured) -> Attempt {
    let stall_ns = duration_ns(options.stall) as f64;
    let utilisation = open.utilisation();
    let arrivals = poisson_arrivals(options, open.window);
    let form = match &arrivals {
        Some(arrivals) => ClosedForm::of_arrivals(&open.stalls, arrivals, open.window, utilisation),
        None => ClosedForm::of(&open.stalls, open.window, utilisation),
    };
    let base = base(&open.record, 1.0 - form.share_above(0.0));
    let quantities = quantities(&open.response, &form, base, stall_ns);
    let uncorrected = uncorrected(closed, stall_ns);
    let lengths: Vec<f64> = open.stalls_inside().map(|(begin, end)| (end - begin) as f64).collect();
    let mut objections = objections(&open.record);
    if lengths.len() != options.periods as usize {
        objections.push(format!("{} stalls instead of {}", lengths.len(), options.periods));
    }
    let planned = arrivals.map_or(open.record.requests.scheduled, |arrivals| arrivals.len() as u64);
    // Each worker ends its window by its own clock.
    if planned.abs_diff(open.record.requests.scheduled) > u64::from(options.threads) {
        objections.push(format!("{} requests instead of the {planned} of the seed", open.record.requests.scheduled));
    }
    // With too few connections a tenth of the requests would wait; a pause of the host affects fewer.
    if let Some(waited_us) = open.record.back_pressure_us.p99.filter(|us| us * NS_PER_US > stall_ns * NOISE_SHARE) {
        objections.push(format!("one request in a hundred waited {waited_us:.0} us or longer for a connection"));
    }
    if open.window.0 == u64::MAX {
        objections.push("the beginning of the window is unknown".into());
    }
    if !uncorrected.is_rejected {
        objections.push("uncorrected times pass as well".into());
    }
    let deviation_max = worst(&quantities);
    let state = if objections.is_empty() { state_of(deviation_max) } else { State::Invalid };
    Attempt {
        state,
        is_accepted: state == State::Valid && deviation_max <= DEVIATION_ACCEPTED,
        deviation_max,
        requests: open.record.requests.scheduled,
        stalls: lengths.len() as u64,
        stall_us_min: lengths.iter().copied().reduce(f64::min).unwrap_or(0.0) / NS_PER_US,
        stall_us_max: lengths.iter().copied().reduce(f64::max).unwrap_or(0.0) / NS_PER_US,
        base_service_us: base.service / NS_PER_US,
        base_sending_us: base.sending / NS_PER_US,
        drain_us_per_request: utilisation / options.rate() * 1e6,
        utilisation,
        quantities,
        uncorrected,
        noise: noise(open, &lengths, stall_ns),
        objections,
    }
}

/// When the seed lets Poisson arrivals fall into the window. Their waits are known exactly, and those of evenly
/// spread ones only on average: with 2,000 of them in stalls, the mean would be off by 2.6 % in one test of three.
fn poisson_arrivals(options: &SelfTestOptions, window: (u64, u64)) -> Option<Vec<u64>> {
    if options.arrivals != SelfTestArrivals::Poisson || window.0 >= window.1 {
        return None;
    }
    let stage = Stage { rate: options.rate(), duration: options.every * options.periods };
    let schedule = Schedule {
        process: Process::Poisson,
        stages: vec![stage],
        burst: 1,
        seed: options.seed,
        workers: options.threads,
    };
    let of = |worker| {
        let mut arrivals = schedule.arrivals(worker, Part::Window, window.0);
        std::iter::from_fn(move || {
            let next_ns = arrivals.next_ns();
            arrivals.advance();
            (next_ns < window.1).then_some(next_ns)
        })
    };
    Some((0..options.threads).flat_map(of).collect())
}

/// The times of the `outside` share of requests that meet no stall.
fn base(record: &Record, outside: f64) -> Base {
    let [service, lateness, back_pressure] =
        [Distribution::Service, Distribution::Lateness, Distribution::BackPressure].map(|each| histogram(record, each));
    let median = |histogram: &Histogram<u64>| histogram.value_at_quantile(0.5) as f64;
    Base {
        service: median(&service),
        service_mean: mean_of_lowest(&service, outside - EDGE),
        sending: median(&lateness) + median(&back_pressure),
        sending_mean: lateness.mean() + back_pressure.mean(),
    }
}

/// The mean of the lowest `share` of all values; 0 when that is none.
fn mean_of_lowest(histogram: &Histogram<u64>, share: f64) -> f64 {
    let wanted = (histogram.len() as f64 * share.clamp(0.0, 1.0)) as u64;
    let (mut sum, mut left) = (0.0, wanted);
    for step in histogram.iter_recorded() {
        let count = step.count_at_value().min(left);
        sum += histogram.median_equivalent(step.value_iterated_to()) as f64 * count as f64;
        left -= count;
    }
    if wanted == 0 { 0.0 } else { sum / wanted as f64 }
}

/// The comparison for a closed loop: its response time is the service time, without correction.
fn uncorrected(closed: &Measured, stall_ns: f64) -> Uncorrected {
    let form = ClosedForm::of(&closed.stalls, closed.window, 0.0);
    let service = closed.response.value_at_quantile(0.5) as f64;
    let quantities = quantities(
        &closed.response,
        &form,
        Base { service, service_mean: service, sending: 0.0, sending_mean: 0.0 },
        stall_ns,
    );
    let deviation_max = worst(&quantities);
    Uncorrected {
        requests: closed.record.requests.scheduled,
        deviation_max,
        is_rejected: deviation_max > DEVIATION_INVALID,
        quantities,
    }
}

/// The greatest deviation; without any quantity, nothing is proved.
fn worst(quantities: &[Quantity]) -> f64 {
    quantities.iter().map(|quantity| quantity.deviation).reduce(f64::max).unwrap_or(f64::MAX)
}

/// Everything the number of samples allows to compare.
fn quantities(response: &Histogram<u64>, form: &ClosedForm, base: Base, stall_ns: f64) -> Vec<Quantity> {
    let count = response.len() as f64;
    let quantity = |name: &str, unit: &str, expected: f64, observed: f64, scale_min: f64| Quantity {
        name: name.into(),
        unit: unit.into(),
        expected,
        observed,
        deviation: (observed - expected).abs() / expected.max(scale_min),
    };
    let time = |name: &str, expected: f64, observed: f64, scale_min: f64| {
        quantity(name, "us", expected / NS_PER_US, observed / NS_PER_US, scale_min / NS_PER_US)
    };
    let mut found = Vec::new();
    if response.is_empty() {
        return found;
    }
    for (name, p) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)] {
        // Rounded up a little: 10,000 × (1 − 0.999) is less than 10 in binary.
        if count * (1.0 - p) + 1e-6 < SAMPLES_ABOVE_MIN {
            continue;
        }
        let wait = form.quantile_ns(p);
        let expected = wait + base.service + if wait > 0.0 { 0.0 } else { base.sending };
        found.push(time(name, expected, response.value_at_quantile(p) as f64, stall_ns * SCALE_MIN));
    }
    found.push(time("max", form.max_ns() + base.service, response.max() as f64, stall_ns * SCALE_MIN));
    let outside = 1.0 - form.share_above(0.0);
    let mean = form.mean_ns() + base.service_mean + base.sending_mean * outside;
    found.push(time("mean", mean, response.mean(), 0.0));
    let half_ns = stall_ns / 2.0;
    let above = response.len() - response.count_between(0, half_ns as u64);
    let expected = form.share_above((half_ns - base.service).max(0.0));
    found.push(quantity("share over half a stall", "share", expected, above as f64 / count, f64::MIN_POSITIVE));
    found
}

fn noise(open: &Measured, lengths: &[f64], stall_ns: f64) -> Noise {
    let hiccup_ns = open.record.hiccups.max_us.unwrap_or(0.0) * NS_PER_US;
    let lateness_us_max = open.record.lateness_us.max.unwrap_or(0.0);
    let off_ns = lengths.iter().map(|length| (length - stall_ns).abs()).fold(0.0, f64::max);
    let limit_ns = stall_ns * NOISE_SHARE;
    Noise {
        is_noisy: [hiccup_ns, lateness_us_max * NS_PER_US, off_ns].iter().any(|ns| *ns > limit_ns),
        hiccup_us_max: hiccup_ns / NS_PER_US,
        lateness_us_max,
        stall_us_off_max: off_ns / NS_PER_US,
    }
}

/// Whether a run counted correctly and completely; what is wrong otherwise.
fn objections(record: &Record) -> Vec<String> {
    let mut found = Vec::new();
    let requests = &record.requests;
    let lost = requests.failed + requests.timed_out + requests.censored + requests.unsent;
    if record.interrupted {
        found.push("interrupted".to_owned());
    }
    if lost > 0 || requests.completed == 0 {
        found.push(format!("{lost} of {} requests have no good reply", requests.scheduled));
    }
    if record.clamped > 0 {
        found.push(format!("{} times were clamped", record.clamped));
    }
    found
}

#[cfg(test)]
mod tests;
