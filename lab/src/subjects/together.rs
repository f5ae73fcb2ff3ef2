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
use crate::subjects::job::{Job, Measured, Raw};
use crate::subjects::servers::ended::Ended;
use crate::subjects::servers::running::Running;

/// Rounds without a disturbance.
pub(crate) const ROUNDS: u32 = 8;
/// Length of the window of a turn in ms.
pub(crate) const WINDOW_MS: u64 = 25;

/// Starts all servers, takes the turns, ends the servers, and puts the accounts together: one result for each job, in their
/// order. The jobs have one load.
pub(crate) fn measure(jobs: &[Job], stage: &Stage<'_>) -> anyhow::Result<Vec<Measured>> {
    let start = |job: &Job| {
        let server =
            Running::start(stage.host, job.server, job.load.workload, &[stage.places.server], job.handicap_ns)?;
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
    let mut arguments: Vec<String> = [
        "turns",
        load.workload.name(),
        "--connections",
        &load.connections.to_string(),
        "--pipeline",
        &load.pipeline.to_string(),
        "--rounds",
        &ROUNDS.to_string(),
        "--window",
        &format!("{WINDOW_MS}ms"),
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
    for server in servers {
        arguments.extend(["--target".to_owned(), format!("{},{}", server.address(), server.workers()[0])]);
    }
    arguments
}

/// The result of one server.
fn one(record: &Record, target: usize, job: &Job, served: Option<u64>, ended: Ended) -> anyhow::Result<Measured> {
    let whole = record.targets.get(target).context("the turns lack a server")?;
    let is_kept = kept(record);
    let all = || record.turns.iter().filter(|turn| turn.target == target);
    let turns: Vec<&Turn> = all().filter(|turn| is_kept(turn.round)).collect();
    let sum = |of: fn(&Turn) -> u64| turns.iter().map(|turn| of(turn)).sum::<u64>() as f64;
    let (completed, wall_ns) = (sum(|turn| turn.completed), sum(|turn| turn.wall_ns));
    if completed == 0.0 || wall_ns == 0.0 {
        bail!("{} answered nothing in its windows", job.server.name());
    }
    let windows_ns: u64 = all().map(|turn| turn.wall_ns).sum();
    let report = ended.account.as_ref().map(|exit| &exit.report);
    let totals = report.map(|report| &report.totals);
    let spread = report.filter(|report| report.reactors.len() > 1).and_then(|report| report.spread);
    let per_request = totals.map(|totals| job.opening.per_request(totals)).unwrap_or_default();
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
        waited_share: whole.run_delay_us.map(|us| us as f64 * 1000.0 / windows_ns as f64),
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
        server_bytes_per_connection: None,
        kernel_bytes_per_connection: None,
        accepts_max_over_mean: spread.map(|spread| spread.accepts_max_over_mean),
        accepts_coefficient_of_variation: spread.map(|spread| spread.accepts_coefficient_of_variation),
        lateness_us_p99: whole.lateness_us_p99,
        response_us_p50: whole.response_us_p50,
        response_us_p90: whole.response_us_p90,
        response_us_p99: whole.response_us_p99,
        replies_whole_run: Some(whole.replies),
        served_whole_run: served.or(totals.map(|totals| totals.requests)),
        counts: VerdictState::Valid,
        cpu: VerdictState::Valid,
        times,
        objections: if times == VerdictState::Valid { String::new() } else { "V2".to_owned() },
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

/// Which rounds count: those without a disturbance, or all if fewer than half as many as were asked for are left.
fn kept(record: &Record) -> impl Fn(u32) -> bool {
    let is_good = |round: usize| record.rounds.get(round).is_some_and(|round| !round.is_disturbed);
    let good = (0..record.rounds.len()).filter(|round| is_good(*round)).count() as u32;
    let takes_all = good * 2 < ROUNDS;
    move |round| takes_all || is_good(round as usize)
}

/// What the hypervisor took of the CPU that lost more, in the rounds that count.
fn stolen_share(record: &Record, is_kept: &impl Fn(u32) -> bool) -> Option<f64> {
    let rounds = || (0..).zip(&record.rounds).filter(|(number, _)| is_kept(*number)).map(|(_, round)| round);
    let stolen_us: u64 = rounds().map(|round| round.stolen_us).sum::<Option<u64>>()?;
    Some(stolen_us as f64 / rounds().map(|round| round.wall_us).sum::<u64>().max(1) as f64)
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
    fn disturbed_rounds_count_only_where_too_few_others_are_left() {
        let kept_of = |record: &Record| {
            let is_kept = kept(record);
            (0..record.rounds.len() as u32).filter(|round| is_kept(*round)).count()
        };
        for (disturbed, all, expected, share) in
            [(0, 8, 8, 0.01), (4, 12, 8, 0.01), (8, 12, 4, 0.01), (9, 12, 12, 0.1525)]
        {
            let record = record(disturbed, all);
            assert_eq!(kept_of(&record), expected, "{disturbed} of {all}");
            let stolen = stolen_share(&record, &kept(&record)).expect("the kernel tells");
            assert!((stolen - share).abs() < 1e-9, "{disturbed} of {all}: {stolen}");
        }
        let mut silent = record(0, 8);
        silent.rounds[3].stolen_us = None;
        assert_eq!(stolen_share(&silent, &kept(&silent)), None, "unknown is not none");
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
