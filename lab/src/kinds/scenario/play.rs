//! Carries one step out: a namespace, a server, active connections that probe it, a load generator that opens
//! all connections and lets each of them send once a period, and a watch beside them.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use super::plan::{Place, Planned, Step};
use super::record::{CpuEach, Memory, Phase, Predicted, Sample, Slab, StepRecord, Tail};
use super::watch::{self, Cache, Seen, Watch};
use crate::session::host::Host;
use crate::session::namespace::{self, Sockets};
use crate::session::process::Process;
use crate::session::{host_state, proc};

/// Where the server listens inside of the namespace.
const PORT: u16 = 7000;
/// The server's address behind a TUN device.
const TUN_SERVER: &str = "198.18.0.1";
/// The probe: few connections that are busy all the time, on different reactors.
const PROBE_CONNECTIONS: u32 = 8;
const PROBE_RATE: u32 = 500;
/// Longer than any ramp; it is ended when the ramp is.
const PROBE_S: u32 = 3600;
/// Longest wait for the last connection to go.
const CLOSE_MAX: Duration = Duration::from_secs(120);
/// Heartbeats a second over loopback for which every worker can be woken up one by one: a heartbeat then takes
/// 52 to 54 µs of both CPUs (1,000,000 connections, 3698ea56aa01-c10m-c1m).
const LOOPBACK_BEATS_PER_S_MAX: u32 = 30_000;
/// Caches that grow by less for each connection are noise of the host.
const SLAB_BYTES_MIN: f64 = 2.0;

/// Runs a step; `stop` ends it within a second.
pub(super) fn run(host: &dyn Host, planned: &Planned, seed: u64, stop: &AtomicBool) -> anyhow::Result<StepRecord> {
    let step = planned.step;
    let sockets = u64::from(step.connections) * step.place.ends();
    namespace::inside(sockets, |entries| inside(host, planned, seed, entries, stop))
}

/// What a step starts with.
struct Before {
    slabs: Vec<Cache>,
    host_bytes_free: Option<u64>,
    server_bytes: Option<u64>,
}

fn inside(
    host: &dyn Host,
    planned: &Planned,
    seed: u64,
    ehash_entries: Option<u64>,
    stop: &AtomicBool,
) -> anyhow::Result<StepRecord> {
    let step = planned.step;
    // BBR, some hosts' default, paces each packet by a timer of its connection's own.
    // Reno is the one other that any namespace may choose.
    fs::write("/proc/sys/net/ipv4/tcp_congestion_control", "reno").context("cannot choose reno in the namespace")?;
    // What a step that failed leaves half closed would stay for minutes, with its data.
    fs::write("/proc/sys/net/ipv4/tcp_orphan_retries", "1").context("cannot shorten the life of orphans")?;
    let (slabs, host_bytes_free) = (watch::caches(), watch::host_bytes_free());
    let server_arguments = server_arguments(planned);
    let mut server = Process::start_self(host, &server_arguments)?;
    server.read_event()?;
    let before = Before { slabs, host_bytes_free, server_bytes: proc::anonymous_bytes(server.pid()).ok() };
    let probe_arguments = probe_arguments(seed);
    let probe = Process::start_self(host, &probe_arguments)?;
    wait_for_probe(planned)?;
    let generator_arguments = generator_arguments(planned, seed);
    let (generator_pid, is_over, is_held) = (AtomicU32::new(0), AtomicBool::new(false), AtomicBool::new(false));
    let watch = Watch {
        server: server.pid(),
        generator: &generator_pid,
        sockets_before: Sockets::read().in_use,
        ends: step.place.ends(),
        connections: u64::from(step.connections),
        is_over: &is_over,
        close_max: CLOSE_MAX,
    };
    let start = Instant::now();
    let (seen, probed, loaded) = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch.run(start, || is_held.store(true, Ordering::Release)));
        let prober = scope.spawn(|| probe_until(probe, &is_held, &is_over));
        let loaded = load(host, &generator_arguments, &generator_pid, stop);
        is_over.store(true, Ordering::Release);
        let seen = watcher.join().unwrap_or_default();
        (seen, prober.join().unwrap_or(None), loaded)
    });
    let (load, code) = loaded?;
    if stop.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    server.terminate();
    let (output, server_code) = server.finish()?;
    let account: Value = serde_json::from_str(output.lines().last().context("the server printed no account")?)?;
    if server_code != 0 || (code != 0 && code != 4) {
        bail!("the server ended with {server_code}, the load generator with {code}");
    }
    let commands = [server_arguments, generator_arguments, probe_arguments];
    let mut record = record(planned, &before, &seen, &load, probed.as_ref());
    record.ehash_entries = ehash_entries;
    record.commands = commands.iter().map(|arguments| format!("c10m {}", arguments.join(" "))).collect();
    record.accepts_max_over_mean = account.pointer("/spread/accepts_max_over_mean").and_then(Value::as_f64);
    Ok(record)
}

fn server_arguments(planned: &Planned) -> Vec<String> {
    let variant = planned.step.variant;
    let listen = format!("0.0.0.0:{PORT}");
    let reactors = planned.reactors.to_string();
    let arguments = [
        "serve",
        "echo",
        "--listen",
        &listen,
        "--backend",
        variant.backend(),
        "--variant",
        variant.variant(),
        "--reactors",
        &reactors,
        // A connection stays on the CPU that it was opened on, as with a receive queue for each CPU.
        "--balance",
        "cpu",
        // Dozens to hundreds of reactors on each CPU, each woken for a single event, spend more on switching than
        // on the events.
        "--scheduling",
        "batch",
        // Longer than the longest silence of a connection: timers are at work, and close nothing.
        "--idle-timeout",
        "10m",
        "--json",
    ];
    arguments.map(str::to_owned).to_vec()
}

fn generator_arguments(planned: &Planned, seed: u64) -> Vec<String> {
    let step = planned.step;
    let (target, engine) = match step.place {
        Place::Loopback if step.ring_clients => (format!("tcp://127.0.0.1:{PORT}"), "io_uring"),
        Place::Loopback => (format!("tcp://127.0.0.1:{PORT}"), "epoll"),
        Place::Tun => (format!("tcp://{TUN_SERVER}:{PORT}"), "tun"),
    };
    let period = format!("{}s", step.heartbeat_s);
    let cpus: Vec<String> = host_state::cpus().iter().map(usize::to_string).collect();
    let texts = [step.connections.to_string(), planned.workers.to_string(), cpus.join(","), seed.to_string()];
    let [connections, workers, cpus, seed] = &texts;
    let arguments = [
        "load",
        &target,
        "--engine",
        engine,
        "--connections",
        connections,
        "--threads",
        workers,
        "--cpus",
        cpus,
        "--heartbeat",
        &period,
        "--duration",
        &period,
        "--warmup",
        "0s",
        // Dozens of workers that poll before each of 17,000 arrivals a second would leave the server no CPU.
        "--spin",
        "0s",
        "--coalesce",
        coalesce(&step),
        "--seed",
        seed,
        "--json",
    ];
    let realtime = (step.place == Place::Tun).then_some("--realtime");
    arguments.into_iter().chain(realtime).map(str::to_owned).collect()
}

/// How long a worker sleeps instead of waking up for each heartbeat and each reply. Behind a TUN device two
/// workers have 83,000 of each a second. Over loopback there is a worker for each 20,000 connections with 333 a
/// second, and putting them together takes time that shows in the tail: worth it only where two CPUs could not
/// keep up otherwise.
fn coalesce(step: &Step) -> &'static str {
    let beats_per_s = step.connections / step.heartbeat_s.max(1);
    match step.place {
        Place::Tun => "1ms",
        Place::Loopback if beats_per_s > LOOPBACK_BEATS_PER_S_MAX => "20ms",
        Place::Loopback => "0s",
    }
}

fn probe_arguments(seed: u64) -> Vec<String> {
    let texts = [
        format!("tcp://127.0.0.1:{PORT}"),
        PROBE_CONNECTIONS.to_string(),
        PROBE_RATE.to_string(),
        format!("{PROBE_S}s"),
        seed.to_string(),
    ];
    let [target, connections, rate, duration, seed] = &texts;
    let arguments = [
        "load",
        target,
        "--connections",
        connections,
        "--rate",
        rate,
        "--duration",
        duration,
        "--warmup",
        "0s",
        "--interval",
        "1s",
        // It shares its CPU with what it looks at: being punctual to the microsecond is not worth that.
        "--spin",
        "0s",
        "--seed",
        seed,
        "--json",
    ];
    arguments.map(str::to_owned).to_vec()
}

/// Until all of the probe's connections are there: a listener for each reactor, and both ends.
fn wait_for_probe(planned: &Planned) -> anyhow::Result<()> {
    const WAIT_MAX: Duration = Duration::from_secs(10);
    let wanted = planned.reactors + 2 * u64::from(PROBE_CONNECTIONS);
    let start = Instant::now();
    while Sockets::read().in_use < wanted {
        if start.elapsed() > WAIT_MAX {
            bail!("the probe has not connected within {} s", WAIT_MAX.as_secs());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Runs the load generator to its end.
fn load(host: &dyn Host, arguments: &[String], pid: &AtomicU32, stop: &AtomicBool) -> anyhow::Result<(Value, i32)> {
    let mut generator = Process::start_self(host, arguments)?;
    pid.store(generator.pid(), Ordering::Release);
    generator.wait_for_output(stop)?;
    let record = generator.read_event()?;
    let (_, code) = generator.finish()?;
    Ok((record, code))
}

/// Ends the probe when all connections are established, or never will be. Its record, when it has one.
fn probe_until(mut probe: Process, is_held: &AtomicBool, is_over: &AtomicBool) -> Option<Value> {
    while !is_held.load(Ordering::Acquire) && !is_over.load(Ordering::Acquire) {
        thread::sleep(Duration::from_millis(20));
    }
    probe.terminate();
    let (output, _) = probe.finish().ok()?;
    serde_json::from_str(output.lines().last()?).ok()
}

fn record(planned: &Planned, before: &Before, seen: &Seen, load: &Value, probe: Option<&Value>) -> StepRecord {
    let (step, prediction) = (planned.step, &planned.prediction);
    let number = |pointer: &str| load.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let established = number("/connections/established");
    let is_complete = established >= u64::from(step.connections);
    let ramp_s = is_complete.then(|| number("/connections/ramp_us") as f64 / 1e6);
    let heartbeat = tail(load, "/response_us");
    let (ramp_cpu, heartbeat_cpu) = cpu(seen, established, number("/requests/completed"));
    StepRecord {
        name: step.name(),
        place: step.place.word().to_owned(),
        variant: step.variant.to_string(),
        connections: u64::from(step.connections),
        reactors: planned.reactors,
        workers: planned.workers,
        ehash_entries: None,
        commands: vec![],
        established,
        ramp_s,
        connect_us: tail(load, "/connect_us"),
        ramp_cpu,
        probe: probe.map(|record| tail(record, "/response_us")),
        memory: memory(before, seen, established, load),
        predicted: Predicted {
            slab_bytes: prediction.slab_bytes,
            server_bytes: prediction.server_bytes,
            generator_bytes: prediction.generator_bytes,
            total_bytes: prediction.total_bytes,
        },
        heartbeat_s: u64::from(step.heartbeat_s),
        heartbeat,
        heartbeats_failed: number("/requests/failed") + number("/requests/timed_out") + number("/requests/censored"),
        heartbeat_cpu,
        verdict: verdict(load),
        close_s: close_s(seen),
        orphans_max: seen.samples.iter().map(|sample| sample.orphans).max().unwrap_or(0),
        time_wait_max: seen.samples.iter().map(|sample| sample.time_wait).max().unwrap_or(0),
        accepts_max_over_mean: None,
        troubles: seen.troubles(),
        samples: seen.samples.clone(),
    }
}

fn tail(record: &Value, pointer: &str) -> Tail {
    let summary = record.pointer(pointer);
    let figure = |name: &str| summary.and_then(|summary| summary[name].as_f64());
    Tail {
        count: summary.and_then(|summary| summary["count"].as_u64()).unwrap_or(0),
        p50_us: figure("p50"),
        p99_us: figure("p99"),
        p99_9_us: figure("p99_9"),
        max_us: figure("max"),
    }
}

fn verdict(load: &Value) -> String {
    let state = load.pointer("/verdict/state").and_then(Value::as_str).unwrap_or("INVALID");
    let checks = load.pointer("/verdict/checks").and_then(Value::as_array);
    let failed = checks.into_iter().flatten().filter_map(|check| {
        let is_passed = matches!(check["state"].as_str(), Some("VALID" | "SKIPPED"));
        if is_passed { None } else { check["id"].as_str() }
    });
    let failed: Vec<&str> = failed.collect();
    if failed.is_empty() { state.to_owned() } else { format!("{state} ({})", failed.join(" ")) }
}

/// CPU time for a connect, and for a heartbeat. The ramp is taken from the first sample to that with all
/// connections, the heartbeats from there to the last before the end.
fn cpu(seen: &Seen, connects: u64, beats: u64) -> (CpuEach, CpuEach) {
    let Some(held_at_s) = seen.held_at_s else { return (CpuEach::default(), CpuEach::default()) };
    let first = seen.samples.first();
    let held = seen.samples.iter().find(|sample| sample.at_s >= held_at_s);
    let last = seen.samples.iter().rfind(|sample| sample.phase == Phase::Holding);
    let each = |from: Option<&Sample>, to: Option<&Sample>, count: u64| {
        let (Some(from), Some(to)) = (from, to) else { return CpuEach::default() };
        let of = |of: fn(&Sample) -> u64| {
            let spent_us = of(to).checked_sub(of(from))?;
            (count > 0 && to.at_s > from.at_s).then(|| spent_us as f64 / count as f64)
        };
        CpuEach {
            all_us: of(|sample| sample.cpu_us),
            server_us: of(|sample| sample.server_cpu_us),
            generator_us: of(|sample| sample.generator_cpu_us),
        }
    };
    (each(first, held, connects), each(held, last, beats))
}

fn close_s(seen: &Seen) -> Option<f64> {
    let closing = seen.samples.iter().find(|sample| sample.phase == Phase::Closing)?;
    Some((seen.gone_at_s? - closing.at_s).max(0.0))
}

fn memory(before: &Before, seen: &Seen, established: u64, load: &Value) -> Memory {
    let mut memory = Memory { server_bytes_fixed: before.server_bytes, ..Memory::default() };
    if seen.held_at_s.is_none() || established == 0 {
        return memory;
    }
    let each = |bytes: f64| bytes / established as f64;
    memory.slabs = grown(&before.slabs, &seen.slabs_held, established);
    let sum = |caches: &[Cache]| caches.iter().map(Cache::bytes).sum::<f64>();
    let slab_bytes = sum(&seen.slabs_held) - sum(&before.slabs);
    // Without permission to read the file there are no caches at all.
    memory.slab_bytes = (!seen.slabs_held.is_empty()).then_some(slab_bytes);
    memory.slab_bytes_each = memory.slab_bytes.map(each);
    memory.server_bytes = seen.server_bytes_held;
    let growth = seen.server_bytes_held.zip(before.server_bytes);
    memory.server_bytes_each = growth.map(|(held, before)| each(held as f64 - before as f64));
    memory.generator_bytes = seen.generator_bytes_held;
    // By its own account, which does not count what its threads take without a connection.
    memory.generator_bytes_each = load.pointer("/memory/per_connection_bytes").and_then(Value::as_f64);
    let lost = before.host_bytes_free.zip(seen.host_bytes_free_held);
    memory.host_bytes = lost.map(|(before, held)| before as f64 - held as f64);
    memory.host_bytes_each = memory.host_bytes.map(each);
    memory
}

/// The caches that grew with the connections.
fn grown(before: &[Cache], held: &[Cache], connections: u64) -> Vec<Slab> {
    let slab = |cache: &Cache| {
        let objects_before = before.iter().find(|known| known.name == cache.name).map_or(0, |known| known.objects);
        let objects = (cache.objects as f64 - objects_before as f64) / connections as f64;
        Slab {
            name: cache.name.clone(),
            object_bytes: cache.object_bytes,
            objects,
            bytes: objects * cache.bytes_of_one(),
        }
    };
    let mut slabs: Vec<Slab> = held.iter().map(slab).filter(|slab| slab.bytes >= SLAB_BYTES_MIN).collect();
    slabs.sort_by(|one, other| other.bytes.total_cmp(&one.bytes));
    slabs
}
