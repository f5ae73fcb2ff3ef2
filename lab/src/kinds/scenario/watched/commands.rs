//! The command lines of server, load and probe of a step.

use host::kernel::CpuTimes;
use loadgen::Engine;

use crate::kinds::scenario::timeline::Until;
use crate::kinds::scenario::watched::step::{Place, Planned, Step};

/// The port on which the server listens inside the namespace, and its address behind a TUN device.
const PORT: u16 = 7000;
const TUN_SERVER: &str = "198.18.0.1";
/// The probe has few connections, which are busy all the time, on different reactors.
const PROBE_CONNECTIONS: u32 = 8;
/// Over loopback, every worker can be woken for each heartbeat up to this rate: a heartbeat then takes 52 to 54 µs of
/// both CPUs (1,000,000 connections, 3698ea56aa01-c10m-c1m).
const LOOPBACK_BEATS_PER_S_MAX: u32 = 30_000;

/// Connections stay on the CPU on which they were opened, as with one receive queue per CPU. There are dozens to
/// hundreds of reactors on each CPU, and each wake-up brings a single event. Without batch scheduling they would spend
/// more on switching than on the events. The idle timeout is longer than the longest silence, so timers run but close
/// nothing.
pub(crate) fn serve(planned: &Planned) -> String {
    let (variant, reactors) = (planned.step.variant, planned.reactors);
    let loops = format!("--backend {} --variant {} --reactors {reactors}", variant.backend(), variant.variant());
    format!("serve echo --listen 0.0.0.0:{PORT} {loops} --balance cpu --scheduling batch --idle-timeout 10m --json")
}

/// No `--spin`: dozens of workers that poll before each of 17,000 arrivals a second would leave the server no CPU.
/// Behind a TUN device, two workers have 83,000 arrivals and replies each a second, and sleep between them. Over
/// loopback there is one worker for every 20,000 connections, with 333 arrivals a second each. There the sleep shows
/// in the tail, so it pays only where two CPUs could not keep up otherwise.
pub(crate) fn load(planned: &Planned, seed: u64) -> String {
    let Step { place, connections, heartbeat_s, ring_clients, .. } = planned.step;
    let is_hurried = connections / heartbeat_s.max(1) > LOOPBACK_BEATS_PER_S_MAX;
    let (host, engine, coalesce, realtime) = match place {
        Place::Loopback => {
            let engine = if ring_clients { Engine::IoUring } else { Engine::Epoll };
            ("127.0.0.1", engine, if is_hurried { "20ms" } else { "0s" }, "")
        }
        Place::Tun => (TUN_SERVER, Engine::Tun, "1ms", " --realtime"),
    };
    let cpus: Vec<String> = CpuTimes::read().iter().flat_map(CpuTimes::cpus).map(|cpu| cpu.to_string()).collect();
    let (workers, cpus) = (planned.workers, cpus.join(","));
    format!(
        "load tcp://{host}:{PORT} --engine {} --connections {connections} --threads {workers} --cpus {cpus} \
         --heartbeat {heartbeat_s}s --duration {heartbeat_s}s --warmup 0s --spin 0s --coalesce {coalesce} --seed {seed} \
         --json{realtime}",
        engine.name()
    )
}

/// The probe lasts longer than any ramp; the timeline ends it when the ramp ends. It shares its CPU with what it
/// measures, so precision to the microsecond is not worth its cost.
pub(crate) fn probe(seed: u64) -> String {
    format!(
        "load tcp://127.0.0.1:{PORT} --connections {PROBE_CONNECTIONS} --rate 500 --duration 3600s --warmup 0s --interval \
         1s --spin 0s --seed {seed} --json"
    )
}

/// The sockets in use when all of the probe's connections are there: one listener per reactor, and both ends of each
/// connection.
pub(crate) fn probed(planned: &Planned) -> Until {
    Until::Sockets(planned.reactors + 2 * u64::from(PROBE_CONNECTIONS))
}
