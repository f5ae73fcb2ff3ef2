//! Measures the starts of one block under one load side by side: all servers stand, and `c10m turns` loads them in turns.
//!
//! Why turns: [`loadgen::turns`]. Only servers of one process each can stand so, because the CPU clock of one process is read.

use anyhow::{Context, bail};
use loadgen::turns::{Record, Turn};
use loadgen::validity::{OWN_SHARE, OWN_SHARE_WARN};
use results::record::{Point, RunOfCell, VerdictState};
use serde_json::json;

use crate::session::places::Places;
use crate::session::process::Process;
use crate::session::stage::Stage;
use crate::subjects::footprint;
use crate::subjects::generators::{reactors, waited_for_others_us};
use crate::subjects::job::{Job, Measured, Raw};
use crate::subjects::load::Load;
use crate::subjects::servers::ended::Ended;
use crate::subjects::servers::running::Running;

/// How the load goes from one server to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Rounds without a disturbance.
    pub(crate) rounds: u32,
    /// Length of the window of a turn in ms.
    pub(crate) window_ms: u64,
}

/// The shorter the turns, the less the machine changes from one to the next.
const BRISK: Pace = Pace { rounds: 8, window_ms: 25 };
/// Around each window all connections are brought under load and rid of it again: 80 ms and more with 10,000 of them, or
/// with a thousand that come and go. With windows much shorter than that, most of the time would go there.
const CALM: Pace = Pace { rounds: 4, window_ms: 100 };
/// Connections that stay, up to which turns are brisk.
const BRISK_CONNECTIONS_MAX: u32 = 2000;

/// Share of the requests that came due in windows, from which on a rate counts as reached, and below which it does not.
const REACHED_WARN: f64 = 0.97;
const REACHED_MIN: f64 = 0.9;

impl Pace {
    /// That of a load, the same in every run.
    pub(crate) fn of(load: &Load) -> Pace {
        if load.is_churn() || load.connections > BRISK_CONNECTIONS_MAX { CALM } else { BRISK }
    }
}

/// Starts all servers, takes the turns, ends the servers, and puts the accounts together: one result for each job, in their
/// order. The jobs have one load.
pub(crate) fn measure(jobs: &[Job], stage: &Stage<'_>) -> anyhow::Result<Vec<Measured>> {
    let start = |job: &Job| {
        let cpus = vec![stage.places.server; reactors(job)];
        let server = Running::start(stage.host, job.server, job.load.workload, &cpus, job.handicap_ns)?;
        if server.workers().len() != 1 {
            bail!("{} has {} processes, and turns watch one", job.server.name(), server.workers().len());
        }
        Ok(server)
    };
    let servers: Vec<Running> = jobs.iter().map(start).collect::<anyhow::Result<_>>()?;
    let first = jobs.first().context("no server to measure")?;
    let mut process = Process::start_self(stage.host, &arguments(first, &stage.places, &servers))?;
    process.wait_for_output(&stage.stop)?;
    let record: Record = process.read("record of turns")?;
    let (_, code) = process.finish()?;
    if code != 0 {
        bail!("the turns ended with {code}");
    }
    let mut measured = Vec::new();
    for (target, (job, server)) in jobs.iter().zip(servers).enumerate() {
        let served = server.served()?;
        measured.push(one(&record, target, job, served, server.finish()?)?);
    }
    Ok(measured)
}

fn arguments(job: &Job, places: &Places, servers: &[Running]) -> Vec<String> {
    let load = &job.load;
    let Pace { rounds, window_ms } = Pace::of(load);
    let mut arguments: Vec<String> = [
        "turns",
        load.workload.name(),
        "--connections",
        &load.connections.to_string(),
        "--pipeline",
        &load.pipeline.to_string(),
        "--rounds",
        &rounds.to_string(),
        "--window",
        &format!("{window_ms}ms"),
        "--seed",
        &job.seed.to_string(),
        "--cpu",
        &places.client.to_string(),
        "--watch-cpus",
        &format!("{},{}", places.server, places.client),
    ]
    .map(str::to_owned)
    .into();
    if let Some(rate) = load.rate {
        arguments.extend(["--rate".to_owned(), rate.to_string()]);
    }
    if load.is_churn() {
        arguments.push("--churn".to_owned());
    }
    for server in servers {
        arguments.extend(["--target".to_owned(), format!("{},{}", server.address(), server.workers()[0])]);
    }
    arguments
}

/// The result of one server.
fn one(record: &Record, target: usize, job: &Job, served: Option<u64>, ended: Ended) -> anyhow::Result<Measured> {
    let whole = record.targets.get(target).context("the turns lack a server")?;
    let is_kept = kept(record, Pace::of(&job.load).rounds);
    let all = || record.turns.iter().filter(|turn| turn.target == target);
    let turns: Vec<&Turn> = all().filter(|turn| is_kept(turn.round)).collect();
    let sum = |of: fn(&Turn) -> u64| turns.iter().map(|turn| of(turn)).sum::<u64>() as f64;
    let (completed, wall_ns) = (sum(|turn| turn.completed), sum(|turn| turn.wall_ns));
    if completed == 0.0 || wall_ns == 0.0 {
        bail!("{} answered nothing in its windows", job.server.name());
    }
    let waited_us: Option<u64> = turns.iter().map(|turn| turn.run_delay_us).sum();
    let waited_us = waited_us.map(|us| waited_for_others_us(us, sum(|turn| turn.run_ns) as u64 / 1000, reactors(job)));
    let report = ended.account.as_ref().map(|exit| &exit.report);
    let totals = report.map(|report| &report.totals);
    let spread = report.filter(|report| report.reactors.len() > 1).and_then(|report| report.spread);
    let per_request = totals.map(|totals| job.opening.per_request(totals)).unwrap_or_default();
    let each = |grown: f64| each(job.load.connections, grown);
    let served = served.or(totals.map(|totals| totals.requests));
    let counts = counts(turns.iter().map(|turn| turn.due).sum(), completed);
    let is_one_account = served.is_none_or(|served| served == whole.replies);
    let times = times(job.load.rate.and(whole.lateness_us_p99), whole.response_us_p99);
    let run = RunOfCell {
        // Its place in the experiment is for the caller to say.
        cell: String::new(),
        block: 0,
        order: 0,
        started_s: 0.0,
        repeated: 0,
        is_disturbed: false,
        stolen_share: stolen_share(record, &is_kept),
        waited_share: waited_us.map(|us| us as f64 * 1000.0 / wall_ns),
        requests_per_second: completed * 1e9 / wall_ns,
        completed: completed as u64,
        // One would have ended the turns.
        errors: 0,
        server_run_us_per_request: Some(sum(|turn| turn.run_ns) / 1000.0 / completed),
        server_user_us_per_request: None,
        server_system_us_per_request: None,
        server_core_us_per_request: None,
        client_cpu_us_per_request: Some(sum(|turn| turn.client_run_ns) / 1000.0 / completed),
        syscalls_per_request: per_request.syscalls,
        enters_per_request: per_request.enters,
        sqes_per_request: per_request.sqes,
        cqes_per_request: per_request.cqes,
        server_bytes_per_connection: whole.process_bytes_grown.and_then(each),
        kernel_bytes_per_connection: whole.kernel_bytes_grown.and_then(each),
        accepts_max_over_mean: spread.map(|spread| spread.accepts_max_over_mean),
        accepts_coefficient_of_variation: spread.map(|spread| spread.accepts_coefficient_of_variation),
        lateness_us_p99: whole.lateness_us_p99,
        response_us_p50: whole.response_us_p50,
        response_us_p90: whole.response_us_p90,
        response_us_p99: whole.response_us_p99,
        replies_whole_run: Some(whole.replies),
        served_whole_run: served,
        counts: if is_one_account { counts } else { VerdictState::Invalid },
        cpu: VerdictState::Valid,
        times,
        objections: objections(counts, times, is_one_account),
        rounds_dropped: Some((0..).zip(&record.rounds).filter(|(round, _)| !is_kept(*round)).count() as u32),
    };
    let raw = Raw { load: json!({ "turns": { "rounds": record.rounds.len() } }), server: ended.printed };
    Ok(Measured {
        run,
        raw,
        responses: Some(whole.responses.clone()),
        points: all().map(|turn| point(turn, is_kept(turn.round))).collect(),
        window_start_unix_ms: Some(record.started_unix_ms),
    })
}

/// What grew, for each connection; `None` with too few of them to tell.
fn each(connections: u32, grown: f64) -> Option<f64> {
    (connections >= footprint::CONNECTIONS_MIN).then(|| grown / f64::from(connections))
}

/// Which rounds count: those without a disturbance, or all if fewer than half as many as were asked for are left.
fn kept(record: &Record, asked: u32) -> impl Fn(u32) -> bool {
    let is_good = |round: usize| record.rounds.get(round).is_some_and(|round| !round.is_disturbed);
    let good = (0..record.rounds.len()).filter(|round| is_good(*round)).count() as u32;
    let takes_all = good * 2 < asked;
    move |round| takes_all || is_good(round as usize)
}

/// What the hypervisor took of the CPU that lost more, in the rounds that count.
fn stolen_share(record: &Record, is_kept: &impl Fn(u32) -> bool) -> Option<f64> {
    let rounds = || (0..).zip(&record.rounds).filter(|(number, _)| is_kept(*number)).map(|(_, round)| round);
    let stolen_us: u64 = rounds().map(|round| round.stolen_us).sum::<Option<u64>>()?;
    Some(stolen_us as f64 / rounds().map(|round| round.wall_us).sum::<u64>().max(1) as f64)
}

/// Whether the servers got the work that the rate asks for, by check V3 of `load`: one that is not reached is another load.
fn counts(due: Option<u64>, completed: f64) -> VerdictState {
    match due.map(|due| completed / due as f64) {
        Some(share) if share < REACHED_MIN => VerdictState::Invalid,
        Some(share) if share < REACHED_WARN => VerdictState::Warn,
        _ => VerdictState::Valid,
    }
}

/// Checks that were not ok: those of times and of the rate, and V7 where server and client count differently.
fn objections(counts: VerdictState, times: VerdictState, is_one_account: bool) -> String {
    let is_ok = |state| state == VerdictState::Valid;
    let checks = [(is_ok(times), "V2"), (is_ok(counts), "V3"), (is_one_account, "V7")];
    checks.into_iter().filter(|(is_ok, _)| !is_ok).map(|(_, check)| check).collect::<Vec<_>>().join(" ")
}

/// Whether the client's own lateness is in the times, by check V2 of `load` at the 99th percentile.
fn times(lateness_us_p99: Option<f64>, response_us_p99: Option<f64>) -> VerdictState {
    match lateness_us_p99.zip(response_us_p99).map(|(late, response)| late / response) {
        Some(share) if share >= OWN_SHARE => VerdictState::Invalid,
        Some(share) if share > OWN_SHARE_WARN => VerdictState::Warn,
        _ => VerdictState::Valid,
    }
}

fn point(turn: &Turn, is_kept: bool) -> Point {
    let counters = [
        ("run_us", turn.run_ns as f64 / 1000.0),
        ("round", f64::from(turn.round)),
        ("counts", f64::from(u8::from(is_kept))),
    ];
    Point {
        start_s: turn.start_us as f64 / 1e6,
        duration_s: turn.wall_ns as f64 / 1e9,
        completed: turn.completed,
        counters: counters.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Point::default()
    }
}

#[cfg(test)]
mod tests {
    use loadgen::turns::Round;

    use super::*;

    fn record(disturbed: usize, all: usize) -> Record {
        let round = |number: usize| {
            let is_disturbed = number < disturbed;
            Round { wall_us: 100_000, stolen_us: Some(if is_disturbed { 20_000 } else { 1000 }), is_disturbed }
        };
        Record { rounds: (0..all).map(round).collect(), ..Record::default() }
    }

    #[test]
    fn with_fewer_rounds_fewer_are_enough() {
        for (disturbed, all, expected) in [(0, 4, 4), (2, 4, 2), (3, 4, 4), (4, 6, 2), (5, 6, 6)] {
            let record = record(disturbed, all);
            let is_kept = kept(&record, CALM.rounds);
            assert_eq!((0..all as u32).filter(|round| is_kept(*round)).count(), expected, "{disturbed} of {all}");
        }
    }

    #[test]
    fn disturbed_rounds_count_only_where_too_few_others_are_left() {
        let kept_of = |record: &Record| {
            let is_kept = kept(record, 8);
            (0..record.rounds.len() as u32).filter(|round| is_kept(*round)).count()
        };
        for (disturbed, all, expected, share) in
            [(0, 8, 8, 0.01), (4, 12, 8, 0.01), (8, 12, 4, 0.01), (9, 12, 12, 0.1525)]
        {
            let record = record(disturbed, all);
            assert_eq!(kept_of(&record), expected, "{disturbed} of {all}");
            let stolen = stolen_share(&record, &kept(&record, 8)).expect("the kernel tells");
            assert!((stolen - share).abs() < 1e-9, "{disturbed} of {all}: {stolen}");
        }
        let mut silent = record(0, 8);
        silent.rounds[3].stolen_us = None;
        assert_eq!(stolen_share(&silent, &kept(&silent, 8)), None, "unknown is not none");
    }

    #[test]
    fn turns_are_longer_where_a_burst_before_them_takes_long() {
        use protocol::Workload::{Echo, Http};
        for (load, expected) in [
            (Load::closed(Echo, 64), BRISK),
            (Load::open(Http, 2000, 20_000.0), BRISK),
            (Load::closed(Http, 2001), CALM),
            (Load::churn(Http, 64), CALM),
        ] {
            assert_eq!(Pace::of(&load), expected, "{}", load.words());
        }
    }

    #[test]
    fn a_rate_that_is_not_reached_spoils_the_counts() {
        use VerdictState::{Invalid, Valid, Warn};
        for (due, completed, expected) in
            [(None, 1.0, Valid), (Some(100), 98.0, Valid), (Some(100), 96.0, Warn), (Some(100), 89.0, Invalid)]
        {
            assert_eq!(counts(due, completed), expected, "{completed} of {due:?}");
        }
        assert_eq!(objections(Valid, Valid, true), "");
        assert_eq!(objections(Invalid, Warn, false), "V2 V3 V7");
    }

    #[test]
    fn a_late_client_spoils_its_times_alone() {
        for (late, expected) in [
            (None, VerdictState::Valid),
            (Some(10.0), VerdictState::Valid),
            (Some(11.0), VerdictState::Warn),
            (Some(50.0), VerdictState::Invalid),
        ] {
            assert_eq!(times(late, Some(100.0)), expected, "{late:?}");
        }
    }
}
