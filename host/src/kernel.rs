//! What the kernel counted during a load, to explain the tail. Reads /proc, judges nothing.
//!
//! A [`Sampler`] is made once per run and takes a sample at the boundaries of the intervals. The difference between
//! two samples is a [`KernelDelta`]: for one interval, or from the first sample to the last for the whole run.

mod counters;
mod delta;
mod moment;
pub(crate) mod parse;
mod softnet;
mod source;
mod threads;

use crate::cpu_time::{self, TICK_US};
use counters::Counters;
use softnet::SoftnetTotal;
use source::{Buffer, Source};
use sys::clock;
use threads::{Threads, Waits};

pub use counters::meaning;
pub use delta::{CpuTime, KernelDelta, ProcessTime, SocketStat, Softnet};
pub use moment::{CpuTimes, cpu_waited_us, sockets, tcp_ext};
pub use threads::{OwnRunDelay, ProcessRunDelay, thread_run_delay_ns};

/// What to sample besides the counters of the host.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Another process, the server.
    pub watch_pid: Option<u32>,
    /// The CPUs of that process.
    pub watch_cpus: Vec<u32>,
    /// The CPUs of this process.
    pub own_cpus: Vec<u32>,
}

/// Takes samples. Its files stay open. They belong to the network namespace of the thread that made the sampler, and
/// to the process that was watched then, even if another process gets its id.
#[derive(Debug)]
pub struct Sampler {
    config: Config,
    buffer: Buffer,
    snmp: Source,
    netstat: Source,
    sockstat: Source,
    softnet_stat: Source,
    stat: Source,
    pressure: Source,
    watched_stat: Option<Source>,
    softnet: SoftnetTotal,
    own_threads: Threads,
    watched_threads: Option<Threads>,
}

/// Counters and levels at one moment. What could not be read is absent, never zero.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    at_ns: u64,
    /// When the counters of TCP had been read: one that reads may lose its CPU before it does.
    counted_ns: u64,
    counters: Counters,
    sockstat: SocketStat,
    softnet: Option<Softnet>,
    cpus: Vec<CpuTime>,
    own_cpus: Occupied,
    watched_cpus: Occupied,
    own: ProcessTotal,
    watched: Option<ProcessTotal>,
    pressure_cpu_us: Option<u64>,
}

/// How long some CPUs were occupied so far.
#[derive(Debug, Clone, Copy, Default)]
struct Occupied {
    /// Neither idle nor waiting for I/O.
    not_idle_us: Option<u64>,
    stolen_us: Option<u64>,
}

/// What a process has used and waited for so far.
#[derive(Debug, Clone, Copy, Default)]
struct ProcessTotal {
    run_ns: Option<u64>,
    cpu_us: Option<(u64, u64)>,
    waits: Waits,
}

impl Sampler {
    /// Opens what there is to read. If the kernel lacks a file, that is not an error; the file's values are absent.
    pub fn new(config: Config) -> Sampler {
        let pid = config.watch_pid;
        Sampler {
            buffer: Buffer::new(),
            // /proc/net would be that of the process's first thread (proc_pid_net(5)).
            snmp: Source::open("/proc/thread-self/net/snmp"),
            netstat: Source::open("/proc/thread-self/net/netstat"),
            sockstat: Source::open("/proc/thread-self/net/sockstat"),
            softnet_stat: Source::open("/proc/thread-self/net/softnet_stat"),
            stat: Source::open("/proc/stat"),
            pressure: Source::open("/proc/pressure/cpu"),
            watched_stat: pid.map(|pid| Source::open(format!("/proc/{pid}/stat"))),
            softnet: SoftnetTotal::default(),
            own_threads: Threads::new("/proc/self/task".into()),
            watched_threads: pid.map(|pid| Threads::new(format!("/proc/{pid}/task").into())),
            config,
        }
    }

    /// Reads everything. Takes about 0.1 ms, and some 20 µs more for each thread of the processes that it samples
    /// (measured on two virtual CPUs, Linux 6.18).
    pub fn sample(&mut self) -> Sample {
        self.sample_in_bites(|| {})
    }

    /// The same, but calls `pause` between pieces of work of some 20 to 50 µs.
    pub fn sample_in_bites(&mut self, pause: impl Fn()) -> Sample {
        let mut sample = Sample { at_ns: clock::now_ns(), ..Sample::default() };
        // Reads what changes fastest first, so that it is close to the time stamp.
        if let Some(text) = self.snmp.read(&mut self.buffer) {
            sample.sockstat.established = parse::snmp(&text, &mut sample.counters);
        }
        pause();
        if let Some(text) = self.netstat.read(&mut self.buffer) {
            parse::netstat(&text, &mut sample.counters);
        }
        sample.counted_ns = clock::now_ns();
        pause();
        let stat_us = clock::now_ns() / 1000;
        if let Some(text) = self.stat.read(&mut self.buffer) {
            sample.cpus = parse::stat(&text, TICK_US);
        }
        sample.own_cpus = Occupied::of(&sample.cpus, &self.config.own_cpus, stat_us);
        sample.watched_cpus = Occupied::of(&sample.cpus, &self.config.watch_cpus, stat_us);
        let watched_run_ns = self.config.watch_pid.and_then(sys::usage::process_run_ns);
        let watched_cpu_us = self.watched_stat.as_ref().and_then(|source| {
            let text = source.read(&mut self.buffer)?;
            let time = cpu_time::CpuTime::of_stat(&text)?;
            Some((time.user_us, time.system_us))
        });
        pause();
        sample.own = ProcessTotal {
            run_ns: sys::usage::process_run_ns(std::process::id()),
            cpu_us: Some(sys::usage::process_cpu_us()),
            waits: self.own_threads.read(&mut self.buffer).unwrap_or_default(),
        };
        sample.watched = self.watched_threads.as_mut().map(|threads| ProcessTotal {
            // Read from the open file first: a number that was given away has none of this process's time.
            run_ns: watched_cpu_us.and(watched_run_ns),
            cpu_us: watched_cpu_us,
            waits: threads.read(&mut self.buffer).unwrap_or_default(),
        });
        pause();
        if let Some(text) = self.softnet_stat.read(&mut self.buffer) {
            sample.softnet = self.softnet.add(parse::softnet(&text));
        }
        if let Some(text) = self.sockstat.read(&mut self.buffer) {
            parse::sockstat(&text, &mut sample.sockstat);
        }
        sample.pressure_cpu_us = self.pressure.read(&mut self.buffer).and_then(|text| parse::pressure(&text));
        sample
    }
}

impl Sample {
    /// Time of the sample: CLOCK_MONOTONIC in ns.
    pub fn at_ns(&self) -> u64 {
        self.at_ns
    }

    /// Connections of the namespace in ESTABLISHED or CLOSE-WAIT.
    pub fn established(&self) -> Option<u64> {
        self.sockstat.established
    }

    /// What happened between `earlier` and this sample. Both must be of the same sampler.
    pub fn since(&self, earlier: &Sample) -> KernelDelta {
        let own = self.own.since(earlier.own);
        let watched = self.watched.zip(earlier.watched).map(|(after, before)| after.since(before));
        let mut delta = KernelDelta {
            wall_us: self.at_ns.saturating_sub(earlier.at_ns) / 1000,
            counting_us: Some(self.counted_ns.saturating_sub(self.at_ns) / 1000),
            sockstat: self.sockstat,
            softnet: self.softnet.zip(earlier.softnet).map(|(after, before)| after.since(before)),
            own_cpus_busy_us: self.own_cpus.busy_us(earlier.own_cpus, None),
            watched_cpus_busy_us: self.watched_cpus.busy_us(earlier.watched_cpus, watched.and_then(|it| it.run_ns)),
            own,
            watched,
            pressure_cpu_us: difference(earlier.pressure_cpu_us, self.pressure_cpu_us),
            ..KernelDelta::default()
        };
        for (name, growth) in self.counters.since(&earlier.counters) {
            match growth {
                Some(0) => {}
                Some(growth) => {
                    delta.tcp.insert(name.to_owned(), growth);
                }
                None => delta.tcp_absent.push(name.to_owned()),
            }
        }
        // A CPU that was removed or added in between has no line in one of the samples.
        delta.cpus = (self.cpus.iter())
            .filter_map(|after| {
                let before = earlier.cpus.iter().find(|before| before.cpu == after.cpu)?;
                Some(after.since(before))
            })
            .collect();
        delta
    }
}

impl Occupied {
    fn of(times: &[CpuTime], cpus: &[u32], now_us: u64) -> Occupied {
        Occupied { not_idle_us: parse::not_idle_us(times, cpus, now_us), stolen_us: parse::stolen_us(times, cpus) }
    }

    /// Busy time since `earlier`. Absent when some of the time was stolen: then nobody can tell how long the CPUs worked.
    /// Never below what a process ran on them, which is exact, while idle time is counted up to now from time to time only.
    fn busy_us(self, earlier: Occupied, run_ns: Option<u64>) -> Option<u64> {
        let is_whole = difference(earlier.stolen_us, self.stolen_us)? == 0;
        let not_idle_us = difference(earlier.not_idle_us, self.not_idle_us).filter(|_| is_whole)?;
        Some(not_idle_us.max(run_ns.unwrap_or(0) / 1000))
    }
}

impl ProcessTotal {
    fn since(self, earlier: ProcessTotal) -> ProcessTime {
        let cpu = |pick: fn((u64, u64)) -> u64| difference(earlier.cpu_us.map(pick), self.cpu_us.map(pick));
        let (before, after) = (earlier.waits, self.waits);
        ProcessTime {
            run_ns: difference(earlier.run_ns, self.run_ns),
            user_us: cpu(|(user, _)| user),
            system_us: cpu(|(_, system)| system),
            run_delay_us: difference(before.run_delay_ns, after.run_delay_ns).map(|ns| ns / 1000),
            voluntary_switches: difference(before.voluntary, after.voluntary),
            involuntary_switches: difference(before.involuntary, after.involuntary),
        }
    }
}

/// Growth of a reading. Absent when it is missing at one end, or went back and is therefore not known.
fn difference(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    after?.checked_sub(before?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::process::{Command, Stdio};

    #[test]
    fn traffic_over_the_loopback_is_counted() {
        const ROUNDS: u64 = 1000;
        let mut sampler = Sampler::new(Config::default());
        let before = sampler.sample();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.set_nodelay(true).unwrap();
        let mut byte = [7];
        for _ in 0..ROUNDS {
            client.write_all(&byte).unwrap();
            server.read_exact(&mut byte).unwrap();
        }
        let after = sampler.sample();
        let delta = after.since(&before);
        // Each byte is a segment of its own, because it is read before the next one is sent.
        for (name, at_least) in [("InSegs", ROUNDS), ("OutSegs", ROUNDS), ("ActiveOpens", 1), ("PassiveOpens", 1)] {
            assert!(delta.counter(name) >= Some(at_least), "{name} of {delta:?}");
        }
        assert!(delta.softnet.unwrap().processed >= ROUNDS, "{delta:?}");
        assert!(delta.sockstat.established >= Some(2) && delta.sockstat.tcp_inuse >= Some(3), "{delta:?}");
        assert_eq!(delta.wall_us, (after.at_ns() - before.at_ns()) / 1000);
        assert!(delta.wall_us > 0);
        // Formatting some 400 counters takes the kernel longer than that.
        assert!(delta.counting_us > Some(0), "{delta:?}");
    }

    #[test]
    fn processes_and_cpus_are_told_apart() {
        let own = std::process::id();
        let mut sampler = Sampler::new(Config { watch_pid: Some(own), watch_cpus: vec![0, 99_999], own_cpus: vec![0] });
        let before = sampler.sample();
        let spent = (0..30_000_000u64).fold(0u64, |sum, number| std::hint::black_box(sum ^ number));
        let delta = sampler.sample().since(&before);
        assert!(delta.own.user_us.unwrap() + delta.own.system_us.unwrap() > 0, "{spent} {delta:?}");
        let watched = delta.watched.unwrap();
        for process in [delta.own, watched] {
            assert!(process.run_ns > Some(0), "{process:?}");
            assert!(process.user_us.is_some() && process.system_us.is_some(), "{process:?}");
            assert!(process.voluntary_switches.is_some() && process.involuntary_switches.is_some(), "{process:?}");
        }
        let first = delta.cpus.iter().find(|time| time.cpu == 0).expect("there is a CPU 0");
        assert!(delta.own_cpus_busy_us.is_some() || first.steal_us > 0, "{delta:?}");
        assert_eq!(delta.watched_cpus_busy_us, None, "there is no CPU 99,999");
    }

    #[test]
    fn a_process_that_ends_becomes_absent() {
        let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
        let mut sampler = Sampler::new(Config { watch_pid: Some(child.id()), ..Config::default() });
        let (first, second) = (sampler.sample(), sampler.sample());
        child.kill().unwrap();
        child.wait().unwrap();
        let last = sampler.sample();
        let alive = second.since(&first).watched.unwrap();
        assert!(alive.user_us.is_some() && alive.voluntary_switches.is_some(), "{alive:?}");
        assert_eq!(last.since(&first).watched, Some(ProcessTime::default()));
        let delta = Sampler::new(Config::default()).sample().since(&first);
        assert_eq!(delta.watched, None, "nothing was watched");
    }

    /// Two readings of /proc/stat on a virtual machine, 0.5 s apart: its CPU waited 0.2 s for the hypervisor after it was
    /// woken, which the kernel calls idle and stolen, so that both together are longer than the time that passed.
    #[test]
    fn what_is_idle_and_stolen_is_not_taken_off_twice() {
        let at = |text: &str, now_us| {
            let times = parse::stat(text, TICK_US);
            Occupied::of(&times, &[0], now_us)
        };
        let before = at("cpu0 100 0 100 1000 0 0 0 50 0 0\n", 60_000_000);
        let stolen = at("cpu0 105 0 105 1035 0 0 0 70 0 0\n", 60_500_000);
        assert_eq!(
            stolen.busy_us(before, Some(170_000_000)),
            None,
            "0.5 s less 0.35 s idle less 0.2 s stolen is no time"
        );
        let quiet = at("cpu0 105 0 105 1035 0 0 0 50 0 0\n", 60_500_000);
        assert_eq!(quiet.busy_us(before, Some(140_000_000)), Some(150_000));
        assert_eq!(quiet.busy_us(before, Some(170_000_000)), Some(170_000), "never below the process's own time");
        assert_eq!(Occupied::default().busy_us(before, Some(1)), None);
    }

    #[test]
    fn unknown_is_not_zero() {
        let mut before = Sample { at_ns: 1000, pressure_cpu_us: Some(5), ..Sample::default() };
        let mut after = Sample { at_ns: 5000, pressure_cpu_us: Some(4), ..Sample::default() };
        for (name, first, second) in [("InSegs", 5, 8), ("OutSegs", 7, 7), ("RetransSegs", 9, 2)] {
            before.counters.put(name, first);
            after.counters.put(name, second);
        }
        before.cpus = vec![CpuTime { cpu: 0, idle_us: 9, user_us: 1, ..CpuTime::default() }];
        after.cpus = vec![
            CpuTime { cpu: 0, idle_us: 8, user_us: 4, ..CpuTime::default() },
            CpuTime { cpu: 1, ..CpuTime::default() },
        ];
        after.softnet = Some(Softnet::default());
        let delta = after.since(&before);
        for (name, expected) in [
            ("InSegs", Some(3)),
            ("OutSegs", Some(0)),
            ("RetransSegs", None),
            ("ListenDrops", None),
            ("Nonsense", None),
        ] {
            assert_eq!(delta.counter(name), expected, "{name}");
        }
        assert_eq!(delta.tcp.len(), 1);
        assert_eq!((delta.wall_us, delta.pressure_cpu_us, delta.softnet), (4, None, None));
        assert_eq!(delta.cpus, [CpuTime { cpu: 0, user_us: 3, ..CpuTime::default() }]);
        assert_eq!(delta.own, ProcessTime::default());
    }

    #[test]
    fn a_delta_survives_json() {
        let mut sampler = Sampler::new(Config { watch_pid: Some(std::process::id()), ..Config::default() });
        let first = sampler.sample();
        let delta = sampler.sample().since(&first);
        let text = serde_json::to_string(&delta).unwrap();
        assert_eq!(serde_json::from_str::<KernelDelta>(&text).unwrap(), delta, "{text}");
    }
}
