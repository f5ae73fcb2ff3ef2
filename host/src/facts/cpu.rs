//! Reads the processors: model, topology, frequency, idle states and caches. The first online processor represents all
//! that are alike. Cores and sockets are counted over all of them.

use std::collections::BTreeSet;

use serde::Serialize;

use super::source::Source;
use crate::text::{listed_count, ranges, size, word};

/// One processor's part of /proc/cpuinfo is about 1.5 KiB; the first is enough.
const CPUINFO_BYTES_MAX: u64 = 16 << 10;

/// The most the kernel supports on any architecture, CONFIG_NR_CPUS.
const PROCESSORS_MAX: usize = 8192;

/// The most idle states or caches of one processor. Real ones have about ten and about four.
const ENTRIES_MAX: usize = 32;

/// Features that change what is measured here.
const FLAGS_THAT_MATTER: &[&str] = &[
    // Reading the time.
    "constant_tsc",
    "nonstop_tsc",
    "tsc_known_freq",
    "rdtscp",
    // Copying between user and kernel.
    "erms",
    "fsrm",
    // Parsing: httparse chooses between these.
    "sse4_2",
    "avx2",
    "asimd",
    // Wide vectors, which may lower the frequency.
    "avx512f",
    // Switching between user and kernel mode, and the cost of mitigations for it.
    "pcid",
    "invpcid",
    "smap",
    "ibrs_enhanced",
    "pti",
    // Reference counts without a retry loop.
    "atomics",
    // The caches may be shared with strangers.
    "hypervisor",
];

/// Processors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cpu {
    /// The marketing name.
    pub model: Option<String>,
    /// The vendor, as the processor reports it.
    pub vendor: Option<String>,
    /// Family, model and stepping in decimal, the numbers of an x86 design.
    pub family_model_stepping: Option<[u64; 3]>,
    /// Revision of the microcode.
    pub microcode: Option<String>,
    /// Processors that the scheduler may use.
    pub online_count: Option<u64>,
    /// Processors that the kernel made room for at boot.
    pub possible_count: Option<u64>,
    /// Packages of the online processors.
    pub socket_count: Option<u64>,
    /// Cores of the online processors. Fewer than the processors if threads share a core.
    pub core_count: Option<u64>,
    /// Whether cores run more than one thread now.
    pub threads_share_cores: Option<bool>,
    /// Frequency at the moment of reading. In virtual machines, the nominal one.
    pub frequency_mhz: Option<f64>,
    /// Features that change what is measured, from a fixed list. Null if none can be read.
    pub flags: Option<Vec<String>>,
    /// Whether this is a virtual machine. Null if the processor has no flag for it.
    pub virtual_machine: Option<bool>,
    /// The hypervisor, if the host names it.
    pub hypervisor: Option<String>,
    /// Frequency governor of the first processor. Virtual machines have none.
    pub governor: Option<String>,
    /// How the frequency is set.
    pub frequency: Frequency,
    /// How idle processors save energy.
    pub idle: Idle,
    /// Caches of the first processor.
    pub caches: Vec<Cache>,
}

/// How the frequency is set. Virtual machines do not show this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Frequency {
    /// The kernel's driver.
    pub driver: Option<String>,
    /// The lowest frequency that the driver may set, in kHz.
    pub khz_min: Option<u64>,
    /// The highest frequency that the driver may set, in kHz.
    pub khz_max: Option<u64>,
    /// The balance between performance and saving energy, for drivers that leave the choice to the processor.
    pub energy_preference: Option<String>,
    /// Whether frequencies above the nominal one are allowed.
    pub boost: Option<bool>,
}

impl Cpu {
    /// The file of those that are online, below the root.
    pub const ONLINE_PATH: &str = "sys/devices/system/cpu/online";
}

/// How processors rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Idle {
    /// The kernel's driver.
    pub driver: Option<String>,
    /// What chooses among the states.
    pub governor: Option<String>,
    /// The states of the first processor.
    pub states: Vec<IdleState>,
}

/// An idle state of a processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdleState {
    /// Its name, for example C6.
    pub name: String,
    /// Time to leave the state, in microseconds.
    pub latency_us: Option<u64>,
    /// Whether it was switched off.
    pub disabled: Option<bool>,
}

/// A cache of the first processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// Level of the cache; 1 is closest to the core.
    pub level: u64,
    /// Data, Instruction or Unified.
    pub kind: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// The processors that share it.
    pub shared_by: Option<String>,
}

pub(super) fn cpu(source: &mut Source<'_>) -> Cpu {
    let cpuinfo = source.first_lines("proc/cpuinfo", CPUINFO_BYTES_MAX).unwrap_or_default();
    let online =
        source.parsed(Cpu::ONLINE_PATH, "a list of processors", |text| listed_count(text).and_then(|_| ranges(text)));
    let first = online.as_ref().and_then(|ranges| ranges.first()).map_or(0, |(first, _)| *first);
    let flags = flags(&cpuinfo);
    let (socket_count, core_count) = online.as_deref().map_or((None, None), |online| topology(source, online));
    let folder = format!("sys/devices/system/cpu/cpu{first}");
    Cpu {
        model: named(&cpuinfo, &["model name", "Processor"]),
        vendor: named(&cpuinfo, &["vendor_id", "CPU implementer"]),
        family_model_stepping: family(&cpuinfo),
        microcode: named(&cpuinfo, &["microcode"]),
        online_count: online.map(|ranges| ranges.iter().map(|(first, last)| last - first + 1).sum()),
        possible_count: source.parsed("sys/devices/system/cpu/possible", "a list of processors", listed_count),
        socket_count,
        core_count,
        threads_share_cores: source.switch("sys/devices/system/cpu/smt/active"),
        frequency_mhz: named(&cpuinfo, &["cpu MHz"]).and_then(|text| text.parse().ok()).filter(|mhz: &f64| *mhz > 0.0),
        // Only x86 has the flag. Its absence on other machines says nothing.
        virtual_machine: is_x86(&cpuinfo).then(|| has_flag(&cpuinfo, "hypervisor")),
        flags,
        hypervisor: hypervisor(source),
        governor: source.word(&format!("{folder}/cpufreq/scaling_governor")),
        frequency: frequency(source, &folder),
        idle: idle(source, &folder),
        caches: caches(source, &folder),
    }
}

/// The value of the first line with one of these keys. x86 has `model name`, s390 and some ARM kernels have
/// `Processor`, and most ARM kernels have neither.
fn named(cpuinfo: &str, keys: &[&str]) -> Option<String> {
    cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (keys.contains(&key.trim()) && !value.trim().is_empty()).then(|| value.trim().to_owned())
    })
}

fn family(cpuinfo: &str) -> Option<[u64; 3]> {
    let number = |key: &str| named(cpuinfo, &[key])?.parse().ok();
    Some([number("cpu family")?, number("model")?, number("stepping")?])
}

fn all_flags(cpuinfo: &str) -> Option<String> {
    named(cpuinfo, &["flags", "Features"])
}

fn is_x86(cpuinfo: &str) -> bool {
    named(cpuinfo, &["flags"]).is_some()
}

fn has_flag(cpuinfo: &str, flag: &str) -> bool {
    all_flags(cpuinfo).is_some_and(|flags| flags.split_whitespace().any(|found| found == flag))
}

fn flags(cpuinfo: &str) -> Option<Vec<String>> {
    let all = all_flags(cpuinfo)?;
    let found: BTreeSet<&str> = all.split_whitespace().collect();
    Some(FLAGS_THAT_MATTER.iter().filter(|flag| found.contains(**flag)).map(|flag| (*flag).to_owned()).collect())
}

/// Sockets and cores of the online processors. `None` if one of them does not report them.
fn topology(source: &mut Source<'_>, online: &[(u64, u64)]) -> (Option<u64>, Option<u64>) {
    let mut sockets = BTreeSet::new();
    let mut cores = BTreeSet::new();
    let processors = online.iter().flat_map(|(first, last)| *first..=*last).take(PROCESSORS_MAX);
    for processor in processors {
        let folder = format!("sys/devices/system/cpu/cpu{processor}/topology");
        sockets.insert(source.text(&format!("{folder}/physical_package_id")));
        cores.insert(source.text(&format!("{folder}/thread_siblings_list")));
    }
    let count = |set: BTreeSet<Option<String>>| (!set.contains(&None)).then_some(set.len() as u64);
    (count(sockets), count(cores))
}

/// Xen names itself. Other hypervisors offer a clock of their own, which is as clear, and firmware names the rest.
fn hypervisor(source: &mut Source<'_>) -> Option<String> {
    if let Some(kind) = source.word("sys/hypervisor/type") {
        return Some(kind);
    }
    let clocks = source.text("sys/devices/system/clocksource/clocksource0/available_clocksource").unwrap_or_default();
    let by_clock = [("kvm-clock", "kvm"), ("hyperv", "hyperv"), ("xen", "xen")];
    if let Some((_, name)) = by_clock.iter().find(|(clock, _)| clocks.contains(clock)) {
        return Some((*name).to_owned());
    }
    let vendor = source.text("sys/class/dmi/id/sys_vendor")?;
    let known =
        ["QEMU", "VMware", "Amazon EC2", "Google", "Microsoft", "innotek", "Parallels", "OpenStack", "DigitalOcean"];
    known.iter().find(|name| vendor.contains(**name)).map(|name| (*name).to_owned())
}

fn frequency(source: &mut Source<'_>, folder: &str) -> Frequency {
    // acpi-cpufreq has a switch that enables boost, intel_pstate one that disables it.
    let boost = source.switch("sys/devices/system/cpu/cpufreq/boost");
    Frequency {
        driver: source.word(&format!("{folder}/cpufreq/scaling_driver")),
        khz_min: source.number(&format!("{folder}/cpufreq/scaling_min_freq")),
        khz_max: source.number(&format!("{folder}/cpufreq/scaling_max_freq")),
        energy_preference: source.word(&format!("{folder}/cpufreq/energy_performance_preference")),
        boost: boost.or_else(|| source.switch("sys/devices/system/cpu/intel_pstate/no_turbo").map(|off| !off)),
    }
}

fn idle(source: &mut Source<'_>, folder: &str) -> Idle {
    const CPUIDLE: &str = "sys/devices/system/cpu/cpuidle";
    let names = source.names(&format!("{folder}/cpuidle"));
    let states = names.into_iter().filter(|name| name.starts_with("state")).take(ENTRIES_MAX);
    let states = states.filter_map(|state| {
        let folder = format!("{folder}/cpuidle/{state}");
        Some(IdleState {
            name: source.text(&format!("{folder}/name"))?,
            latency_us: source.number(&format!("{folder}/latency")),
            disabled: source.switch(&format!("{folder}/disable")),
        })
    });
    let states = states.collect();
    Idle {
        // Without a driver, the file contains `none`.
        driver: source.word(&format!("{CPUIDLE}/current_driver")).filter(|driver| driver != "none"),
        governor: source.word(&format!("{CPUIDLE}/current_governor")),
        states,
    }
}

fn caches(source: &mut Source<'_>, folder: &str) -> Vec<Cache> {
    let names = source.names(&format!("{folder}/cache"));
    let indices = names.into_iter().filter(|name| name.starts_with("index")).take(ENTRIES_MAX);
    let caches = indices.filter_map(|index| {
        let folder = format!("{folder}/cache/{index}");
        Some(Cache {
            level: source.number(&format!("{folder}/level"))?,
            kind: source.word(&format!("{folder}/type"))?,
            size_bytes: source.parsed(&format!("{folder}/size"), "a size such as 48K", size)?,
            shared_by: source.parsed(&format!("{folder}/shared_cpu_list"), "a list of processors", word),
        })
    });
    caches.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_the_first_named_one() {
        let model = |text: &str| named(text, &["model name", "Processor"]);
        assert_eq!(model("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n").as_deref(), Some("Some CPU @ 2 GHz"));
        assert_eq!(model("processor : 0\nBogoMIPS : 50"), None);
        assert_eq!(model("no colon"), None);
    }

    #[test]
    fn flags_are_whole_words_out_of_the_list() {
        let text = "cpu family\t: 6\nmodel\t\t: 167\nstepping\t: 8\nflags\t\t: fpu sse4_2 avx2x hypervisor_guest\n";
        assert_eq!(flags(text), Some(vec!["sse4_2".to_owned()]));
        assert!(!has_flag(text, "hypervisor"));
        assert_eq!(family(text), Some([6, 167, 8]));
        assert_eq!(flags("processor : 0"), None);
        assert_eq!(flags("Features : fp asimd atomics"), Some(vec!["asimd".to_owned(), "atomics".to_owned()]));
    }
}
