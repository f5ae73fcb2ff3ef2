//! Builds the record of a step from what was seen of it.

use anyhow::Context;
use host::SlabCache;
use loadgen::Record;
use loadgen::record::Summary;
use results::shell;

use crate::kinds::scenario::seen::{Look, Sample, Seen};
use crate::kinds::scenario::timeline::{Moment, Phase, Role};
use crate::kinds::scenario::watched::record::{CpuEach, Memory, Predicted, Slab, StepRecord, Tail};
use crate::kinds::scenario::watched::step::Planned;
use crate::subjects::servers;

/// Caches that grow by less than this per connection are noise of the host.
const SLAB_BYTES_MIN: f64 = 2.0;

/// Builds the record of a step.
///
/// # Errors
/// When the server or the load generator printed no account of the expected form.
pub(super) fn account(planned: &Planned, seen: &Seen) -> anyhow::Result<StepRecord> {
    let load: Record =
        serde_json::from_str(seen.account(Role::Load)?).context("the load generator printed no record")?;
    let served = servers::c10m::account(seen.account(Role::Server)?)?.report;
    // A probe that failed has no record.
    let probe: Option<Record> = seen.account(Role::Probe).ok().and_then(|text| serde_json::from_str(text).ok());
    let step = planned.step;
    let established = load.connections.established;
    let is_complete = established >= u64::from(step.connections);
    let requests = &load.requests;
    let (ramp_cpu, heartbeat_cpu) = cpu(seen, established, requests.completed);
    let most = |of: fn(&Sample) -> u64| seen.samples.iter().map(of).max().unwrap_or(0);
    Ok(StepRecord {
        name: step.name(),
        place: step.place.word().to_owned(),
        variant: step.variant.to_string(),
        connections: u64::from(step.connections),
        reactors: planned.reactors,
        workers: planned.workers,
        ehash_entries: seen.ehash_entries,
        commands: commands(seen),
        established,
        ramp_s: is_complete.then(|| load.connections.ramp_us as f64 / 1e6),
        connect_us: tail(&load.connect_us),
        ramp_cpu,
        probe: probe.as_ref().map(|record| tail(&record.response_us)),
        memory: memory(seen, established, load.memory.per_connection_bytes),
        predicted: predicted(planned),
        heartbeat_s: u64::from(step.heartbeat_s),
        heartbeat: tail(&load.response_us),
        heartbeats_failed: requests.failed + requests.timed_out + requests.censored,
        heartbeat_cpu,
        verdict: verdict(&load, probe.as_ref()),
        close_s: close_s(seen),
        orphans_max: most(|sample| sample.orphans),
        time_wait_max: most(|sample| sample.time_wait),
        accepts_max_over_mean: served.spread.map(|spread| spread.accepts_max_over_mean),
        troubles: seen.troubles(),
        samples: seen.samples.clone(),
    })
}

/// The commands of server, load generator and probe.
fn commands(seen: &Seen) -> Vec<String> {
    let of = |role| seen.output(role).map(|output| shell::line(&output.command));
    [Role::Server, Role::Load, Role::Probe].into_iter().filter_map(of).collect()
}

fn predicted(planned: &Planned) -> Predicted {
    let prediction = &planned.prediction;
    Predicted {
        slab_bytes: prediction.slab_bytes,
        server_bytes: prediction.server_bytes,
        generator_bytes: prediction.generator_bytes,
        total_bytes: prediction.total_bytes,
    }
}

fn tail(summary: &Summary) -> Tail {
    Tail {
        count: summary.count,
        p50_us: summary.p50,
        p99_us: summary.p99,
        p99_9_us: summary.p99_9,
        max_us: summary.max,
    }
}

/// The generator's verdict on itself, with the times that are mostly its own lateness and none of the server's.
fn verdict(load: &Record, probe: Option<&Record>) -> String {
    let own = |of: &str, record: &Record| {
        let names = record.verdict.generators_own.join(", ").replace('_', ".");
        (!names.is_empty()).then(|| format!("; {of}{names} the generator's own"))
    };
    let probes = probe.and_then(|record| own("the probe's ", record));
    let parts = [Some(load.verdict.to_string()), own("", load), probes];
    parts.into_iter().flatten().collect()
}

/// CPU time of one connect and of one heartbeat. The ramp is measured from the first sample to the first with all
/// connections, the heartbeats from there to the last sample before the end.
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

/// The growth of memory. The generator reports its own, which excludes what its threads take without connections.
fn memory(seen: &Seen, established: u64, generator_bytes_each: Option<f64>) -> Memory {
    let at = |moment| seen.look(moment).cloned().unwrap_or_default();
    let (empty, server_bytes_fixed): (Look, _) = (at(Moment::Empty), at(Moment::Ready).server_bytes);
    let mut memory = Memory { server_bytes_fixed, ..Memory::default() };
    let Some(held) = seen.look(Moment::Held).filter(|_| seen.held_at_s.is_some() && established > 0) else {
        return memory;
    };
    let each = |bytes: f64| bytes / established as f64;
    memory.slabs = grown(&empty.slabs, &held.slabs, established);
    let sum = |caches: &[SlabCache]| caches.iter().map(SlabCache::bytes).sum::<f64>();
    let slab_bytes = sum(&held.slabs) - sum(&empty.slabs);
    // If this user may not read the file, there are no caches at all.
    memory.slab_bytes = (!held.slabs.is_empty()).then_some(slab_bytes);
    memory.slab_bytes_each = memory.slab_bytes.map(each);
    memory.server_bytes = held.server_bytes;
    let growth = held.server_bytes.zip(server_bytes_fixed);
    memory.server_bytes_each = growth.map(|(held, before)| each(held as f64 - before as f64));
    memory.generator_bytes = held.generator_bytes;
    memory.generator_bytes_each = generator_bytes_each;
    let lost = empty.host_bytes_free.zip(held.host_bytes_free);
    memory.host_bytes = lost.map(|(before, held)| before as f64 - held as f64);
    memory.host_bytes_each = memory.host_bytes.map(each);
    memory
}

/// The caches that grew with the connections.
fn grown(before: &[SlabCache], held: &[SlabCache], connections: u64) -> Vec<Slab> {
    let slab = |cache: &SlabCache| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_names_times_that_are_the_generators_own() {
        let record = |own: &[&str]| {
            let mut record = Record::default();
            record.verdict.generators_own = own.iter().map(|name| (*name).to_owned()).collect();
            record
        };
        for (load, probe, expected) in [
            (&[][..], None, "VALID"),
            (&[], Some(&[][..]), "VALID"),
            (&["p99_9", "max"], Some(&[]), "VALID; p99.9, max the generator's own"),
            (&[], Some(&["max"]), "VALID; the probe's max the generator's own"),
            (&["p99_9"], Some(&["max"]), "VALID; p99.9 the generator's own; the probe's max the generator's own"),
        ] {
            let probe = probe.map(record);
            assert_eq!(verdict(&record(load), probe.as_ref()), expected);
        }
    }
}
