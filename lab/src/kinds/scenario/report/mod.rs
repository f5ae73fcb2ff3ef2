//! The report of the experiment: what was held, what it cost, how straight the lines are, what went wrong.
//! Pure text; the same record always gives the same report.

use results::report::{Block, Document, Figure, Table, count, fact, host_table, measure, percent, ratio};

use super::picture;
use super::record::{Phase, Record, StepRecord};

/// What stands where a figure could not be had.
const ABSENT: &str = "n/a";
/// Memory may leave the straight line by this share of its end before the report calls it bent.
const STRAIGHT_WITHIN: f64 = 0.02;
const MIB: f64 = (1 << 20) as f64;

pub(super) fn notes() -> Vec<String> {
    [
        "Server and load generator are co-located and share all CPUs: rates of connects are those of the pair.",
        "Each step has a network namespace of its own, whose table of connections has a bucket for each socket \
         (net.ipv4.tcp_child_ehash_entries), so that chains are short; it goes with the step.",
        "Workers are pinned to CPUs in turn and the server shares connections out by CPU (--balance cpu), so that both ends of \
         a connection are handled on one CPU, as with one receive queue for each.",
        "Congestion control is reno in that namespace: BBR paces each packet by a timer of its own.",
        "The server runs with --scheduling batch: on each CPU there are dozens to hundreds of reactors, and one that is woken \
         up need not interrupt another.",
        "Where heartbeats would wake up more workers than the CPUs can switch between, the load generator sleeps between its \
         looks (--coalesce 1ms behind a TUN device, together with --realtime; 20ms over loopback from 30,000 heartbeats a \
         second): response times there are coarser by as much.",
        "RLIMIT_NOFILE bounds each reactor and each worker, because each has a descriptor table of its own \
         (unshare(2), CLONE_FILES) or a ring with direct descriptors.",
        "Memory is the growth from before the first connect until all were established and before the first heartbeat. \
         Slabs are objects in use with their share of their slab (/proc/slabinfo); the host's loss is that of MemFree, \
         Buffers and Cached, and counts tables, threads, page tables and what other programs did meanwhile too.",
        "The probe is a load generator of its own with 8 connections and 500 requests/s, measured from the intended send \
         time; it ends when all connections are established.",
        "The generator judges itself as always. On a host whose CPUs it shares with the server, and without polling \
         before each heartbeat, V2, V3, V4, V5 and V6 say so: times contain its own waits for a CPU.",
        "Heartbeats are spread evenly: each connection has a phase of its own. CPU time is that of all CPUs, without what \
         a hypervisor took, the watch and the probe included.",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Why a step does not count as held; empty when it does.
pub(super) fn broke(step: &StepRecord) -> Vec<String> {
    let mut reasons = Vec::new();
    if step.established < step.connections {
        let (established, wanted) = (count(step.established as f64), count(step.connections as f64));
        reasons.push(format!("{established} of {wanted} connections were established"));
    }
    if step.heartbeats_failed > 0 {
        reasons.push(format!("{} heartbeats had no good answer in time", count(step.heartbeats_failed as f64)));
    }
    // One of each connection, in the window of one period.
    let missing = step.connections.saturating_sub(step.heartbeat.count + step.heartbeats_failed);
    if missing > 0 {
        reasons.push(format!("{} connections never had a heartbeat", count(missing as f64)));
    }
    if step.close_s.is_none() {
        reasons.push("some connections were left at the end".to_owned());
    }
    reasons
}

/// The tables of the report, for a terminal too.
pub(super) fn tables(record: &Record) -> Vec<Table> {
    vec![held_table(record), memory_table(record), planner_table(record), cost_table(record)]
}

pub(super) fn document(record: &Record) -> Document {
    let heading = |text: &str| Block::Heading(text.to_owned());
    let mut blocks =
        vec![Block::Answer(findings(record)), Block::Paragraph(measured(record)), heading("What was held")];
    blocks.push(Block::Table(held_table(record)));
    blocks.push(Block::Paragraph(
        "Times in ms. Probe: response time of the busy connections while the others were opened. Heartbeats: one of each \
         connection, from its intended send time."
            .to_owned(),
    ));
    blocks.push(heading("Memory against connections"));
    blocks.extend(figure(
        picture::memory(record),
        "memory",
        "Slabs of the kernel and both processes while connections are opened. Figures in the table below.",
    ));
    blocks.push(Block::Table(memory_table(record)));
    blocks.push(Block::Paragraph(
        "Bytes for each connection: the processes' own memory, the kernel's slabs (both ends over loopback), what the \
         host lost. Off the line: the farthest that memory came from a straight line through the ramp, as a share of the \
         memory at its end."
            .to_owned(),
    ));
    blocks.extend(record.steps.iter().filter(|step| !step.memory.slabs.is_empty()).map(slabs));
    blocks.push(heading("The planner against what was measured"));
    blocks.push(Block::Table(planner_table(record)));
    blocks.push(heading("What opening costs"));
    blocks.extend(figure(
        picture::rate(record),
        "rate",
        "Connections over time while they are opened: a straight line is a constant rate.",
    ));
    blocks.extend(figure(
        picture::cost(record),
        "cost",
        "CPU time of all CPUs for one connect, against the connections there were.",
    ));
    blocks.push(Block::Table(cost_table(record)));
    blocks.push(Block::Paragraph(
        "CPU time in µs for one connect and for one heartbeat: of all CPUs, of the server's process and of the load \
         generator's. Fullest: connections of the fullest reactor over the mean."
            .to_owned(),
    ));
    blocks.push(heading("What broke first, and how it showed"));
    blocks.extend(troubles(record));
    let commands = record.steps.iter().flat_map(|step| step.commands.iter().cloned());
    blocks.extend([heading("Commands"), Block::Commands(commands.collect())]);
    for (title, items) in [("Not run", &record.skipped), ("Waits and failures", &record.incidents)] {
        if !items.is_empty() {
            blocks.extend([heading(title), Block::List(items.clone())]);
        }
    }
    blocks.extend([heading("Host"), Block::Table(host_table(&record.host))]);
    blocks.extend([heading("Notes and limits"), Block::List(record.notes.clone())]);
    Document { title: format!("c10m, {}", record.profile), question: record.question.clone(), blocks }
}

/// The chart, or nothing where there is too little to draw.
fn figure(svg: Option<String>, name: &str, caption: &str) -> Option<Block> {
    svg.map(|svg| {
        Block::Figure(Figure {
            name: format!("{name}.svg"),
            alt: caption.to_owned(),
            caption: format!("{caption} Drawn by `c10m report`."),
            svg,
        })
    })
}

fn measured(record: &Record) -> String {
    let fact = |pointer: &str| fact(&record.host, pointer);
    format!(
        "`{}` (c10m {}, commit {}), started {}, {:.0} s in all. Host: Linux {}, {}, {} processors; seed {}. Server and load \
         generator were co-located on this host.",
        record.command.join(" ").replace('`', "'"),
        record.version,
        record.commit,
        record.started_at,
        record.duration_s,
        fact("/kernel/release"),
        fact("/cpu/model"),
        fact("/cpu/online_count"),
        record.seed,
    )
}

fn findings(record: &Record) -> Vec<String> {
    let mut sentences = Vec::new();
    for step in &record.steps {
        let broke = broke(step);
        if !broke.is_empty() {
            sentences.push(format!("{}: not held: {}.", step.name, broke.join(", ")));
            continue;
        }
        let rate = step.connects_per_s().map_or(ABSENT.to_owned(), |rate| count(rate.round()));
        let each = step.memory.host_bytes_each.or(step.memory.slab_bytes_each);
        sentences.push(format!(
            "{}: held. Opened at {rate} connects/s, {} bytes of this host's memory each ({} of the server's own); \
             heartbeats: p99 {} ms, the slowest {} ms, none failed.",
            step.name,
            whole(each),
            whole(step.memory.server_bytes_each),
            ms(step.heartbeat.p99_us),
            ms(step.heartbeat.max_us),
        ));
    }
    sentences.extend(armed_against_poll(record));
    sentences
}

/// What an armed receive costs the kernel beside a poll, where both were held at the same number.
fn armed_against_poll(record: &Record) -> Option<String> {
    let of = |variant: &'static str| record.steps.iter().filter(move |step| step.variant == variant);
    let pair = of("io_uring multishot").find_map(|armed| {
        let polled =
            of("io_uring poll").find(|step| (step.connections, &step.place) == (armed.connections, &armed.place))?;
        Some((armed, armed.memory.slab_bytes_each?, polled.memory.slab_bytes_each?))
    });
    pair.map(|(armed, with_receive, with_poll)| {
        format!(
            "With {} connections, an armed receive takes {:.0} bytes of the kernel more than a poll ({:.0} against {:.0} for \
             both ends).",
            count(armed.connections as f64),
            with_receive - with_poll,
            with_receive,
            with_poll
        )
    })
}

fn held_table(record: &Record) -> Table {
    const HEADER: [&str; 13] = [
        "step",
        "established",
        "connects/s",
        "connect p99",
        "probe p99",
        "probe max",
        "heartbeats",
        "p50",
        "p99",
        "p99.9",
        "max",
        "result",
        "generator's verdict",
    ];
    let row = |step: &StepRecord| {
        let probe = step.probe.unwrap_or_default();
        let broke = broke(step);
        vec![
            step.name.clone(),
            count(step.established as f64),
            step.connects_per_s().map_or(ABSENT.to_owned(), |rate| count(rate.round())),
            ms(step.connect_us.p99_us),
            ms(probe.p99_us),
            ms(probe.max_us),
            count(step.heartbeat.count as f64),
            ms(step.heartbeat.p50_us),
            ms(step.heartbeat.p99_us),
            ms(step.heartbeat.p99_9_us),
            ms(step.heartbeat.max_us),
            if broke.is_empty() { "held".to_owned() } else { broke.join(", ") },
            step.verdict.clone(),
        ]
    };
    Table::new("Connections and response times".to_owned(), &HEADER, record.steps.iter().map(row).collect())
}

fn memory_table(record: &Record) -> Table {
    const HEADER: [&str; 8] = [
        "step",
        "server's own",
        "generator's own",
        "slabs",
        "host's loss",
        "server at start MiB",
        "off the line",
        "closed in",
    ];
    let row = |step: &StepRecord| {
        let memory = &step.memory;
        vec![
            step.name.clone(),
            tenths(memory.server_bytes_each),
            tenths(memory.generator_bytes_each),
            whole(memory.slab_bytes_each),
            whole(memory.host_bytes_each),
            memory.server_bytes_fixed.map_or(ABSENT.to_owned(), |bytes| format!("{:.1}", bytes as f64 / MIB)),
            picture::off_the_line(step).map_or(ABSENT.to_owned(), percent),
            step.close_s.map_or("not all".to_owned(), |close_s| {
                format!("{close_s:.1} s, at most {} in TIME_WAIT", count(step.time_wait_max as f64))
            }),
        ]
    };
    Table::new("Bytes for each connection".to_owned(), &HEADER, record.steps.iter().map(row).collect())
}

fn planner_table(record: &Record) -> Table {
    const HEADER: [&str; 11] = [
        "step",
        "slabs MiB",
        "predicted",
        "server MiB",
        "predicted",
        "generator MiB",
        "predicted",
        "host MiB",
        "predicted",
        "host's ratio",
        "predicted / measured, of slabs and processes",
    ];
    let mib = |bytes: Option<f64>| bytes.map_or(ABSENT.to_owned(), |bytes| count((bytes / MIB).round()));
    let row = |step: &StepRecord| {
        let (memory, predicted) = (&step.memory, &step.predicted);
        vec![
            step.name.clone(),
            mib(memory.slab_bytes),
            mib(Some(predicted.slab_bytes as f64)),
            mib(memory.server_bytes.map(|bytes| bytes as f64)),
            mib(Some(predicted.server_bytes as f64)),
            mib(memory.generator_bytes.map(|bytes| bytes as f64)),
            mib(Some(predicted.generator_bytes as f64)),
            mib(memory.host_bytes),
            mib(Some(predicted.total_bytes as f64)),
            step.prediction_ratio_host().map_or(ABSENT.to_owned(), ratio),
            step.prediction_ratio().map_or(ABSENT.to_owned(), ratio),
        ]
    };
    Table::new("Memory as `c10m tune plan` predicts it".to_owned(), &HEADER, record.steps.iter().map(row).collect())
}

fn cost_table(record: &Record) -> Table {
    const HEADER: [&str; 10] = [
        "step",
        "reactors",
        "workers",
        "connect, all",
        "server",
        "generator",
        "heartbeat, all",
        "server",
        "generator",
        "fullest",
    ];
    let us = |time: Option<f64>| time.map_or(ABSENT.to_owned(), measure);
    let row = |step: &StepRecord| {
        vec![
            step.name.clone(),
            count(step.reactors as f64),
            count(step.workers as f64),
            us(step.ramp_cpu.all_us),
            us(step.ramp_cpu.server_us),
            us(step.ramp_cpu.generator_us),
            us(step.heartbeat_cpu.all_us),
            us(step.heartbeat_cpu.server_us),
            us(step.heartbeat_cpu.generator_us),
            step.accepts_max_over_mean.map_or(ABSENT.to_owned(), ratio),
        ]
    };
    Table::new("CPU time in µs".to_owned(), &HEADER, record.steps.iter().map(row).collect())
}

fn slabs(step: &StepRecord) -> Block {
    const HEADER: [&str; 5] = ["slab cache", "object bytes", "objects each", "bytes each", "of all"];
    let all: f64 = step.memory.slabs.iter().map(|slab| slab.bytes).sum();
    let rows = step.memory.slabs.iter().map(|slab| {
        vec![
            slab.name.clone(),
            count(slab.object_bytes as f64),
            format!("{:.3}", slab.objects),
            format!("{:.1}", slab.bytes),
            percent(slab.bytes / all),
        ]
    });
    let table = Table::new(format!("{}: for each connection", step.name), &HEADER, rows.collect());
    Block::Details { summary: format!("Slab caches, {}", step.name), blocks: vec![Block::Table(table)] }
}

fn troubles(record: &Record) -> Vec<Block> {
    const HEADER: [&str; 7] = ["step", "first at s", "while", "connections then", "in all", "counter", "meaning"];
    let mut sentences: Vec<String> = Vec::new();
    for step in &record.steps {
        let bend = picture::off_the_line(step).filter(|share| *share > STRAIGHT_WITHIN);
        if let Some(share) = bend {
            sentences.push(format!(
                "{}: memory is up to {} off a straight line; the chart shows where.",
                step.name,
                percent(share)
            ));
        }
        match step.troubles.first() {
            None => sentences.push(format!("{}: nothing was lost, refused or retried.", step.name)),
            Some(first) => sentences.push(format!(
                "{}: the first sign was {} at {} connections, while {}.",
                step.name,
                first.counter,
                count(first.connections as f64),
                doing(step, first.at_s)
            )),
        }
    }
    let rows = record.steps.iter().flat_map(|step| {
        step.troubles.iter().map(|trouble| {
            vec![
                step.name.clone(),
                format!("{:.1}", trouble.at_s),
                doing(step, trouble.at_s).to_owned(),
                count(trouble.connections as f64),
                count(trouble.count as f64),
                trouble.counter.clone(),
                loadgen::kernel::meaning(&trouble.counter).unwrap_or_default().to_owned(),
            ]
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let mut blocks = vec![Block::List(sentences)];
    if !rows.is_empty() {
        blocks.push(Block::Table(Table::new("Counters that moved".to_owned(), &HEADER, rows)));
    }
    blocks
}

/// What a step was doing at some time.
fn doing(step: &StepRecord, at_s: f64) -> &'static str {
    match step.samples.iter().rfind(|sample| sample.at_s <= at_s).map(|sample| sample.phase) {
        None | Some(Phase::Opening) => "opening",
        Some(Phase::Holding) => "holding",
        Some(Phase::Closing) => "closing",
    }
}

fn ms(time_us: Option<f64>) -> String {
    time_us.map_or(ABSENT.to_owned(), |us| measure(us / 1000.0))
}

fn whole(bytes: Option<f64>) -> String {
    bytes.map_or(ABSENT.to_owned(), |bytes| count(bytes.round()))
}

fn tenths(bytes: Option<f64>) -> String {
    bytes.map_or(ABSENT.to_owned(), |bytes| format!("{bytes:.1}"))
}

#[cfg(test)]
mod tests {
    use super::super::record::{Phase, SCHEMA, Sample, Tail, Trouble};
    use super::*;

    fn sample(at_s: f64, connections: u64) -> Sample {
        Sample {
            at_s,
            phase: Phase::Opening,
            connections,
            slab_bytes: 1e6 + connections as f64 * 8000.0,
            server_bytes: 1_000_000 + connections * 60,
            generator_bytes: 2_000_000 + connections * 56,
            host_bytes_free: 1 << 34,
            cpu_us: connections * 30,
            server_cpu_us: connections * 10,
            generator_cpu_us: connections * 15,
            orphans: 0,
            time_wait: 0,
            troubles: [].into(),
        }
    }

    fn step() -> StepRecord {
        let step = serde_json::json!({
            "name": "loopback 1,000 epoll level", "place": "loopback", "variant": "epoll level",
            "connections": 1000, "reactors": 1, "workers": 1, "ehash_entries": 2048, "commands": ["c10m serve echo"],
            "established": 1000, "ramp_s": 0.5, "connect_us": Tail::default(),
            "ramp_cpu": {"all_us": 30.0, "server_us": 10.0, "generator_us": 15.0},
            "probe": {"count": 10, "p50_us": 50.0, "p99_us": 900.0, "p99_9_us": null, "max_us": 1000.0},
            "memory": {"server_bytes_fixed": 1 << 20, "server_bytes_each": 60.2, "generator_bytes_each": 56.0,
                "slab_bytes_each": 8000.0, "host_bytes_each": 8200.0, "slab_bytes": 8e6, "server_bytes": 1_100_000,
                "generator_bytes": 2_056_000, "host_bytes": 8.2e6,
                "slabs": [{"name": "TCP", "object_bytes": 2368, "objects": 2.0, "bytes": 5041.0}]},
            "predicted": {"slab_bytes": 8_000_000, "server_bytes": 1_000_000, "generator_bytes": 2_000_000,
                "total_bytes": 8_100_000},
            "heartbeat_s": 60,
            "heartbeat": {"count": 1000, "p50_us": 40.0, "p99_us": 2000.0, "p99_9_us": null, "max_us": 5000.0},
            "heartbeats_failed": 0, "heartbeat_cpu": {"all_us": 20.0, "server_us": null, "generator_us": null},
            "verdict": "VALID", "close_s": 0.25, "orphans_max": 0, "time_wait_max": 1000,
            "accepts_max_over_mean": 1.01, "troubles": [], "samples": [],
        });
        let mut step: StepRecord = serde_json::from_value(step).expect("a step");
        step.samples = (0..=10).map(|at| sample(f64::from(at) * 0.05, u64::from(at as u32) * 100)).collect();
        step
    }

    fn record(steps: Vec<StepRecord>) -> Record {
        Record {
            schema: SCHEMA,
            experiment: "c10m".into(),
            profile: "quick".into(),
            question: "How many?".into(),
            started_at: "2026-11-22T00:00:00Z".into(),
            duration_s: 1.0,
            command: vec!["c10m".into(), "bench".into()],
            version: "0".into(),
            commit: "c".into(),
            host: serde_json::Value::Null,
            seed: 1,
            notes: notes(),
            skipped: vec![],
            incidents: vec![],
            steps,
        }
    }

    #[test]
    fn a_step_is_held_or_the_report_says_why_not() {
        assert_eq!(broke(&step()), [] as [String; 0]);
        let mut failed = step();
        (failed.established, failed.heartbeats_failed, failed.close_s) = (900, 7, None);
        failed.heartbeat.count = 893;
        failed.troubles = vec![Trouble { counter: "ListenOverflows".into(), at_s: 1.0, connections: 500, count: 9 }];
        let reasons = broke(&failed).join("; ");
        for part in ["900 of 1,000", "7 heartbeats", "100 connections never", "left at the end"] {
            assert!(reasons.contains(part), "{reasons}");
        }
        let text = results::report::markdown_of(&document(&record(vec![step(), failed])));
        for part in [
            "2,000 connects/s",
            "not held: 900 of 1,000",
            "nothing was lost",
            "the first sign was ListenOverflows at 500 connections, while opening",
            "memory.svg",
            "held | VALID",
            "| 0.99 | 0.99 |",
        ] {
            assert!(text.contains(part), "{part} is missing: {text}");
        }
    }

    #[test]
    fn lines_are_straight_or_not() {
        assert!(picture::off_the_line(&step()).expect("a ramp") < 1e-9);
        let mut bent = step();
        bent.samples[5].slab_bytes *= 1.2;
        assert!(picture::off_the_line(&bent).expect("a ramp") > STRAIGHT_WITHIN);
        bent.samples.truncate(2);
        assert_eq!(picture::off_the_line(&bent), None);
    }
}
